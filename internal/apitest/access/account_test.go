package access_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func registration(username string) body {
	return body{"username": username, "password": "secret", "firstName": "Ada", "lastName": "Lovelace"}
}

func TestFirstAccountBecomesTheAdministrator(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	require.Equal(t, "true\n", string(s.Anonymous.Get("/api/service/is-fts").Want(200).Body))
	answer := s.Anonymous.Post("/api/accounts/register", registration("ada")).Want(200)
	require.Equal(t, "Your account has been successfully created.", answer.Message())
	require.Empty(t, answer.Header.Get("Authorization"), "registration opens no session")
	require.Equal(t, "false\n", string(s.Anonymous.Get("/api/service/is-fts").Want(200).Body))

	var login struct{ Token string }
	s.Anonymous.Post("/api/auth/login", body{"username": "ada", "password": "secret"}).Want(200).Into(&login)
	var me body
	s.Anonymous.With("Authorization", "Bearer "+login.Token).Get("/api/accounts/me").Want(200).Into(&me)
	require.Equal(t, []any{"admin", true}, []any{me["role"], me["isAdmin"]})
	require.Len(t, me["permissions"], 27)
}

func TestRacingSetupsMakeOneAdministrator(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	statuses := make([]int, 4)
	var all sync.WaitGroup
	for i := range statuses {
		all.Go(func() {
			statuses[i] = s.Anonymous.Post("/api/account/register", registration("ada"+strings.Repeat("x", i))).Status
		})
	}
	all.Wait()
	require.ElementsMatch(t, []int{200, 403, 403, 403}, statuses)
	var administrators, accounts int
	s.Scan(t, &administrators, `select count(*) from administrators`)
	s.Scan(t, &accounts, `select count(*) from accounts`)
	require.Equal(t, []int{1, 1}, []int{administrators, accounts})
}

func TestSelfRegistrationIsClosedUnlessSwitchedOn(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const closed = "Self-registration is not enabled"
	s.Anonymous.Post("/api/account/register", registration("newcomer")).WantError(403, closed)
	s.Anonymous.Post("/api/account/register", registration("owner")).WantError(403, closed)

	s.Exec(t, `update auth_providers set allow_registration = true where is_internal`)
	s.Anonymous.Post("/api/account/register", registration("newcomer")).Want(200)
	s.Anonymous.Post("/api/account/register", registration("newcomer")).WantError(409, "This account already exists")
	s.Anonymous.Post("/api/account/register", registration("another")).Want(200)
	var administrators int
	s.Scan(t, &administrators, `select count(*) from administrators`)
	require.Equal(t, 1, administrators, "only the seeded one")

	s.Exec(t, `update auth_providers set enabled = false where is_internal`)
	s.Anonymous.Post("/api/account/register", registration("another")).WantError(403, closed)
}

func TestRegistrationRules(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	for message, change := range map[string]body{
		"username is required":                                              {"username": nil, "-": "username"},
		"username length must be at least 3 characters long":                {"username": "ab"},
		"username length must be less than or equal to 15 characters long":  {"username": "abcdefghijklmnop"},
		"username must only contain alpha-numeric characters":               {"username": "ada lovelace"},
		"username is not allowed to be empty":                               {"username": ""},
		"password length must be at least 3 characters long":                {"password": "ab"},
		"password length must be less than or equal to 150 characters long": {"password": strings.Repeat("a", 151)},
		"firstName is not allowed to be empty":                              {"firstName": ""},
		"lastName length must be less than or equal to 50 characters long":  {"lastName": strings.Repeat("é", 51)},
		"lastName must be a string":                                         {"lastName": 5},
		"role is not allowed":                                               {"role": "admin"},
	} {
		request := registration("ada")
		for name, value := range change {
			request[name] = value
		}
		if gone, ok := change["-"].(string); ok {
			delete(request, gone)
			delete(request, "-")
		}
		s.Anonymous.Post("/api/account/register", request).WantError(400, message)
	}
	s.Anonymous.Post("/api/account/register", registration("ada")).Want(200)
}

func TestMeShowsTheEffectivePermissions(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `insert into account_permissions values ($1, 'users.view', 'allow'), ($1, 'files.modify', 'deny'), ($1, 'left.behind', 'allow')`, s.Stranger.AccountID)
	var me struct {
		Role        string
		IsAdmin     bool
		Permissions []string
	}
	s.Stranger.Get("/api/account/me").Want(200).Into(&me)
	require.Equal(t, "user", me.Role)
	require.False(t, me.IsAdmin)
	require.Equal(t, []string{
		"users.view", "organizations.create", "audit.view", "resources.manage", "identities.manage",
		"snippets.manage", "scripts.manage", "scripts.execute", "connect.ssh", "connect.rdp", "connect.vnc",
		"connect.proxmox", "connect.tunnel", "files.view", "files.upload", "files.download",
	}, me.Permissions)
}

func TestNameChangesInPart(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	answer := s.Owner.Patch("/api/accounts/name", body{"firstName": "Augusta"}).Want(200)
	require.Equal(t, "Your name has been successfully updated.", answer.Message())
	s.Owner.Patch("/api/account/name", body{}).WantError(400, "value must contain at least one of [firstName, lastName]")
	var me body
	s.Owner.Get("/api/account/me").Want(200).Into(&me)
	require.Equal(t, []any{"Augusta", "Test"}, []any{me["firstName"], me["lastName"]})
	s.Stranger.Get("/api/account/me").Want(200).Into(&me)
	require.Equal(t, "Stranger", me["firstName"], "nobody else's")
}

func TestPasswordChangesAndSessionsStay(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	// More than the 72 bytes that other hashes read, and different only at the end.
	long := strings.Repeat("é", 149)
	require.Equal(t, "Your password has been successfully updated.",
		s.Owner.Patch("/api/accounts/password", body{"password": long + "1"}).Want(200).Message())
	s.Owner.Get("/api/account/me").Want(200)
	login := func(password string) *testserver.Response {
		return s.Anonymous.Post("/api/auth/login", body{"username": "owner", "password": password})
	}
	login(testserver.Password).Want(401)
	login(long + "2").Want(401)
	login(long + "1").Want(200)

	s.NewAPIKey(t, s.Owner).Patch("/api/account/password", body{"password": "stolen"}).
		WantError(403, "API keys cannot manage account credentials")
}
