package access_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const (
	codesPath         = "/api/auth/device/create"
	codePollPath      = "/api/auth/device/poll"
	codeInfoPath      = "/api/auth/device/info"
	codeAuthorizePath = "/api/auth/device/authorize"
	codeStatusPath    = "/api/auth/device/link/status"
	unknownCode       = "Invalid or expired device code"
	authorizedCode    = "Device code has already been authorized"
)

type deviceCode struct{ Code, Token, ExpiresAt string }

func newCode(c *testserver.Client) deviceCode {
	var created deviceCode
	c.Post(codesPath, body{"clientType": "connector"}).Want(200).Into(&created)
	return created
}

// poll returns the status and, once, the session token.
func poll(c *testserver.Client, token string) (status, session string) {
	var answer struct{ Status, Token string }
	c.Post(codePollPath, body{"token": token}).Want(200).Into(&answer)
	return answer.Status, answer.Token
}

func linkStatus(c *testserver.Client, code string) string {
	var answer struct{ Status string }
	c.Post(codeStatusPath, body{"code": code}).Want(200).Into(&answer)
	return answer.Status
}

func TestADeviceSignsInWithItsOwnSession(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	other := testserver.Serve(t, s.Pool, s.Vault)
	device := s.Anonymous.With("User-Agent", "NextermConnector/1.0")
	created := newCode(device)
	require.Regexp(t, "^[A-HJKMNP-Z2-9]{4}-[A-HJKMNP-Z2-9]{4}$", created.Code)
	at, err := time.Parse(time.RFC3339, created.ExpiresAt)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(10*time.Minute), at, time.Minute)

	pending, _ := poll(device, created.Token)
	require.Equal(t, "pending", pending)
	var info struct{ IPAddress, UserAgent, ClientType, ExpiresAt string }
	s.NewAPIKey(t, ada).Post(codeInfoPath, body{"code": created.Code}).Want(200).Into(&info)
	require.Equal(t, "127.0.0.1", info.IPAddress)
	require.Equal(t, "NextermConnector/1.0", info.UserAgent)
	require.Equal(t, "connector", info.ClientType)
	require.Equal(t, created.ExpiresAt, info.ExpiresAt)

	var approval struct {
		Message    string
		DeviceInfo struct{ IPAddress, UserAgent, ClientType string }
	}
	answer := ada.On(other).Post(codeAuthorizePath, body{"code": created.Code}).Want(200).Into(&approval)
	require.Equal(t, "Device authorized successfully", approval.Message)
	require.Equal(t, "connector", approval.DeviceInfo.ClientType)
	require.NotContains(t, string(answer.Body), `"code"`)
	var sessions int
	s.Scan(t, &sessions, `select count(*) from sessions`)
	require.Equal(t, 1, sessions, "the approval opens no session")

	done, session := poll(s.Anonymous.With("User-Agent", "NextermConnector/1.1"), strings.ToUpper(created.Token))
	require.Equal(t, "authorized", done)
	require.Regexp(t, "^[0-9a-f]{96}$", session)
	var list []struct {
		UserAgent string
		Current   bool
	}
	s.Anonymous.With("Authorization", "Bearer "+session).Get("/api/session/list").Want(200).Into(&list)
	require.Equal(t, "NextermConnector/1.1", list[0].UserAgent, "the session is that of the client that polled")

	for _, c := range []*testserver.Client{device, other.Anonymous} {
		again, _ := poll(c, created.Token)
		require.Equal(t, "invalid", again)
	}
	ada.Post(codeInfoPath, body{"code": created.Code}).WantError(404, unknownCode)
	ada.Post(codeAuthorizePath, body{"code": created.Code}).WantError(404, unknownCode)
}

func TestOfTwoPollsOnTwoServersOneGetsTheSession(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	servers := []*testserver.Server{s, testserver.Serve(t, s.Pool, s.Vault)}
	created := newCode(s.Anonymous)
	ada.Post(codeAuthorizePath, body{"code": created.Code}).Want(200)
	var group sync.WaitGroup
	statuses := make([]string, 6)
	for i := range statuses {
		group.Go(func() { statuses[i], _ = poll(servers[i%2].Anonymous, created.Token) })
	}
	group.Wait()
	require.ElementsMatch(t, []string{"authorized", "invalid", "invalid", "invalid", "invalid", "invalid"}, statuses)
	var sessions int
	s.Scan(t, &sessions, `select count(*) from sessions where user_agent <> 'seed'`)
	require.Equal(t, 1, sessions)
}

func TestOfTwoApprovalsOneHolds(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada, eve := s.NewAccount(t, "ada"), s.NewAccount(t, "eve").On(testserver.Serve(t, s.Pool, s.Vault))
	created := newCode(s.Anonymous)
	var group sync.WaitGroup
	answers := make([]*testserver.Response, 2)
	for i, c := range []*testserver.Client{ada, eve} {
		group.Go(func() { answers[i] = c.Post(codeAuthorizePath, body{"code": created.Code}) })
	}
	group.Wait()
	winner, loser := 0, 1
	if answers[0].Status != 200 {
		winner, loser = 1, 0
	}
	answers[winner].Want(200)
	answers[loser].WantError(400, authorizedCode)
	ada.Post(codeInfoPath, body{"code": created.Code}).WantError(400, authorizedCode)

	_, session := poll(s.Anonymous, created.Token)
	var me struct{ Username string }
	s.Anonymous.With("Authorization", "Bearer "+session).Get("/api/account/me").Want(200).Into(&me)
	require.Equal(t, []string{"ada", "eve"}[winner], me.Username)
}

func TestDeviceCodesExpire(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	waiting, approved := newCode(ada), newCode(ada)
	ada.Post(codeAuthorizePath, body{"code": approved.Code}).Want(200)
	s.Exec(t, `update device_codes set expires_at = now()`)
	for _, created := range []deviceCode{waiting, approved} {
		gone, _ := poll(s.Anonymous, created.Token)
		require.Equal(t, "invalid", gone)
		ada.Post(codeInfoPath, body{"code": created.Code}).WantError(404, unknownCode)
		ada.Post(codeAuthorizePath, body{"code": created.Code}).WantError(404, unknownCode)
		require.Equal(t, "expired", linkStatus(ada, created.Code))
	}
}

func TestSessionsOfDeletedAccountsAreNotOpened(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	created := newCode(s.Anonymous)
	ada.Post(codeAuthorizePath, body{"code": created.Code}).Want(200)
	s.Exec(t, `delete from accounts where id = $1`, ada.AccountID)
	gone, _ := poll(s.Anonymous, created.Token)
	require.Equal(t, "invalid", gone)
}

func TestPollingNeedsTheSecret(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	created := newCode(s.Anonymous)
	ada.Post(codeAuthorizePath, body{"code": created.Code}).Want(200)
	stranger, _ := poll(s.Anonymous, strings.Repeat("0", 64))
	require.Equal(t, "invalid", stranger)
	poll := func(token any) *testserver.Response { return s.Anonymous.Post(codePollPath, body{"token": token}) }
	poll(created.Code).WantError(400, "token length must be 64 characters long")
	poll(created.Token[1:]).WantError(400, "token length must be 64 characters long")
	poll(strings.Repeat("g", 64)).WantError(400, "token must only contain hexadecimal characters")
	poll(nil).WantError(400, "token must be a string")
	s.Anonymous.Post(codePollPath, body{}).WantError(400, "token is required")
	var stored int
	s.Scan(t, &stored, `select count(*) from device_codes where encode(token_hash, 'hex') = $1`, created.Token)
	require.Zero(t, stored)
}

func TestTheLinkingClientWatchesItsCode(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada, eve := s.NewAccount(t, "ada"), s.NewAccount(t, "eve")
	linked := newCode(ada)
	require.Equal(t, "pending", linkStatus(ada, linked.Code))
	require.Equal(t, "expired", linkStatus(eve, linked.Code), "it is not hers")
	require.Equal(t, "expired", linkStatus(ada, "AAAA-AAAA"))
	ada.Post(codeAuthorizePath, body{"code": linked.Code}).Want(200)
	require.Equal(t, "authorized", linkStatus(ada, linked.Code))
	poll(s.Anonymous, linked.Token)
	require.Equal(t, "claimed", linkStatus(ada, linked.Code))
	s.Exec(t, `update device_codes set expires_at = now()`)
	require.Equal(t, "claimed", linkStatus(ada, linked.Code))

	shown := newCode(s.Anonymous)
	require.Equal(t, "expired", linkStatus(eve, shown.Code))
	eve.Post(codeAuthorizePath, body{"code": shown.Code}).Want(200)
	require.Equal(t, "authorized", linkStatus(eve, shown.Code))
	require.Equal(t, "expired", linkStatus(ada, shown.Code))
}

func TestDeviceCodesHaveOneForm(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	for _, path := range []string{codeInfoPath, codeAuthorizePath, codeStatusPath} {
		for _, text := range []any{"", "abcd-efgh", "ABCDEFGH", "ABCD-EFG", "ABCD-EFGHI", " ABCD-EFGH", "ABCD-EFGH\n", "ABC_-EFGH", 12345678, nil} {
			ada.Post(path, body{"code": text}).WantError(400, "Code must be in format XXXX-XXXX")
		}
		ada.Post(path, body{}).WantError(400, "code is required")
		s.Anonymous.Post(path, body{"code": "ABCD-EFGH"}).Want(400)
		s.Anonymous.With("Authorization", "Bearer x").Post(path, body{"code": "ABCD-EFGH"}).Want(401)
	}
	ada.Post(codeInfoPath, body{"code": "ABCD-EFGH"}).WantError(404, unknownCode)
	ada.Post(codeAuthorizePath, body{"code": "ABCD-EFGH"}).WantError(404, unknownCode)
}

func TestOnlySessionsApprove(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	key := s.NewAPIKey(t, ada)
	created := newCode(s.Anonymous)
	key.Post(codeAuthorizePath, body{"code": created.Code}).WantError(403, "API keys cannot manage account credentials")
	key.Post(codeStatusPath, body{"code": created.Code}).WantError(403, "API keys cannot manage account credentials")
	pending, _ := poll(s.Anonymous, created.Token)
	require.Equal(t, "pending", pending)
}

func TestAgentsAreCutAndNamed(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	agentOf := func(sent string) string {
		var info struct{ UserAgent string }
		created := newCode(s.Anonymous.With("User-Agent", sent))
		ada.Post(codeInfoPath, body{"code": created.Code}).Want(200).Into(&info)
		return info.UserAgent
	}
	require.Equal(t, "Unknown Device", agentOf(""))
	require.Equal(t, strings.Repeat("ä", 255), agentOf(strings.Repeat("ä", 300)))
}

func TestAnonymousCodesAreLimitedPerNetworkOverServers(t *testing.T) {
	t.Parallel()
	standard := func(o *server.Options) { o.DeviceLimit = 0 }
	s := testserver.NewEmpty(t, standard)
	ada := s.NewAccount(t, "ada")
	servers := []*testserver.Server{s, testserver.Serve(t, s.Pool, s.Vault, standard)}
	invalid := []string{"", "Bearer null", "Bearer x y", "Basic x", "Bearer nxt_x"}
	for i := range 10 {
		request := body{"clientType": "web"}
		want := 200
		if i%3 == 1 {
			request, want = body{"clientType": "toaster"}, 400
		}
		answer := servers[i%2].Anonymous.With("Authorization", invalid[i%len(invalid)]).Post(codesPath, request).Want(want)
		require.Equal(t, "10;w=3600", answer.Header.Get("RateLimit-Policy"))
		require.Equal(t, "10", answer.Header.Get("RateLimit-Limit"))
		require.Equal(t, strconv.Itoa(9-i), answer.Header.Get("RateLimit-Remaining"))
		require.Empty(t, answer.Header.Get("Retry-After"))
	}
	for _, server := range servers {
		answer := server.Anonymous.Post(codesPath, body{"clientType": "web"})
		answer.WantError(429, "Too many requests. Please try again later.")
		require.Equal(t, "0", answer.Header.Get("RateLimit-Remaining"))
		require.Equal(t, answer.Header.Get("RateLimit-Reset"), answer.Header.Get("Retry-After"))
		seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
		require.NoError(t, err)
		require.InDelta(t, 3570, seconds, 30)
		for _, known := range []*testserver.Client{ada.On(server), s.NewAPIKey(t, ada).On(server)} {
			answer := known.Post(codesPath, body{"clientType": "web"}).Want(200)
			require.Empty(t, answer.Header.Get("RateLimit-Limit"))
		}
	}
	s.Anonymous.Post(codePollPath, body{"token": strings.Repeat("0", 64)}).Want(200)
}

func TestCreateCodeRefusesUnknownClients(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	const choice = "clientType must be one of [mobile, connector, web]"
	s.Anonymous.Post(codesPath, body{"clientType": "toaster"}).WantError(400, choice)
	s.Anonymous.Post(codesPath, body{"clientType": nil}).WantError(400, choice)
	s.Anonymous.Post(codesPath, nil).WantError(400, "clientType is required")
	s.Anonymous.Post(codesPath, body{"clientType": "web", "name": "x"}).WantError(400, "name is not allowed")
}

func TestDeviceCodesMeetTheEndOfTheirAccount(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada, eve := s.NewAccount(t, "ada"), s.NewAccount(t, "eve")
	approved := newCode(ada)
	ada.Post(codeAuthorizePath, body{"code": approved.Code}).Want(200)
	answer := s.WhileDeleting(t, ada, func() *testserver.Response {
		return s.Anonymous.Post(codePollPath, body{"token": approved.Token})
	})
	require.JSONEq(t, `{"status": "invalid"}`, string(answer.Want(200).Body))

	own := newCode(eve)
	s.WhileDeleting(t, eve, func() *testserver.Response {
		return eve.Post(codeAuthorizePath, body{"code": own.Code})
	}).WantError(404, unknownCode)
}
