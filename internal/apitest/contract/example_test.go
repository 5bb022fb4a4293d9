package contract_test

import (
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/contract"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

func TestEveryExampleWorks(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	// Passkeys are for names, not for addresses.
	url := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	others := newOthers(t)
	s.Exec(t, `update auth_providers set allow_registration = true where is_internal`)
	host := testssh.Start(t, &testssh.Server{Shell: func(channel ssh.Channel) int {
		_, _ = io.Copy(io.Discard, channel)
		return 0
	}, Subsystem: func(_ string, channel ssh.Channel) {
		_ = sftp.NewRequestServer(channel, sftp.InMemHandler()).Serve()
	}})
	authenticator := testserver.NewAuthenticator(t, url)
	challenge := func(path, token string) string {
		var begun struct{ Challenge string }
		s.Anonymous.On(&testserver.Server{URL: url}).With("Authorization", "Bearer "+token).
			Post(path, object{"origin": url}).Want(200).Into(&begun)
		return begun.Challenge
	}
	suite := contract.Suite{URL: url, Token: s.Admin.Token, Client: http.DefaultClient, Write: true, Prepare: func(r *contract.Request) error {
		if strings.HasPrefix(r.Path, "/api/connections/{id}") || r.OperationID == "getSharedConnection" || r.Extensions["x-stream"] == true {
			connect(t, s, r, host.Port())
		}
		switch r.OperationID {
		case "acceptHostKey":
			s.Exec(t, `update host_keys set offered_type = 'ssh-ed25519', offered_at = now(),
				offered_key = decode('AAAAC3NzaC1lZDI1NTE5AAAAIBHKhzb2OQYc7x1ZF+D/ULuladoefGpvsJgwIhN8WxI+', 'base64') where id = $1::text::bigint`,
				r.PathValues["hostKeyId"])
		case "beginOidcLogin":
			s.Exec(t, `update auth_providers set enabled = true, issuer = $2 where id = $1::text::bigint`, r.PathValues["providerId"], others)
		case "createSource", "validateSource":
			r.Members()["url"] = others
		case "finishPasskeyLogin":
			// Registered now, because operations come by their names.
			s.Anonymous.On(&testserver.Server{URL: url}).With("Authorization", "Bearer "+s.Owner.Token).Post("/api/account/passkeys/register/verify", object{
				"response": authenticator.Create(challenge("/api/account/passkeys/register/options", s.Owner.Token)), "origin": url,
			}).Want(200)
			authenticator.Counter++
			r.Members()["response"] = authenticator.Get(challenge("/api/auth/passkey/options", "null"))
		case "finishPasskeyRegistration":
			r.Members()["response"] = testserver.NewAuthenticator(t, url).Create(challenge("/api/account/passkeys/register/options", r.Token))
		case "getRecording":
			r.PathValues["auditLogId"] = strconv.FormatInt(s.NewRecording(t), 10)
		case "updateMonitoringSettings":
			r.Body = r.Example().Body
		case "syncSource":
			s.Exec(t, `update sources set url = $2 where id = $1::text::bigint`, r.PathValues["sourceId"], others+"/shelf")
		}
		return nil
	}}
	var before, after string
	left := `select concat_ws(' ', (select count(*) from accounts), (select count(*) from organizations), (select count(*) from permission_groups),
		(select count(*) from auth_providers), (select count(*) from sources), (select count(*) from entries), (select count(*) from scripts),
		(select count(*) from identities))`
	s.Scan(t, &before, left)
	err := suite.Run(t.Context(), func(o contract.Outcome) {
		works := o.Succeeded() || o.Operation.NotYet() && o.Status == http.StatusNotFound && o.Problem == nil
		testserver.Record(t, o.Operation.OperationID, o.Status, o.Problem == nil)
		testserver.RecordExample(t, o.Operation.OperationID, works)
		if !works {
			t.Errorf("%s answered %d: %v: %s", o.Operation.OperationID, o.Status, o.Problem, o.Body)
		}
	})
	require.NoError(t, err)
	s.Exec(t, `delete from entries where account_id = $1`, s.Owner.AccountID)
	s.Exec(t, `delete from identities where account_id = $1`, s.Owner.AccountID)
	s.Scan(t, &after, left)
	require.Equal(t, before, after, "all that was made is gone")
}

// connect puts a connection in place of the one that an example names.
func connect(t *testing.T, s *testserver.Server, r *contract.Request, port int) {
	t.Helper()
	token := r.Token
	if token == "" {
		token = s.Owner.Token
	}
	c := s.Anonymous.With("Authorization", "Bearer "+token)
	identity := c.Put("/api/identity", object{"name": "login", "type": "password", "username": "x", "password": testssh.Password}).Want(200).ID()
	entry := c.Put("/api/entry", object{"name": "host", "config": object{"protocol": "ssh", "ip": "127.0.0.1", "port": port}, "identities": []int64{identity}})
	var made struct{ SessionID, ShareID string }
	body := object{"entryId": entry.Want(200).ID()}
	if r.Extensions["x-stream"] == true {
		body["type"] = "sftp"
	}
	c.Post("/api/connections", body).Want(201).Into(&made)
	require.Eventually(t, func() bool {
		return s.Count(t, `connections where id = $1 and state = 'active'`, made.SessionID) == 1
	}, 10*time.Second, 10*time.Millisecond)
	if r.OperationID == "getSharedConnection" || r.OperationID == "updateConnectionShare" {
		c.Post("/api/connections/"+made.SessionID+"/share", nil).Want(200).Into(&made)
		r.PathValues["shareId"] = made.ShareID
	}
	if r.Extensions["x-stream"] == true {
		r.Query.Set("sessionId", made.SessionID)
		if r.OperationID == "downloadFile" {
			r.Query.Set("path", "/")
		}
	}
	r.PathValues["id"] = made.SessionID
	delete(r.Members(), "identityId")
}

// newOthers is a server of others: an OpenID Connect provider and a source.
func newOthers(t *testing.T) string {
	t.Helper()
	script := "#!/bin/sh\n# @name: Uptime\nuptime\n"
	var listener *httptest.Server
	listener = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(object{
				"issuer": listener.URL, "authorization_endpoint": listener.URL + "/authorize", "token_endpoint": listener.URL + "/token",
				"jwks_uri": listener.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"},
			})
		case strings.HasSuffix(r.URL.Path, "/NTINDEX"):
			fmt.Fprintf(w, "scripts/uptime.sh@%x\n", md5.Sum([]byte(script)))
		case strings.HasSuffix(r.URL.Path, "/scripts/uptime.sh"):
			_, _ = w.Write([]byte(script))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(listener.Close)
	return listener.URL
}
