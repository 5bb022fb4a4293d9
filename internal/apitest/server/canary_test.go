package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// canaries are secrets that must not turn up anywhere, by what they are.
type canaries map[string]string

// spellings lists how a secret may look: as it is, escaped in JSON as Go or
// PostgreSQL do it, in hex, or in base64 at any of the three offsets that it
// can have inside other text.
func (canaries) spellings(secret string) [][]byte {
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(secret); err != nil {
		panic(err)
	}
	plain := strings.TrimSuffix(quoted.String()[1:], "\"\n")
	escaped := encode(secret)
	all := []string{
		secret, plain, escaped[1 : len(escaped)-1],
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
	}
	for offset := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			whole := []byte(secret)[offset:]
			all = append(all, encoding.EncodeToString(whole[:len(whole)-len(whole)%3]))
		}
	}
	forms := make([][]byte, len(all))
	for i, form := range all {
		forms[i] = []byte(form)
	}
	// Tokens are hex themselves; what they stand for could be stored as bytes.
	if decoded, err := hex.DecodeString(strings.TrimPrefix(secret, "nxt_")); err == nil {
		forms = append(forms, decoded, []byte(base64.StdEncoding.EncodeToString(decoded)))
	}
	return forms
}

// search returns what names the secrets that a text contains in any spelling.
func (c canaries) search() (leaks func(text []byte) []string) {
	forms := map[string][][]byte{}
	for name, secret := range c {
		forms[name] = c.spellings(secret)
	}
	return func(text []byte) []string {
		var found []string
		for name := range forms {
			if slices.ContainsFunc(forms[name], func(form []byte) bool { return bytes.Contains(text, form) }) {
				found = append(found, name)
			}
		}
		slices.Sort(found)
		return found
	}
}

// dump reads every column of every table: bytes as hexadecimal characters and
// as they are, JSON as text.
func dump(t testing.TB, pool *pgxpool.Pool) []byte {
	t.Helper()
	rows, err := pool.Query(t.Context(), `select c.table_name, c.column_name, c.data_type
		from information_schema.columns c
				 join information_schema.tables t using (table_schema, table_name)
		where c.table_schema = 'public' and t.table_type = 'BASE TABLE'`)
	require.NoError(t, err)
	var columns [][3]string
	for rows.Next() {
		var column [3]string
		require.NoError(t, rows.Scan(&column[0], &column[1], &column[2]))
		columns = append(columns, column)
	}
	require.NoError(t, rows.Err())
	var all bytes.Buffer
	for _, column := range columns {
		values := column[1] + "::text"
		if column[2] == "bytea" {
			values = fmt.Sprintf("encode(%[1]s, 'hex') || ' ' || encode(%[1]s, 'escape')", column[1])
		}
		rows, err := pool.Query(t.Context(), fmt.Sprintf("select coalesce(%s, '') from %s", values, column[0]))
		require.NoError(t, err)
		for rows.Next() {
			var value string
			require.NoError(t, rows.Scan(&value))
			fmt.Fprintf(&all, "%s.%s: %s\n", column[0], column[1], value)
		}
		require.NoError(t, rows.Err())
	}
	return all.Bytes()
}

func TestSecretsDoNotLeak(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, manyLogins)
	secrets := canaries{
		"password":     "canary<password>&\"7c1f",
		"own password": "canary-own-password-93ab",
		"ssh key":      "-----BEGIN CANARY KEY-----\ncanary/ssh+key\n-----END-----\n",
		"passphrase":   "canary passphrase ü 5d20",
		"login":        testserver.Password,
		"client":       "canary-client-secret-61e0",
	}
	key := s.NewAPIKey(t, s.Owner)
	callers := map[string]*testserver.Client{
		"owner": s.Owner, "colleague": s.Colleague, "stranger": s.Stranger, "admin": s.Admin, "API key": key, "anonymous": s.Anonymous,
	}
	for name, c := range callers {
		if c.Token != "" {
			secrets["token of "+name] = c.Token
		}
	}

	// Secrets are stored, personal and shared ones, and used.
	for _, organization := range []any{nil, s.Organization} {
		body := map[string]any{
			"name": "Canary", "type": "both", "password": secrets["password"],
			"sshKey": secrets["ssh key"], "passphrase": secrets["passphrase"],
		}
		if organization != nil {
			body["organizationId"] = organization
		}
		s.Owner.Put("/api/identity", body).Want(200)
	}
	s.Admin.Put("/api/auth/providers/admin/oidc", map[string]any{
		"name": "Canary", "issuer": "https://id.example.com", "clientId": "nexterm", "clientSecret": secrets["client"],
		"redirectUri": "https://nexterm.example.com/callback",
	}).Want(201)
	s.Owner.Patch("/api/account/password", map[string]any{"password": secrets["own password"]}).Want(200)
	opened := signIn(s.Anonymous, "stranger").Want(200)
	var session struct{ Token string }
	opened.Into(&session)

	leaks := secrets.search()
	for _, o := range contractOperations() {
		for name, c := range callers {
			path := o.ownersPath(t, s)
			for _, body := range canaryBodies(o, o.example(t), secrets) {
				answer := o.send(c, path, body)
				assert.Empty(t, leaks(answer.Body), "%s, %s: %s", o, name, answer.Body)
				for header, values := range answer.Header {
					assert.Empty(t, leaks([]byte(strings.Join(values, " "))), "%s, %s: %s", o, name, header)
				}
			}
			for _, header := range []string{"Bearer x " + secrets["password"], "Basic " + secrets["login"], "Bearer " + secrets["own password"]} {
				answer := o.send(s.Anonymous.With("Authorization", header), path+"?token="+s.Owner.Token, nil)
				assert.Empty(t, leaks(answer.Body), "%s: %s", o, answer.Body)
			}
		}
	}

	secrets["fresh token"] = session.Token
	leaks = secrets.search()
	assert.Empty(t, leaks([]byte(s.Log.String())), "the log")
	assert.Empty(t, leaks(dump(t, s.Pool)), "the database")
	assert.Empty(t, leaks(s.Anonymous.Get("/metrics").Body), "the metrics")
}

// canaryBodies are valid and broken bodies with a secret wherever a text fits.
func canaryBodies(o operation, example map[string]any, secrets canaries) []any {
	if example == nil {
		return []any{nil}
	}
	named := map[string]string{"sshKey": "ssh key", "passphrase": "passphrase", "password": "password", "clientSecret": "client"}
	filled := put(example, nil, example).(map[string]any)
	var wrong []any
	for _, p := range places(o.body(), example) {
		// The patterns of names leave a secret through.
		special := len(p.schema.Enum) > 0 || p.schema.Format != "" || p.schema.Pattern != "" && p.schema.VisitJSON(secrets["password"]) != nil
		plain := p.schema.Type.Is(openapi3.TypeString) && !special
		if len(p.path) > 1 && plain {
			continue // notes and names are no secrets: they are shown again
		}
		if len(p.path) != 1 || !p.schema.Type.Is(openapi3.TypeString) {
			wrong = append(wrong, p.with(secrets["password"]))
			continue
		}
		name := p.path[0].(string)
		if secret, known := named[name]; known {
			filled = put(filled, []any{name}, secrets[secret]).(map[string]any)
			wrong = append(wrong, p.with(map[string]any{"x": secrets[secret]}), p.with([]any{secrets[secret]}),
				p.with(strings.Repeat(secrets[secret], 4000)))
			continue
		}
		if special {
			wrong = append(wrong, p.with(secrets["password"]))
		}
	}
	valid := encode(filled)
	return append(wrong, filled, valid[:len(valid)-1], valid+"x", "\xff"+valid)
}

// The search above can fail.
func TestCanariesAreFound(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	secrets := canaries{"secret": "canary<secret>\"ü", "token": s.Owner.Token}
	leaks := secrets.search()
	require.Empty(t, leaks(dump(t, s.Pool)))
	plant := func(value any) {
		s.Exec(t, `insert into audit_logs (account_id, action, details) values (1, 'planted', $1)`, map[string]any{"planted": value})
		require.NotEmpty(t, leaks(dump(t, s.Pool)), "%v", value)
		s.Exec(t, `delete from audit_logs`)
	}
	for name, secret := range secrets {
		raw := []byte("x" + secret + "y")
		plant(string(raw))
		plant(hex.EncodeToString(raw))
		plant(base64.StdEncoding.EncodeToString(raw))
		plant(base64.URLEncoding.EncodeToString(raw[1:]))
		s.Exec(t, `update accounts set first_name = $1 where username = 'owner'`, secret)
		require.Equal(t, []string{name}, leaks(s.Owner.Get("/api/account/me").Body))
		s.Exec(t, `update accounts set first_name = '' where username = 'owner'`)
		s.Exec(t, `insert into encryption_keysets (fingerprint, keyset) values ('x', $1) on conflict (id) do update set keyset = $1`, raw)
		require.Equal(t, []string{name}, leaks(dump(t, s.Pool)))
		s.Exec(t, `delete from encryption_keysets`)
	}
	decoded, err := hex.DecodeString(s.Owner.Token)
	require.NoError(t, err)
	s.Exec(t, `insert into encryption_keysets (fingerprint, keyset) values ('x', $1)`, decoded)
	require.Equal(t, []string{"token"}, leaks(dump(t, s.Pool)))
}
