package access_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	keysPath    = "/api/account/api-keys"
	tooManyKeys = "You have reached the maximum number of API keys (50)"
)

type apiKey struct {
	ID           int64
	Name, Prefix string
	Token        string
	LastUsedAt   *string
	ExpiresAt    *string
	CreatedAt    string
}

func newAPIKey(c *testserver.Client, b body) apiKey {
	var key apiKey
	c.Post(keysPath, b).Want(200).Into(&key)
	return key
}

func TestAKeyActsForItsAccountUntilItIsDeleted(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	key := newAPIKey(ada, body{"name": "  Backup job\t", "comment": "ignored"})
	require.Equal(t, "Backup job", key.Name)
	require.Regexp(t, "^nxt_[0-9a-f]{64}$", key.Token)
	require.Equal(t, key.Token[:10]+"…", key.Prefix)
	require.Nil(t, key.LastUsedAt)
	require.Nil(t, key.ExpiresAt)

	bearer := s.Anonymous.With("Authorization", "Bearer "+key.Token)
	var me struct{ Username string }
	bearer.Get("/api/account/me").Want(200).Into(&me)
	require.Equal(t, "ada", me.Username)

	var list []apiKey
	answer := ada.Get("/api/accounts/api-keys").Want(200).Into(&list)
	require.Len(t, list, 1)
	require.NotNil(t, list[0].LastUsedAt)
	require.NotContains(t, string(answer.Body), key.Token)
	var stored int
	s.Scan(t, &stored, `select count(*) from api_keys where token_hash = $1`, vault.HashToken(key.Token))
	require.Equal(t, 1, stored)

	other := testserver.Serve(t, s.Pool, s.Vault)
	deleted := ada.Delete(fmt.Sprintf("%s/%d", keysPath, key.ID)).Want(200)
	require.Equal(t, "API key deleted successfully", deleted.Message())
	for _, server := range []*testserver.Server{s, other} {
		server.Anonymous.With("Authorization", "Bearer "+key.Token).Get("/api/account/me").WantError(401, "The provided API key is not valid")
	}
	ada.Delete(fmt.Sprintf("%s/%d", keysPath, key.ID)).WantError(404, "API key not found")
}

func TestKeysAreListedNewestFirstAndOnlyToTheirOwner(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada, eve := s.NewAccount(t, "ada"), s.NewAccount(t, "eve")
	first, second := newAPIKey(ada, body{"name": "first"}), newAPIKey(ada, body{"name": "second"})
	var list []apiKey
	ada.Get(keysPath).Want(200).Into(&list)
	require.Equal(t, []int64{second.ID, first.ID}, []int64{list[0].ID, list[1].ID})
	eve.Get(keysPath).Want(200).Into(&list)
	require.Empty(t, list)
	eve.Delete(fmt.Sprintf("%s/%d", keysPath, first.ID)).WantError(404, "API key not found")
	for _, id := range []string{"0", "x", "-1", "01", "1.5", "9223372036854775808"} {
		ada.Delete(keysPath+"/"+id).WantError(400, "Invalid API key ID")
	}
}

func TestCreateKeyRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	for _, b := range []any{nil, body{}, body{"name": ""}, body{"name": " \t\n"}, body{"name": 7}, body{"name": nil}, body{"name": strings.Repeat("ä", 256)}} {
		ada.Post(keysPath, b).WantError(400, "A name is required")
	}
	newAPIKey(ada, body{"name": strings.Repeat("ä", 255)})
	for _, at := range []any{"soon", "2026-13-01", "2026-01-31T12:00:00", 1893456000, true} {
		ada.Post(keysPath, body{"name": "x", "expiresAt": at}).WantError(400, "Invalid expiration date")
	}
	for _, at := range []string{"2020-01-01", "2020-01-01T00:00:00.000Z", time.Now().Add(-time.Second).Format(time.RFC3339)} {
		ada.Post(keysPath, body{"name": "x", "expiresAt": at}).WantError(400, "Expiration date must be in the future")
	}
	for _, at := range []any{"", nil} {
		require.Nil(t, newAPIKey(ada, body{"name": "x", "expiresAt": at}).ExpiresAt)
	}
	require.Equal(t, "2999-12-31T22:30:00.000Z", *newAPIKey(ada, body{"name": "x", "expiresAt": "2999-12-31T23:30:00+01:00"}).ExpiresAt)
	require.Equal(t, "2999-12-31T00:00:00.000Z", *newAPIKey(ada, body{"name": "x", "expiresAt": "2999-12-31"}).ExpiresAt)
}

func TestFiftyKeysAreTheMostAlsoInARace(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	s.Exec(t, `insert into api_keys (account_id, name, token_hash, prefix, expires_at)
		select $1, 'old', sha256(n::text::bytea), 'nxt_', case when n > 48 then now() - interval '1 second' end
		from generate_series(1, 60) n`, ada.AccountID)
	other := ada.On(testserver.Serve(t, s.Pool, s.Vault))
	var group sync.WaitGroup
	statuses := make([]int, 6)
	for i := range statuses {
		group.Go(func() { statuses[i] = []*testserver.Client{ada, other}[i%2].Post(keysPath, body{"name": "new"}).Status })
	}
	group.Wait()
	require.ElementsMatch(t, []int{200, 200, 400, 400, 400, 400}, statuses, "expired keys do not count")
	ada.Post(keysPath, body{"name": "new"}).WantError(400, tooManyKeys)
}

func TestExpiredKeysAreRefusedAndGo(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	key := newAPIKey(ada, body{"name": "short", "expiresAt": time.Now().Add(time.Hour).Format(time.RFC3339)})
	bearer := s.Anonymous.With("Authorization", "Bearer "+key.Token)
	bearer.Get("/api/account/me").Want(200)
	s.Exec(t, `update api_keys set expires_at = now()`)
	var list []apiKey
	ada.Get(keysPath).Want(200).Into(&list)
	require.Len(t, list, 1, "until it is used its owner sees why a program has stopped")
	for range 2 {
		bearer.Get("/api/account/me").WantError(401, "The provided API key is not valid")
		ada.Get(keysPath).Want(200).Into(&list)
		require.Empty(t, list)
	}
}

func TestKeysEndWithTheirAccount(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	key := newAPIKey(ada, body{"name": "x"})
	s.Exec(t, `delete from accounts where id = $1`, ada.AccountID)
	s.Anonymous.With("Authorization", "Bearer "+key.Token).Get("/api/account/me").WantError(401, "The provided API key is not valid")
	ada.Get("/api/account/me").Want(401)
}

func TestKeysCannotManageKeys(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	key := s.NewAPIKey(t, s.NewAccount(t, "ada"))
	const refusal = "API keys cannot manage API keys"
	key.Get(keysPath).WantError(403, refusal)
	key.Post(keysPath, body{"name": "x"}).WantError(403, refusal)
	key.Post(keysPath, body{}).WantError(403, refusal)
	key.Delete(keysPath+"/1").WantError(403, refusal)
	key.Patch("/api/account/password", body{"password": "new"}).WantError(403, "API keys cannot manage account credentials")
}
