package contract

import (
	"encoding/json"
	"maps"
	"slices"
)

// kind says by which operations things of a kind come about and are found.
type kind struct{ create, list, remove string }

var (
	account      = kind{"createUser", "listUsers", "deleteUser"}
	apiKey       = kind{"createApiKey", "listApiKeys", "deleteApiKey"}
	entry        = kind{"createEntry", "listEntries", "deleteEntry"}
	folder       = kind{"createFolder", "listFolders", "deleteFolder"}
	group        = kind{"createGroup", "listGroups", "deleteGroup"}
	hostKey      = kind{"pinHostKey", "listHostKeys", "deleteHostKey"}
	identity     = kind{"createIdentity", "listIdentities", "deleteIdentity"}
	organization = kind{"createOrganization", "listOrganizations", "deleteOrganization"}
	passkey      = kind{"", "listPasskeys", "deletePasskey"}
	provider     = kind{"createOidcProvider", "listProviderSettings", "deleteOidcProvider"}
	script       = kind{"createScript", "listScripts", "deleteScript"}
	session      = kind{"", "listSessions", "deleteSession"}
	snippet      = kind{"createSnippet", "listSnippets", "deleteSnippet"}
	source       = kind{"createSource", "listSources", "deleteSource"}
	tag          = kind{"createTag", "listTags", "deleteTag"}
)

// kinds are found by the path up to the id, with the parameters' names left out.
// Members of queries and bodies that name things are found by their own names.
var kinds = map[string]kind{
	"/api/account/{}":                       {list: "getMe"},
	"/api/account/api-keys/{}":              apiKey,
	"/api/account/passkeys/{}":              passkey,
	"/api/audit/organizations/{}":           organization,
	"/api/auth/oidc/login/{}":               provider,
	"/api/auth/providers/admin/oidc/{}":     provider,
	"/api/entry/{}":                         entry,
	"/api/entry/{}/host-keys/{}":            hostKey,
	"/api/folder/{}":                        folder,
	"/api/identity/{}":                      identity,
	"/api/monitoring/{}":                    entry,
	"/api/organization/{}":                  organization,
	"/api/organization/invitations/{}":      {list: "listPendingInvitations"},
	"/api/organization/{}/members/{}":       {list: "listMembers"},
	"/api/permissions/groups/{}":            group,
	"/api/permissions/groups/{}/members/{}": account,
	"/api/permissions/users/{}":             account,
	"/api/scripts/{}":                       script,
	"/api/session/{}":                       session,
	"/api/snippet/{}":                       snippet,
	"/api/sources/{}":                       source,
	"/api/tag/{}":                           tag,
	"/api/tag/{}/assign/{}":                 entry,
	"/api/tag/entry/{}":                     entry,
	"/api/users/{}":                         account,

	"accountId":      account,
	"entryId":        entry,
	"folderId":       folder,
	"groupIds":       group,
	"identityId":     identity,
	"organizationId": organization,
}

// firstID is the first id in an answer, by the order of lists and of names.
func firstID(answer []byte) (id int64, found bool) {
	var value any
	if json.Unmarshal(answer, &value) != nil {
		return 0, false
	}
	var search func(value any) bool
	search = func(value any) bool {
		switch v := value.(type) {
		case []any:
			return slices.ContainsFunc(v, search)
		case map[string]any:
			for _, name := range []string{"id", "accountId"} {
				if number, is := v[name].(float64); is {
					id = int64(number)
					return true
				}
			}
			for _, name := range slices.Sorted(maps.Keys(v)) {
				if search(v[name]) {
					return true
				}
			}
		}
		return false
	}
	return id, search(value)
}
