package access_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/origin"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const (
	providersPath = "/api/auth/providers/admin"
	oidcPath      = providersPath + "/oidc"
	lastProvider  = "At least one authentication provider must remain enabled"
)

func providerSettings(issuer string) body {
	return body{
		"name": "Company", "issuer": issuer, "clientId": "nexterm", "clientSecret": "s3cret", "enabled": true,
		"redirectUri": "https://nexterm.example.com/api/auth/oidc/callback",
	}
}

func changed(b body, name string, value any) body {
	changed := body{name: value}
	for k, v := range b {
		if k != name {
			changed[k] = v
		}
	}
	return changed
}

func addProvider(c *testserver.Client, issuer string) int64 {
	return c.Put(oidcPath, providerSettings(issuer)).Want(201).ID()
}

func providerPath(id int64) string { return fmt.Sprintf("%s/%d", oidcPath, id) }

func getProvider(c *testserver.Client, id int64) body {
	var found body
	c.Get(providerPath(id)).Want(200).Into(&found)
	return found
}

func TestProvidersForLoginPages(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const first = `{"allowRegistration":false,"enabled":true,"id":1,"isInternal":true,"issuer":"internal","name":"Internal Authentication",
		"clientId":"internal","redirectUri":"internal","scope":"internal","usernameAttribute":"username","firstNameAttribute":"firstName","lastNameAttribute":"lastName"}`
	anonymous := s.Anonymous.With("Authorization", "Bearer null")
	require.JSONEq(t, `[`+first+`]`, string(anonymous.Get("/api/auth/providers").Want(200).Body))
	id := s.Admin.Put(oidcPath, changed(providerSettings("https://id.example.com"), "enabled", false)).Want(201).ID()
	require.JSONEq(t, fmt.Sprintf(`[%s, {"enabled":false,"id":%d,"isInternal":false,"issuer":"https://id.example.com","name":"Company",
		"clientId":"nexterm","redirectUri":"https://nexterm.example.com/api/auth/oidc/callback","scope":"openid profile",
		"usernameAttribute":"preferred_username","firstNameAttribute":"given_name","lastNameAttribute":"family_name"}]`, first, id),
		string(anonymous.Get("/api/auth/providers").Want(200).Body))
}

func TestCreateProviderStoresDefaultsAndHidesTheSecret(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	created := s.Admin.Put(oidcPath, body{
		"name": "Company", "issuer": "https://id.example.com/realm", "clientId": "nexterm", "redirectUri": "https://nexterm.example.com/callback",
	}).Want(201)
	require.Equal(t, "Provider created successfully", created.Message())
	want := body{
		"id": float64(created.ID()), "name": "Company", "issuer": "https://id.example.com/realm", "enabled": false, "isInternal": false,
		"clientId": "nexterm", "clientSecret": nil, "redirectUri": "https://nexterm.example.com/callback", "scope": "openid profile",
		"usernameAttribute": "preferred_username", "firstNameAttribute": "given_name", "lastNameAttribute": "family_name",
	}
	require.Equal(t, want, getProvider(s.Admin, created.ID()))
	var lists struct{ Oidc, Ldap []body }
	s.Admin.Get(providersPath).Want(200).Into(&lists)
	require.Len(t, lists.Oidc, 2)
	require.Equal(t, want, lists.Oidc[1])
	require.Equal(t, getProvider(s.Admin, 1), lists.Oidc[0])
	require.Equal(t, []any{true, false, "internal", nil},
		[]any{lists.Oidc[0]["isInternal"], lists.Oidc[0]["allowRegistration"], lists.Oidc[0]["clientId"], lists.Oidc[0]["clientSecret"]})
	require.NotNil(t, lists.Ldap)
	require.Empty(t, lists.Ldap)

	full := addProvider(s.Admin, "https://id.example.com")
	require.Equal(t, "********", getProvider(s.Admin, full)["clientSecret"])
	var stored []byte
	s.Scan(t, &stored, `select client_secret from auth_providers where id = $1`, full)
	require.NotContains(t, string(stored), "s3cret")
	s.Admin.Get(providerPath(987654)).WantError(404, "Provider not found")
	s.Admin.Get(oidcPath+"/x").WantError(400, "Invalid provider ID")
}

func TestCreateProviderRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback, func(o *server.Options) {
		public, err := origin.Parse("https://nexterm.example.com")
		require.NoError(t, err)
		o.PublicURLs = []origin.Origin{public}
	})
	id := addProvider(s.Admin, "https://id.example.com")
	refuse := func(message, name string, values ...any) {
		t.Helper()
		for _, value := range values {
			s.Admin.Put(oidcPath, changed(providerSettings("https://id.example.com"), name, value)).WantError(400, message)
			s.Admin.Patch(providerPath(id), body{name: value}).WantError(400, message)
		}
	}
	refuse("issuer must be a valid uri", "issuer", "nonsense", "ftp://example.com", "https://", "//example.com", "javascript:alert(1)", "https://exa mple.com",
		"https://u:p@example.com", "https://example.com/#x", "https://example.com?x", "https://:1", "https://example.com:x")
	refuse("issuer must use https", "issuer", "http://example.invalid", "http://127.0.0.2", "http://10.0.0.1", "http://[::1]")
	refuse("redirectUri must be a valid uri", "redirectUri", "nonsense", "/callback", "nexterm://callback", "https://u:p@example.com", "https://example.com/#x")
	refuse("redirectUri must be on a public origin of this server", "redirectUri", "https://evil.example.com/", "http://nexterm.example.com/", "https://nexterm.example.com:8443/", "https://nexterm.example.com.evil.example/")
	refuse("name length must be less than or equal to 50 characters long", "name", strings.Repeat("x", 51))
	refuse("issuer is not allowed to be empty", "issuer", "")
	refuse("clientSecret is not allowed to be empty", "clientSecret", "")
	s.Admin.Put(oidcPath, changed(providerSettings("http://127.0.0.1:1"), "redirectUri", "HTTPS://Nexterm.Example.com:443/x")).Want(201)
}

func TestTheInternalProvider(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const onlySwitched = "Internal authentication provider can only be enabled or disabled"
	for _, wrong := range []body{{}, {"name": "x"}, {"enabled": true, "issuer": "https://id.example.com"}, {"clientSecret": nil}} {
		s.Admin.Patch(providerPath(1), wrong).WantError(400, onlySwitched)
	}
	s.Admin.Patch(providerPath(1), body{"enabled": false}).WantError(400, lastProvider)
	s.Admin.Delete(providerPath(1)).WantError(400, "Cannot delete internal authentication provider")
	var answer body
	s.Admin.Patch(providerPath(1), body{"allowRegistration": true}).Want(200).Into(&answer)
	require.Equal(t, []any{1.0, "Internal Authentication", "internal", true, true, true},
		[]any{answer["id"], answer["name"], answer["issuer"], answer["enabled"], answer["isInternal"], answer["allowRegistration"]})
	s.Anonymous.Post("/api/account/register", body{"username": "grace", "password": "nanosecond", "firstName": "G", "lastName": "H"}).Want(200)

	id := addProvider(s.Admin, "https://id.example.com")
	s.Admin.Patch(providerPath(1), body{"enabled": false}).Want(200).Into(&answer)
	require.Equal(t, []any{false, false}, []any{answer["enabled"], answer["allowRegistration"]})
	login := body{"username": "owner", "password": testserver.Password}
	s.Anonymous.Post("/api/auth/login", login).WantError(403, "No login method is enabled")
	s.Anonymous.Post("/api/account/register", body{"username": "joan", "password": "nanosecond", "firstName": "J", "lastName": "C"}).WantError(403, "Self-registration is not enabled")
	s.Admin.Patch(providerPath(id), body{"enabled": false}).WantError(400, lastProvider)
	s.Admin.Delete(providerPath(id)).WantError(400, lastProvider)
	require.Equal(t, true, getProvider(s.Admin, id)["enabled"])

	s.Admin.Patch(providerPath(1), body{"enabled": true}).Want(200).Into(&answer)
	require.Equal(t, []any{true, true}, []any{answer["enabled"], answer["allowRegistration"]})
	s.Anonymous.Post("/api/auth/login", login).Want(200)
	require.Equal(t, "Provider deleted successfully", s.Admin.Delete(providerPath(id)).Want(200).Message())
	s.Admin.Delete(providerPath(id)).WantError(404, "Provider not found")
}

func TestUpdateProvider(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := addProvider(s.Admin, "https://id.example.com")
	s.Admin.Patch(providerPath(id), body{}).WantError(400, "value must contain at least one of [name, issuer, clientId, clientSecret, redirectUri, scope, enabled, usernameAttribute, firstNameAttribute, lastNameAttribute]")
	s.Admin.Patch(providerPath(id), body{"allowRegistration": true}).WantError(400, "allowRegistration is not allowed")
	s.Admin.Patch(providerPath(987654), body{"name": "x"}).WantError(404, "Provider not found")
	change := body{
		"name": "Other", "issuer": "https://id.example.com/realm", "clientId": "other", "redirectUri": "https://other.example.com/", "scope": "openid email",
		"enabled": false, "usernameAttribute": "email", "firstNameAttribute": "first", "lastNameAttribute": "last",
	}
	var answer body
	s.Admin.Patch(providerPath(id), change).Want(200).Into(&answer)
	require.Equal(t, answer, getProvider(s.Admin, id))
	for name, value := range change {
		require.Equal(t, value, answer[name], name)
	}
}

func TestProviderSecretsAreKeptReplacedAndRemoved(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := addProvider(s.Admin, "https://id.example.com")
	stored := func() (sealed []byte) {
		s.Scan(t, &sealed, `select client_secret from auth_providers where id = $1`, id)
		return sealed
	}
	patch := func(change body) body {
		var answer body
		s.Admin.Patch(providerPath(id), change).Want(200).Into(&answer)
		return answer
	}
	before := stored()
	require.Equal(t, "********", patch(body{"name": "x"})["clientSecret"])
	require.Equal(t, "********", patch(body{"name": "x", "clientSecret": "********"})["clientSecret"])
	require.Equal(t, before, stored())

	// Nobody has the secret sent to a server of his own.
	const again = "clientSecret is required for an issuer on another host"
	for _, elsewhere := range []string{"https://evil.example.com", "https://id.example.com:8443"} {
		s.Admin.Patch(providerPath(id), body{"issuer": elsewhere}).WantError(400, again)
		s.Admin.Patch(providerPath(id), body{"issuer": elsewhere, "clientSecret": "********"}).WantError(400, again)
	}
	patch(body{"issuer": "https://id.example.com:443/realm"})
	patch(body{"clientId": "other", "clientSecret": "********"})
	opened, err := s.Vault.Open("auth_providers", id, "client-secret", stored(), "https://id.example.com:443/realm", "other")
	require.NoError(t, err)
	require.Equal(t, "s3cret", string(opened))

	require.Equal(t, "********", patch(body{"clientSecret": "another", "issuer": "https://other.example.com"})["clientSecret"])
	require.NotEqual(t, before, stored())
	require.Nil(t, patch(body{"clientSecret": nil})["clientSecret"])
	require.Nil(t, stored())
	require.Nil(t, patch(body{"clientSecret": "********", "issuer": "https://third.example.com"})["clientSecret"])
	require.Nil(t, stored())
}

// Whoever disables or deletes at the same time, one provider stays.
func TestOneProviderStaysEnabled(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	admins := []*testserver.Client{s.Admin, s.Admin.On(testserver.Serve(t, s.Pool, s.Vault))}
	for range 5 {
		id := addProvider(s.Admin, "https://id.example.com")
		statuses := make([]int, 4)
		var group sync.WaitGroup
		for i := range statuses {
			group.Go(func() {
				c := admins[i%2]
				switch i {
				case 0, 1:
					statuses[i] = c.Patch(providerPath(1), body{"enabled": false}).Status
				case 2:
					statuses[i] = c.Patch(providerPath(id), body{"enabled": false}).Status
				default:
					statuses[i] = c.Delete(providerPath(id)).Status
				}
			})
		}
		group.Wait()
		var enabled int
		s.Scan(t, &enabled, `select count(*) from auth_providers where enabled`)
		require.Equal(t, 1, enabled, statuses)
		s.Admin.Patch(providerPath(1), body{"enabled": true}).Want(200)
		s.Exec(t, `delete from auth_providers where not is_internal`)
	}
}
