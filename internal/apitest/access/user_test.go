package access_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

type userPage struct {
	Total int64
	Users []body
}

func userPath(id int64) string { return fmt.Sprintf("/api/users/%d", id) }

// addGroup adds a role with members, of the priority of order.
func addGroup(t *testing.T, s *testserver.Server, name string, order int, members ...*testserver.Client) int64 {
	t.Helper()
	var id int64
	s.Scan(t, &id, `insert into permission_groups (name, sort_order) values ($1, $2) returning id`, name, order)
	for _, c := range members {
		s.Exec(t, `insert into group_members (group_id, account_id) values ($1, $2)`, id, c.AccountID)
	}
	return id
}

func usernames(t *testing.T, c *testserver.Client, query string) []string {
	t.Helper()
	var p userPage
	c.Get("/api/users/list" + query).Want(200).Into(&p)
	names := make([]string, len(p.Users))
	for i, u := range p.Users {
		names[i] = u["username"].(string)
	}
	return names
}

func TestEveryUserOperationNeedsItsPermissions(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	target := s.NewAccount(t, "target")
	calls := func(c *testserver.Client) []*testserver.Response {
		return []*testserver.Response{
			c.Put("/api/users", body{}),
			c.Patch(userPath(target.AccountID)+"/password", body{}),
			c.Delete(userPath(target.AccountID)),
		}
	}
	s.Stranger.Get("/api/users/list?limit=0").WantError(403, "Forbidden")
	s.Grant(t, s.Stranger, "users.manage")
	s.Stranger.Get("/api/users/list").WantError(403, "Forbidden")
	for _, r := range calls(s.Stranger) {
		r.WantError(403, "Forbidden")
	}
	s.Grant(t, s.Colleague, "users.view")
	s.Colleague.Get("/api/users/list").Want(200)
	for _, r := range calls(s.Colleague) {
		r.WantError(403, "Forbidden")
	}
}

func TestListShowsAccountsNewestFirstWithTheirRoles(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	custom := addGroup(t, s, "Operators", 5, s.Owner, s.Admin)
	s.Exec(t, `update accounts set totp_enabled = true, avatar_hash = '0123456789abcdef', active_theme_id = 4 where id = $1`, s.Owner.AccountID)

	var p userPage
	s.Admin.Get("/api/users/list").Want(200).Into(&p)
	require.EqualValues(t, 4, p.Total)
	require.Len(t, p.Users, 4)
	everybody := body{"id": 2., "name": "Default", "color": "#B7B7B7", "isAdmin": false, "isDefault": true}
	operators := body{"id": float64(custom), "name": "Operators", "color": "#314BD3", "isAdmin": false, "isDefault": false}
	administrator := body{"id": 1., "name": "Administrator", "color": "#a44747", "isAdmin": true, "isDefault": false}
	require.Equal(t, body{
		"id": float64(s.Stranger.AccountID), "username": "stranger", "firstName": "Stranger", "lastName": "Test",
		"totpEnabled": false, "avatarHash": nil, "activeThemeId": nil, "groups": []any{everybody},
	}, p.Users[0])
	require.Equal(t, "colleague", p.Users[1]["username"])
	require.Equal(t, body{
		"id": float64(s.Owner.AccountID), "username": "owner", "firstName": "Owner", "lastName": "Test",
		"totpEnabled": true, "avatarHash": "0123456789abcdef", "activeThemeId": 4., "groups": []any{operators, everybody},
	}, p.Users[2])
	require.Equal(t, []any{administrator, operators, everybody}, p.Users[3]["groups"])
}

func TestUserListSearchesLiterally(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	add := func(username, first, last string) {
		s.Exec(t, `insert into accounts (username, first_name, last_name, password_hash) values ($1, $2, $3, 'x')`, username, first, last)
	}
	add("ada", "Augusta", "King_Noel")
	add("grace", "Grace", "100%")
	add(`back\slash`, "Östen", "Ünal")

	for search, want := range map[string][]string{
		"AUGUSTA": {"ada"}, "gUsT": {"ada"}, "king_": {"ada"}, "_": {"ada"}, "%": {"grace"}, "100%": {"grace"},
		`\`: {`back\slash`}, "östen": {`back\slash`}, "ÜN": {`back\slash`}, "g%e": {}, "gr_ce": {}, "Ada King": {},
		"a' or '1'='1": {}, "owner": {"owner"},
	} {
		require.Equal(t, want, usernames(t, s.Admin, "?search="+escape(search)), search)
	}
	require.Len(t, usernames(t, s.Admin, "?search="), 7)
}

func escape(text string) string {
	return strings.NewReplacer("%", "%25", " ", "+", "'", "%27", `\`, "%5C", "Ü", "%C3%9C", "ö", "%C3%B6").Replace(text)
}

func TestUserListPages(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	require.Equal(t, []string{"stranger", "colleague"}, usernames(t, s.Admin, "?limit=2"))
	require.Equal(t, []string{"owner", "admin"}, usernames(t, s.Admin, "?limit=2&offset=2"))
	require.Equal(t, []string{"admin"}, usernames(t, s.Admin, "?limit=500&offset=3&search=test"))

	var p userPage
	s.Admin.Get("/api/users/list?search=test&limit=1&offset=9223372036854775807").Want(200).Into(&p)
	require.EqualValues(t, 4, p.Total)
	require.Empty(t, p.Users)

	s.Exec(t, `insert into accounts (username, first_name, last_name, password_hash)
		select 'many' || n, '', '', 'x' from generate_series(1, 60) n`)
	require.Len(t, usernames(t, s.Admin, ""), 50)
}

func TestUserListRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for query, message := range map[string]string{
		"limit=0":                            "limit must be a positive number",
		"limit=501":                          "limit must be less than or equal to 500",
		"limit=x":                            "limit must be a number",
		"offset=-1":                          "offset must be greater than or equal to 0",
		"search=" + strings.Repeat("a", 256): "search length must be less than or equal to 255 characters long",
	} {
		s.Admin.Get("/api/users/list?"+query).WantError(400, message)
	}
	s.Admin.Get("/api/users/list?search=" + strings.Repeat("%C3%A9", 255)).Want(200)
}

func TestCreateUserAddsAPlainAccount(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Grant(t, s.Owner, "users.view", "users.manage")
	var created body
	s.Owner.Put("/api/users", body{"username": "ada", "password": "engine", "firstName": "Ada", "lastName": "Lovelace"}).Want(200).Into(&created)
	require.Equal(t, "Account got successfully created", created["message"])

	var p userPage
	s.Admin.Get("/api/users/list?search=ada").Want(200).Into(&p)
	require.Equal(t, created["id"], p.Users[0]["id"])
	require.Len(t, p.Users[0]["groups"], 1)
	s.Anonymous.Post("/api/auth/login", body{"username": "ada", "password": "engine"}).Want(200)
}

func TestCreateUserRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	ada := func(change body) body {
		account := body{"username": "ada", "password": "engine", "firstName": "Ada", "lastName": "Lovelace"}
		for name, value := range change {
			account[name] = value
		}
		return account
	}
	s.Admin.Put("/api/users", ada(body{"username": "owner"})).WantError(409, "This account already exists")
	s.Admin.Put("/api/users", ada(body{"username": "Owner"})).WantError(409, "This account already exists")
	for _, c := range []struct {
		change  body
		message string
	}{
		{body{"username": "ad"}, "username length must be at least 3 characters long"},
		{body{"username": "ada-1"}, "username must only contain alpha-numeric characters"},
		{body{"password": "ab"}, "password length must be at least 3 characters long"},
		{body{"password": strings.Repeat("a", 151)}, "password length must be less than or equal to 150 characters long"},
		{body{"firstName": ""}, "firstName is not allowed to be empty"},
		{body{"lastName": nil}, "lastName must be a string"},
		{body{"isAdmin": true}, "isAdmin is not allowed"},
	} {
		s.Admin.Put("/api/users", ada(c.change)).WantError(400, c.message)
	}
	s.Admin.Put("/api/users", nil).WantError(400, "username is required")
}

func TestPasswordIsSetAndSessionsStay(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	require.Equal(t, "Password got successfully updated",
		s.Admin.Patch(userPath(s.Stranger.AccountID)+"/password", body{"password": "another"}).Want(200).Message())
	s.Stranger.Get("/api/account/me").Want(200)
	s.Anonymous.Post("/api/auth/login", body{"username": "stranger", "password": "another"}).Want(200)
	s.Anonymous.Post("/api/auth/login", body{"username": "stranger", "password": testserver.Password}).Want(401)
}

func TestPasswordIsSetByThoseWhoHoldAtLeastAsMuch(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	set := func(c, target *testserver.Client) *testserver.Response {
		return c.Patch(userPath(target.AccountID)+"/password", body{"password": "another"})
	}
	s.Grant(t, s.Owner, "users.view", "users.manage")
	set(s.Owner, s.Stranger).Want(200)
	set(s.Owner, s.Owner).Want(200)
	set(s.Owner, s.Admin).WantError(403, adminAccountsOnly)

	strong := addGroup(t, s, "Backup", 3, s.Colleague)
	s.Exec(t, `insert into group_permissions values ($1, 'settings.backup', 'allow')`, strong)
	set(s.Owner, s.Colleague).WantError(403, beyondOwn)
	s.Grant(t, s.Owner, "settings.backup")
	set(s.Owner, s.Colleague).Want(200)

	s.Deny(t, s.Owner, "connect.ssh")
	set(s.Owner, s.Stranger).WantError(403, beyondOwn)
	set(s.Owner, s.Owner).Want(200)
	s.Deny(t, s.Stranger, "connect.ssh")
	set(s.Owner, s.Stranger).Want(200)

	s.Promote(t, s.Owner)
	set(s.Owner, s.Admin).Want(200)
	s.Anonymous.Post("/api/auth/login", body{"username": "admin", "password": "another"}).Want(200)
}

func TestPasswordRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Admin.Patch("/api/users/987654/password", body{"password": "another"}).WantError(404, "The provided account does not exist")
	s.Admin.Patch("/api/users/0/password", body{"password": "another"}).WantError(400, "Invalid account ID")
	s.NewAPIKey(t, s.Admin).Patch(userPath(s.Owner.AccountID)+"/password", body{"password": "another"}).
		WantError(403, "API keys cannot manage account credentials")
	s.Admin.Patch(userPath(s.Owner.AccountID)+"/password", body{"password": "ab"}).WantError(400, "password length must be at least 3 characters long")
	s.Admin.Patch(userPath(s.Owner.AccountID)+"/password", body{}).WantError(400, "password is required")
	s.Admin.Patch(userPath(s.Owner.AccountID)+"/password", body{"password": "another", "username": "x"}).WantError(400, "username is not allowed")
	s.Anonymous.Post("/api/auth/login", body{"username": "owner", "password": testserver.Password}).Want(200)
}

// The total is a sum of changes, which come and are added up at the same time.
func TestTheTotalOfAccountsIsExact(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var writing, summing sync.WaitGroup
	done := make(chan struct{})
	for n := range 3 {
		writing.Go(func() {
			for i := range 40 {
				s.Exec(t, `insert into accounts (username, first_name, last_name, password_hash)
					select format('%s-%s-%s', $1::int, $2::int, k), '', '', '' from generate_series(1, 3) k`, n, i)
				s.Exec(t, `delete from accounts where username = format('%s-%s-1', $1::int, $2::int)`, n, i)
			}
		})
	}
	sum := func() {
		if err := db.New(s.Pool).SumAccountCounts(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		summing.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					sum()
				}
			}
		})
	}
	writing.Wait()
	close(done)
	summing.Wait()
	var p userPage
	s.Admin.Get("/api/users/list?limit=1").Want(200).Into(&p)
	require.EqualValues(t, s.Count(t, "accounts"), p.Total)
	sum()
	require.Equal(t, 1, s.Count(t, "account_counts"))
	s.Admin.Delete(userPath(s.Stranger.AccountID)).Want(200)
	s.Admin.Get("/api/users/list?limit=1").Want(200).Into(&p)
	require.EqualValues(t, s.Count(t, "accounts"), p.Total)
}
