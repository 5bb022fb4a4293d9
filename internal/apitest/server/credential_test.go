package server_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	noHeader   = "You need to provide the 'authorization' header"
	noToken    = "You need to provide the token in the 'authorization' header"
	badSession = "The provided token is not valid"
	badAPIKey  = "The provided API key is not valid"
)

func TestEveryOperationRefusesCredentials(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, manyLogins)
	revoked := s.NewAccount(t, "revoked")
	s.Exec(t, `delete from sessions where account_id = $1`, revoked.AccountID)
	expired := vault.NewAPIKey()
	orphaned := s.NewAccount(t, "orphaned")
	s.Exec(t, `delete from accounts where id = $1`, orphaned.AccountID)

	refused := []struct {
		header  string
		status  int
		message string
	}{
		{"", 400, noHeader},
		{"Basic x", 400, noToken},
		{"Bearer", 400, noToken},
		{"Bearer a b", 400, noToken},
		{"Bearer  " + s.Owner.Token, 400, noToken},
		{s.Owner.Token, 400, noToken},
		{"Bearer\t" + s.Owner.Token, 400, noToken},
		{"Bearer null", 401, badSession},
		{"Bearer " + strings.Repeat("0", 96), 401, badSession},
		{"Bearer " + strings.ToUpper(s.Owner.Token), 401, badSession},
		{"Bearer \xff\xfe", 401, badSession},
		{"Bearer nxt_" + strings.Repeat("0", 64), 401, badAPIKey},
		{"Bearer nxt_", 401, badAPIKey},
		{"Bearer " + revoked.Token, 401, badSession},
		{"Bearer " + expired, 401, badAPIKey},
		{"Bearer " + orphaned.Token, 401, badSession},
	}
	for _, o := range contractOperations() {
		if o.public() || o.inQuery() {
			continue
		}
		path := o.ownersPath(t, s)
		before := contents(t, s)
		// It goes with its use, and nothing else does.
		s.Exec(t, `insert into api_keys (account_id, name, token_hash, prefix, expires_at) values ($1, 'expired', $2, 'nxt_', now())`,
			s.Owner.AccountID, vault.HashToken(expired))
		for _, credential := range refused {
			c := s.Anonymous
			if credential.header == "" {
				credential.message = o.withoutCredential()
			}
			if credential.header != "" {
				c = c.With("Authorization", credential.header)
			}
			// A bad body and a bad id change nothing: the credential comes first.
			answer := o.send(c, path, "{")
			assert.Equal(t, credential.status, answer.Status, at(o, credential.header))
			assert.Equal(t, credential.message, answer.Message(), at(o, credential.header))
			answer = o.send(c, o.fill(strings.Fields(strings.Repeat("x ", len(o.parameters())))...), nil)
			assert.Equal(t, credential.message, answer.Message(), at(o, credential.header+" and a bad id"))
		}
		require.Equal(t, before, contents(t, s), o)
	}
}

func TestSchemeOfCredentialIsCaseInsensitive(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, scheme := range []string{"bearer ", "BEARER ", "Bearer "} {
		s.Anonymous.With("Authorization", scheme+s.Owner.Token).Get("/api/account/me").Want(200)
	}
}

// Clients that are signed out send "Bearer null" everywhere.
func TestPublicOperationsIgnoreCredentials(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, manyLogins)
	for _, o := range contractOperations() {
		if !o.public() || o.optional() {
			continue
		}
		path := o.ownersPath(t, s)
		headers := []string{"Bearer null", "Basic x", "Bearer", "Bearer a b", "\xff", "Bearer nxt_x", "Bearer " + s.Owner.Token}
		for body, headers := range map[any][]string{"{": headers, encode(o.example(t)): headers[:2]} {
			without := o.send(s.Anonymous, path, body)
			for _, header := range headers {
				with := o.send(s.Anonymous.With("Authorization", header), path, body)
				require.Equal(t, without.Status, with.Status, at(o, header))
				require.Equal(t, string(without.Body), string(with.Body), at(o, header))
			}
		}
	}
}

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	key := s.NewAPIKey(t, s.Owner)
	const refusal = "API keys cannot manage "
	for _, o := range contractOperations() {
		if o.public() || o.inQuery() {
			continue
		}
		answer := o.send(key, o.ownersPath(t, s), o.example(t))
		refused := answer.Status == 403 && strings.HasPrefix(answer.Message(), refusal)
		require.NotEqual(t, 401, answer.Status, o)
		require.Equal(t, o.takesAPIKey(), !refused, "%s answered %s", o, answer.Body)
		if !o.takesAPIKey() && o.body() != nil {
			require.Equal(t, 403, o.send(key, o.unknownPath(), "{").Status, "%s: the kind of credential comes before the body", o)
		}
	}
	var used bool
	s.Scan(t, &used, `select last_used_at > now() - interval '1 minute' from api_keys`)
	require.True(t, used)
}

// What the contract names as a permission is asked before anything of the
// request is read.
func TestPermissionComesBeforeValidation(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, o := range contractOperations() {
		for i, name := range o.permissions() {
			// Holds the others, lacks this one.
			c := s.NewAccount(t, o.OperationID+string(rune('A'+i)))
			for _, other := range o.permissions() {
				value := "allow"
				if other == name {
					value = "deny"
				}
				s.Exec(t, `insert into account_permissions values ($1, $2, $3)`, c.AccountID, other, value)
			}
			before := contents(t, s)
			o.send(c, o.ownersPath(t, s), o.example(t)).WantError(403, "Forbidden")
			o.send(c, o.unknownPath(), o.example(t)).WantError(403, "Forbidden")
			o.send(c, o.fill(strings.Fields(strings.Repeat("x ", len(o.parameters())))...), "{").WantError(403, "Forbidden")
			if len(o.parameters()) == 0 {
				require.Equal(t, before, contents(t, s), o)
			}
		}
	}
}
