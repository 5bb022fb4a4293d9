package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// operation is one operation of the contract, as the generic tests see it.
type operation struct {
	*openapi3.Operation
	method string
	path   string
	item   *openapi3.PathItem
}

// contractOperations lists those that answer over HTTP; tests of every operation
// range over it. WebSockets have tests of their own.
func contractOperations() []operation {
	return slices.DeleteFunc(allOperations(), func(o operation) bool { return o.Extensions["x-websocket"] == true })
}

func allOperations() []operation {
	var all []operation
	for _, path := range testserver.Contract().Paths.InMatchingOrder() {
		item := testserver.Contract().Paths.Value(path)
		// What is no id names the same for everybody.
		for _, ref := range item.Parameters {
			if p := ref.Value; p.In == openapi3.ParameterInPath && p.Schema.Value.Type.Is("string") {
				path = strings.ReplaceAll(path, "{"+p.Name+"}", p.Example.(string))
			}
		}
		for method, op := range item.Operations() {
			all = append(all, operation{op, method, path, item})
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.OperationID, b.OperationID) })
	return all
}

func (o operation) String() string { return o.OperationID }

// public operations need no credential.
func (o operation) public() bool { return len(*o.Security) == 0 || o.optional() }

// optional operations know a caller with a valid credential all the same.
func (o operation) optional() bool {
	return slices.ContainsFunc(*o.Security, func(r openapi3.SecurityRequirement) bool { return len(r) == 0 })
}

// inQuery operations take a session token in the query, not in a header.
func (o operation) inQuery() bool {
	return slices.ContainsFunc(*o.Security, func(r openapi3.SecurityRequirement) bool { return r["queryToken"] != nil })
}

// streams: the operation takes or sends what may last for hours. It has parameters that
// it cannot do without, and a token in the query where there is none in a header.
func (o operation) streams() bool { return o.Extensions["x-stream"] == true }

// withoutCredential is what the operation says then.
func (o operation) withoutCredential() string {
	if o.streams() {
		return "Missing parameters"
	}
	return noHeader
}

// takesAPIKey reports whether an API key is as good as a session.
func (o operation) takesAPIKey() bool {
	return slices.ContainsFunc(*o.Security, func(r openapi3.SecurityRequirement) bool { return r["apiKeyToken"] != nil })
}

// permissions are the system permissions that x-permission names.
func (o operation) permissions() []string {
	var names []string
	switch value := o.Extensions["x-permission"].(type) {
	case string:
		if value != "public" && value != "by-row" {
			names = append(names, value)
		}
	case []any:
		for _, name := range value {
			names = append(names, name.(string))
		}
	}
	return names
}

// answers reports whether the contract lists the status.
func (o operation) answers(status int) bool {
	return o.Responses.Value(strconv.Itoa(status)) != nil
}

func (o operation) bodyLimit() int {
	if limit, set := o.Extensions["x-body-limit"].(float64); set {
		return int(limit)
	}
	return 100 << 10
}

// body is the schema of the request's body, nil without one.
func (o operation) body() *openapi3.Schema {
	if o.RequestBody == nil || o.RequestBody.Value.Content.Get("application/json") == nil {
		return nil
	}
	return o.RequestBody.Value.Content.Get("application/json").Schema.Value
}

// example is the body that the contract shows, nil without one.
func (o operation) example(t testing.TB) map[string]any {
	schema := o.body()
	if schema == nil {
		return nil
	}
	require.IsType(t, map[string]any{}, schema.Example, "%s needs an example for its body", o)
	encoded, err := json.Marshal(schema.Example)
	require.NoError(t, err)
	var fresh map[string]any
	require.NoError(t, json.Unmarshal(encoded, &fresh))
	return fresh
}

func (o operation) send(c *testserver.Client, path string, body any) *testserver.Response {
	if values, ok := body.(map[string]any); ok && values == nil {
		body = nil
	}
	return c.Do(o.method, path, body)
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// fill puts values into the path, one for each of its parameters in order.
func (o operation) fill(values ...string) string {
	next := 0
	path := parameter.ReplaceAllStringFunc(o.path, func(string) string {
		value := values[next]
		next++
		return value
	})
	query := url.Values{}
	for _, ref := range o.Parameters {
		if p := ref.Value; o.streams() && p.In == openapi3.ParameterInQuery && p.Required {
			query.Set(p.Name, p.Example.(string))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

// parameters are the path's, in order.
func (o operation) parameters() []*openapi3.Parameter {
	var all []*openapi3.Parameter
	for _, name := range parameter.FindAllString(o.path, -1) {
		for _, ref := range slices.Concat(o.item.Parameters, o.Parameters) {
			if ref.Value.In == openapi3.ParameterInPath && "{"+ref.Value.Name+"}" == name {
				all = append(all, ref.Value)
			}
		}
	}
	return all
}

// unknownID is nobody's: no sequence gets there in a test.
const unknownID = 987654321

// thing makes what a path id names, such that Owner may use it and Stranger may
// not, and tells what Stranger hears about it. It knows the ids that stand
// before it in the path.
type thing struct {
	make    func(t testing.TB, s *testserver.Server, above []int64) int64
	refused int
}

// things are found by the path up to the id, with the parameters' names left
// out. An operation whose path has an id that is missing here fails the tests.
var things = map[string]thing{
	"/api/account/{}":                       {newAccount, http.StatusNotFound}, // in its only operation, a picture
	"/api/account/api-keys/{}":              {newAPIKey, http.StatusNotFound},
	"/api/account/passkeys/{}":              {newPasskey, http.StatusNotFound},
	"/api/identity/{}":                      {newIdentity, http.StatusNotFound},
	"/api/session/{}":                       {newSession, http.StatusNotFound},
	"/api/organization/{}":                  {newOrganization, http.StatusForbidden},
	"/api/organization/{}/members/{}":       {member, http.StatusForbidden},
	"/api/organization/invitations/{}":      {newInvitation, http.StatusNotFound},
	"/api/audit/{}":                         {newRecording, http.StatusNotFound},
	"/api/audit/organizations/{}":           {newOrganization, http.StatusForbidden},
	"/api/users/{}":                         {newAccount, http.StatusForbidden},
	"/api/connections/{}":                   {newHost, http.StatusNotFound}, // where it is an id and no UUID
	"/api/entry/{}":                         {newEntry, http.StatusNotFound},
	"/api/entry/{}/host-keys/{}":            {newHostKey, http.StatusNotFound},
	"/api/folder/{}":                        {newFolder, http.StatusNotFound},
	"/api/tag/{}":                           {newTag, http.StatusNotFound},
	"/api/tag/{}/assign/{}":                 {newEntry, http.StatusNotFound},
	"/api/tag/entry/{}":                     {newEntry, http.StatusNotFound},
	"/api/permissions/users/{}":             {newAccount, http.StatusForbidden},
	"/api/permissions/groups/{}":            {newGroup, http.StatusForbidden},
	"/api/permissions/groups/{}/members/{}": {newRoleMember, http.StatusForbidden},
	"/api/scripts/{}":                       {newScript, http.StatusNotFound},
	"/api/snippet/{}":                       {newSnippet, http.StatusNotFound},
	"/api/monitoring/{}":                    {newEntry, http.StatusNotFound},
	"/api/monitoring/integration/{}":        {noIntegration, http.StatusNotFound},
	"/api/sources/{}":                       {newSource, http.StatusForbidden},
	"/api/auth/providers/admin/oidc/{}":     {newProvider, http.StatusForbidden},
	"/api/auth/oidc/login/{}":               {newProvider, http.StatusNotFound}, // it is disabled
}

// refusals are those of operations that answer otherwise than their path says.
var refusals = map[string]int{
	"leaveOrganization": http.StatusNotFound, // a membership is looked for, not an organization
}

func newIdentity(_ testing.TB, s *testserver.Server, _ []int64) int64 {
	return s.Owner.Put("/api/identity", map[string]any{"name": "Owner's", "type": "password", "password": "secret"}).Want(200).ID()
}

func newAPIKey(t testing.TB, s *testserver.Server, _ []int64) (id int64) {
	s.Scan(t, &id, `insert into api_keys (account_id, name, token_hash, prefix)
		values ($1, 'test', sha256(gen_random_uuid()::text::bytea), 'nxt_') returning id`, s.Owner.AccountID)
	return id
}

func newPasskey(t testing.TB, s *testserver.Server, _ []int64) (id int64) {
	s.Scan(t, &id, `insert into passkeys (account_id, credential_id, public_key, sign_count, backup_eligible, backed_up, rp_id)
		values ($1, gen_random_uuid()::text::bytea, '', 0, false, false, 'localhost') returning id`, s.Owner.AccountID)
	return id
}

func newSession(t testing.TB, s *testserver.Server, _ []int64) (id int64) {
	s.Scan(t, &id, `insert into sessions (account_id, token_hash, ip, user_agent)
		values ($1, sha256(gen_random_uuid()::text::bytea), '192.0.2.1', 'test') returning id`, s.Owner.AccountID)
	return id
}

func newOrganization(t testing.TB, s *testserver.Server, _ []int64) int64 {
	return s.NewOrganization(t, s.Owner, s.Colleague)
}

func member(_ testing.TB, s *testserver.Server, _ []int64) int64 { return s.Colleague.AccountID }

func newInvitation(t testing.TB, s *testserver.Server, _ []int64) int64 {
	id := s.NewOrganization(t, s.Colleague)
	s.Exec(t, `insert into organization_members (organization_id, account_id, invited_by) values ($1, $2, $3)`,
		id, s.Owner.AccountID, s.Colleague.AccountID)
	return id
}

func newScript(_ testing.TB, s *testserver.Server, _ []int64) int64 {
	return s.Owner.Post("/api/scripts", map[string]any{"name": "Owner's", "content": "echo"}).Want(201).ID()
}

func newSnippet(_ testing.TB, s *testserver.Server, _ []int64) int64 {
	return s.Owner.Put("/api/snippet", map[string]any{"name": "Owner's", "command": "echo"}).Want(200).ID()
}

func newSource(t testing.TB, s *testserver.Server, _ []int64) (id int64) {
	s.Scan(t, &id, `insert into sources (name, url) values ('Some', 'http://127.0.0.1:1/' || gen_random_uuid()) returning id`)
	return id
}

// noIntegration is one that nobody has: there are none.
func noIntegration(testing.TB, *testserver.Server, []int64) int64 { return unknownID }

func newRecording(t testing.TB, s *testserver.Server, _ []int64) int64 { return s.NewRecording(t) }

func newProvider(_ testing.TB, s *testserver.Server, _ []int64) int64 {
	return s.Admin.Put("/api/auth/providers/admin/oidc", map[string]any{
		"name": "Some", "issuer": "https://id.example.com", "clientId": "nexterm", "redirectUri": "https://nexterm.example.com/callback",
	}).Want(201).ID()
}

func newAccount(t testing.TB, s *testserver.Server, _ []int64) (id int64) {
	s.Scan(t, &id, `insert into accounts (username, first_name, last_name, password_hash)
		select gen_random_uuid(), 'Some', 'Body', password_hash from accounts limit 1 returning id`)
	return id
}

func newEntry(_ testing.TB, s *testserver.Server, _ []int64) int64 {
	return s.Owner.Put("/api/entry", map[string]any{"name": "Owner's", "config": map[string]any{"macAddress": "00:11:22:33:44:55"}}).Want(200).ID()
}

// newHostKey is one that the entry's host has shown, and the example's offered key beside it.
func newHostKey(t testing.TB, s *testserver.Server, above []int64) (id int64) {
	host := fmt.Sprint("host-", above[0])
	s.Exec(t, `update entries set config = config || jsonb_build_object('protocol', 'ssh', 'ip', $2::text) where id = $1`, above[0], host)
	s.Scan(t, &id, `insert into host_keys (account_id, host, port, type, public_key, first_seen, last_seen, offered_type, offered_key, offered_at)
		values ($1, $2, 22, 'ssh-ed25519', 'a key', now(), now(), 'ssh-ed25519',
			decode('AAAAC3NzaC1lZDI1NTE5AAAAIBHKhzb2OQYc7x1ZF+D/ULuladoefGpvsJgwIhN8WxI+', 'base64'), now())
		returning id`, s.Owner.AccountID, host)
	return id
}

// exampleID is the connection in the contract's examples.
const exampleID = "3f2b8c1e-5a7d-4e0f-9b6a-1c2d3e4f5a6b"

// exampleConnection is the connection that the contract's examples name, shared by the
// link that they name, and a server of its own that holds it.
func exampleConnection(t testing.TB, s *testserver.Server) {
	const id, key = exampleID, "Zm9vYmFyYmF6cXV4cXV1eA"
	var number int64
	s.Exec(t, `insert into nodes (id, seen_at) values ($1, now() + interval '1 day') on conflict do nothing`, id)
	s.Scan(t, &number, `insert into connections (id, account_id, session_id, entry_id, kind, protocol, node_id, state)
		select $1::uuid, $2::bigint, (select max(s.id) from sessions s where s.account_id = $2), $3::bigint, 'terminal', 'ssh', $1, 'active'
		returning number`, id, s.Owner.AccountID, newEntry(t, s, nil))
	sealed, err := s.Vault.Seal("connections", number, "share-key", key)
	require.NoError(t, err)
	s.Exec(t, `update connections set share_key_hash = $2, key_id = $3, share_key = $4 where id = $1`,
		id, vault.HashToken(key), sealed.KeyID, sealed.Ciphertext)
}

// newHost is an entry that can be logged in to, if its host answered.
func newHost(t testing.TB, s *testserver.Server, _ []int64) int64 {
	identity := newIdentity(t, s, nil)
	return s.Owner.Put("/api/entry", map[string]any{
		"name": "away", "identities": []int64{identity}, "config": map[string]any{"protocol": "ssh", "ip": "127.0.0.1", "port": 1},
	}).Want(200).ID()
}

func newFolder(_ testing.TB, s *testserver.Server, _ []int64) int64 {
	return s.Owner.Put("/api/folder", map[string]any{"name": "Owner's"}).Want(200).ID()
}

func newTag(_ testing.TB, s *testserver.Server, _ []int64) int64 {
	name := fmt.Sprint("tag ", newEntry(nil, s, nil)) // names are unique
	return s.Owner.Put("/api/tag", map[string]any{"name": name, "color": "#fff"}).Want(200).ID()
}

func newGroup(_ testing.TB, s *testserver.Server, _ []int64) int64 {
	return s.Admin.Post("/api/permissions/groups", map[string]any{"name": "Some role"}).Want(200).ID()
}

func newRoleMember(t testing.TB, s *testserver.Server, above []int64) int64 {
	id := newAccount(t, s, nil)
	s.Exec(t, `insert into group_members (group_id, account_id) values ($1, $2)`, above[0], id)
	return id
}

// things of an operation's path, one for each parameter in order.
func (o operation) things(t testing.TB) []thing {
	t.Helper()
	var all []thing
	for _, end := range parameter.FindAllStringIndex(o.path, -1) {
		key := parameter.ReplaceAllString(o.path[:end[1]], "{}")
		made, known := things[key]
		require.True(t, known, "%s: say in the table things how to make one of %s", o, key)
		all = append(all, made)
	}
	return all
}

// refused is what Stranger hears about Owner's things in the operation's path.
func (o operation) refused(t testing.TB) int {
	t.Helper()
	if status, set := refusals[o.OperationID]; set {
		return status
	}
	if len(o.permissions()) > 0 {
		return http.StatusForbidden
	}
	return o.things(t)[0].refused
}

// owners are the ids of Owner's things in the operation's path, newly made.
func (o operation) owners(t testing.TB, s *testserver.Server) []string {
	t.Helper()
	var ids []int64
	var texts []string
	for _, made := range o.things(t) {
		ids = append(ids, made.make(t, s, ids))
		texts = append(texts, strconv.FormatInt(ids[len(ids)-1], 10))
	}
	return texts
}

// ownersPath is the operation's path with things of Owner.
func (o operation) ownersPath(t testing.TB, s *testserver.Server) string {
	t.Helper()
	// An operation before may have ended Owner's session.
	s.Exec(t, `insert into sessions (account_id, token_hash, ip, user_agent)
		select id, $2, '', '' from accounts where id = $1 on conflict on constraint sessions_token_unique do nothing`,
		s.Owner.AccountID, vault.HashToken(s.Owner.Token))
	return o.fill(o.owners(t, s)...)
}

// unknownPath is the operation's path with ids that nobody has.
func (o operation) unknownPath() string {
	ids := slices.Repeat([]string{strconv.Itoa(unknownID)}, len(o.parameters()))
	return o.fill(ids...)
}

// manyLogins lifts the limit of failed sign-ins out of the way.
func manyLogins(o *server.Options) { o.LoginLimit = 1 << 30 }

// contents tells how many rows each table has and what is in them, apart from
// what every request may touch: the limiter's counters and the last activities.
func contents(t testing.TB, s *testserver.Server) map[string]string {
	t.Helper()
	var query string
	s.Scan(t, &query, `select string_agg(format(
			'select %L as name, count(*) || '' rows '' || coalesce(md5(string_agg(row, '','' order by row)), '''') as digest
			from (select (to_jsonb(t) - ''last_activity'' - ''last_used_at'' - ''ip'')::text as row from %I as t) as rows',
			c.relname, c.relname), ' union all ')
		from pg_class c
		where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
		  and c.relname not in ('rate_limits', 'goose_db_version', 'nodes')`)
	rows, err := s.Pool.Query(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close()
	tables := map[string]string{}
	for rows.Next() {
		var name, digest string
		require.NoError(t, rows.Scan(&name, &digest))
		tables[name] = digest
	}
	require.NoError(t, rows.Err())
	require.Greater(t, len(tables), 5)
	return tables
}

// raw sends a request with nothing added to it and returns what net/http makes
// of the answer; for what a Client cannot express.
func raw(t testing.TB, method, url string, header http.Header, body string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(read)
}

// wantShape expects the one error shape.
func wantShape(t testing.TB, response *http.Response, body string, status int) {
	t.Helper()
	require.Equal(t, status, response.StatusCode, body)
	require.Equal(t, "application/json; charset=utf-8", response.Header.Get("Content-Type"))
	var failure struct {
		Code    int
		Message string
	}
	require.NoError(t, json.Unmarshal([]byte(body), &failure), body)
	require.Equal(t, status, failure.Code)
	require.NotEmpty(t, failure.Message)
}

func at(o operation, about string) string { return fmt.Sprintf("%s, %s", o, about) }

// waitLimit is how long a test waits for what happens by itself, looking every
// waitTick.
const (
	waitLimit = 20 * time.Second
	waitTick  = 5 * time.Millisecond
)
