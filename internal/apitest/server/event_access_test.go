package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// accountTellings are those of accounts, their own and administered.
var accountTellings = map[string][]telling{
	"registerAccount": {{"account.create", func(s stage) request {
		s.Exec(s.t, `update auth_providers set allow_registration = true where is_internal`)
		return request{}
	}}},
	"updateName": {{"account.update", usual}},
	"updatePassword": {
		{"account.password_change", func(stage) request { return request{body: object{"password": testserver.Password}} }},
		{"account.password_change session.delete impersonation.end", func(s stage) request {
			return request{by: s.everywhere("revoking"), body: object{"password": testserver.Password, "revokeSessions": true}}
		}},
	},
	"updatePreferences": {{"account.settings", usual}},
	"updateSessionSync": {{"account.settings", usual}},
	"setAvatar":         {{"account.settings", func(s stage) request { return request{body: picture(s.t)} }}},
	"deleteAvatar":      {{"account.settings", usual}},
	// The example's key ends some day.
	"createApiKey": {{"api_key.create", func(stage) request { return request{body: object{"name": "Backup job"}} }}},
	"deleteApiKey": {{"api_key.delete", usual}},
	"createUser": {{"account.create", func(stage) request {
		return request{body: object{"username": "grace", "password": "secret", "firstName": "Grace", "lastName": "Hopper"}}
	}}},
	"deleteUser": {
		{"account.delete", usual},
		{"impersonation.end account.delete", func(s stage) request {
			id := newAccount(s.t, s.Server, nil)
			s.openSession(s.Stranger.AccountID, id)
			return request{ids: []int64{id}}
		}},
		// Organizations pass on to members, and end without any.
		{"account.delete organization.update organization.delete", func(s stage) request {
			owner := s.NewAccount(s.t, "departing")
			s.NewOrganization(s.t, owner, s.Stranger)
			s.NewOrganization(s.t, owner)
			return request{ids: []int64{owner.AccountID}}
		}},
	},
	"updateUserPassword": {
		{"account.password_reset", func(stage) request { return request{body: object{"password": testserver.Password}} }},
		{"account.password_reset session.delete session.delete impersonation.end", func(s stage) request {
			return request{ids: []int64{s.everywhere("locked").AccountID}, body: object{"password": testserver.Password, "revokeSessions": true}}
		}},
	},
	"impersonateUser": {{"impersonation.begin", usual}},
}

// accessTellings are those of permissions and of login providers.
var accessTellings = map[string][]telling{
	"createGroup": {{"group.create", usual}},
	"orderGroups": {{"group.update impersonation.end", withdrawn("orderGroups", func(s stage) request {
		return request{body: object{"order": []int64{newGroup(s.t, s.Server, nil), newGroup(s.t, s.Server, nil)}}}
	})}},
	"updateGroup":            {{"group.update impersonation.end", withdrawn("updateGroup", usual)}},
	"deleteGroup":            {{"group.delete impersonation.end", withdrawn("deleteGroup", usual)}},
	"updateGroupPermissions": {{"group.permissions impersonation.end", withdrawn("updateGroupPermissions", usual)}},
	"addGroupMember": {{"group.member_add impersonation.end", withdrawn("addGroupMember", func(s stage) request {
		return request{body: object{"accountId": newAccount(s.t, s.Server, nil)}}
	})}},
	"removeGroupMember": {{"group.member_remove impersonation.end", withdrawn("removeGroupMember", usual)}},
	"updateUserGroups": {{"account.groups impersonation.end", withdrawn("updateUserGroups", func(s stage) request {
		return request{body: object{"groupIds": []int64{newGroup(s.t, s.Server, nil)}}}
	})}},
	"updateUserPermissions": {{"account.permissions impersonation.end", withdrawn("updateUserPermissions", usual)}},
	"createOidcProvider":    {{"auth_provider.create", usual}},
	"updateOidcProvider":    {{"auth_provider.update", usual}},
	"deleteOidcProvider":    {{"auth_provider.delete", usual}},
	"beginOidcLogin": {{"", func(s stage) request {
		provider := s.Admin.Put("/api/auth/providers/admin/oidc", object{
			"name": "Login", "issuer": newIssuer(s.t), "clientId": "nexterm", "redirectUri": "https://nexterm.example.com/callback", "enabled": true,
		})
		return request{ids: []int64{provider.Want(201).ID()}}
	}}},
}

// newIssuer is as much of a login provider as the beginning of a sign-in asks for.
func newIssuer(t *testing.T) (url string) {
	t.Helper()
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"issuer": %[1]q, "authorization_endpoint": "%[1]s/authorize", "token_endpoint": "%[1]s/token", "jwks_uri": "%[1]s/keys",
			"id_token_signing_alg_values_supported": ["RS256"]}`, url)
	}))
	t.Cleanup(listener.Close)
	url = listener.URL
	return url
}

// picture is a WebP image of one pixel.
func picture(t *testing.T) []byte {
	t.Helper()
	image, err := base64.StdEncoding.DecodeString("UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAgA0JaQAA3AA/vuUAAA=")
	require.NoError(t, err)
	return image
}

// openSession adds a session that its impersonator, if there is one, has no right to.
func (s stage) openSession(accountID, impersonatorID int64) {
	s.t.Helper()
	s.Exec(s.t, `insert into sessions (account_id, impersonator_id, token_hash, ip, user_agent)
		values ($1, nullif($2::bigint, 0), sha256(gen_random_uuid()::text::bytea), '', '')`, accountID, impersonatorID)
}

// everywhere is a new account with two sessions, and one of somebody who acts as it.
func (s stage) everywhere(username string) *testserver.Client {
	s.t.Helper()
	c := s.NewAccount(s.t, username)
	s.openSession(c.AccountID, 0)
	s.openSession(c.AccountID, s.Admin.AccountID)
	return c
}

// withdrawn is a request that finds somebody acting as another account who may not.
func withdrawn(id string, prepare func(stage) request) func(stage) request {
	return func(s stage) request {
		all := contractOperations()
		r := s.complete(all[slices.IndexFunc(all, func(o operation) bool { return o.OperationID == id })], prepare(s))
		s.openSession(s.Stranger.AccountID, s.Colleague.AccountID)
		return r
	}
}
