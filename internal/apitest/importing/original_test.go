package importing_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/importing"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/testserver"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

const originalKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func originalDatabase(t *testing.T, sql string) string {
	t.Helper()
	content, err := os.ReadFile(testdata + "nexterm/" + sql)
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "nexterm.db")
	conn, err := sqlite3.OpenFlags(name, sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE)
	require.NoError(t, err)
	require.NoError(t, conn.Exec(string(content)))
	require.NoError(t, conn.Close())
	return name
}

func TestImportNexterm(t *testing.T) {
	s := testserver.New(t)
	database := originalDatabase(t, "current.sql")
	passwords := filepath.Join(t.TempDir(), "passwords")
	arguments := []string{"nexterm", "--sqlite", database, "--passwords", passwords}
	require.ErrorContains(t, run(t, s, s.Admin, arguments...).failure, "the original's key is needed")
	t.Setenv("ENCRYPTION_KEY", originalKey)
	s.Owner.Put("/api/entry", body{"name": "mine", "config": body{"protocol": "ssh", "ip": "mine.example.com"}}).Want(200)

	before := stored(t, s)
	planned, a := results(t, s, s.Admin, append(arguments, "--dry-run")...)
	require.Equal(t, before, stored(t, s), "a dry run writes")
	require.Zero(t, s.Count(t, "sessions where ip = 'Admin'"))
	require.NoFileExists(t, passwords)
	require.Contains(t, a.err, "nothing is written")

	done, a := results(t, s, s.Admin, arguments...)
	require.ErrorContains(t, a.failure, "could not be imported")
	told := map[string]string{}
	for _, r := range done {
		told[string(r.Kind)+" "+r.Owner+" "+r.Folder+" "+r.Name] = r.Status + " " + r.Reason
	}
	for thing, want := range map[string]string{
		"account   ada": "created ", "organization   Engines": "created ", "member Engines  grace": "created ",
		"folder ada prod/EU EU": "created ", "folder ada prod prod": "created ", "identity ada  root key": "created ",
		" ada prod/EU web": "created ", " ada prod bastion": "created ", " Engines shared shared": `created its identity "root key" belongs to somebody else: link it again`,
		"script ada  Back up": "created ", "script Engines  Deploy": "created ", "snippet grace  Disks": "created ", "script   Foreign": "skipped a source delivers it",
		"   nobody": "skipped it belongs to nobody", " Engines Cluster guest": "skipped an integration makes it",
		"identity grace  x": `created its "password" cannot be decrypted`,
	} {
		require.Equal(t, want, told[thing], thing)
	}
	require.Contains(t, told["account   linus.t@example.com"], "failed ")
	require.Contains(t, told["member Engines  linus.t@example.com"], "failed ")
	require.Contains(t, a.err, "Left out of the database:\n  accounts: password, totpEnabled, totpSecret")
	require.NotContains(t, a.out+a.err+s.Log.String(), "canary")
	// All but the member, who cannot be invited yet, is foreseen.
	require.Equal(t, statuses(planned)[importing.Create]+1, statuses(done)[importing.Created])

	// What was written is whose it was.
	require.Equal(t, 1, s.Count(t, "entries e join accounts a on a.id = e.account_id where a.username = 'ada' and e.name = 'web' and jsonb_array_length(config->'jumpHosts') = 1"))
	require.Equal(t, 2, s.Count(t, "entries_identities l join entries e on e.id = l.entry_id where e.name = 'web'"))
	require.Equal(t, 1, s.Count(t, "entries e join organizations o on o.id = e.organization_id where o.name = 'Engines' and e.name = 'shared'"))
	require.Equal(t, 2, s.Count(t, "organization_members m join organizations o on o.id = m.organization_id where o.name = 'Engines' and status = 'active'"))
	require.Equal(t, 1, s.Count(t, "entries where account_id = $1", s.Owner.AccountID))
	require.Zero(t, s.Count(t, "entries where account_id = $1", s.Admin.AccountID))
	require.Zero(t, s.Count(t, "sessions where ip = 'Admin'"), "sessions of others stay open")

	require.Equal(t, map[string]string{"ssh-key": "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n", "passphrase": "canary passphrase"}, secrets(t, s, "root key"))
	require.Equal(t, map[string]string{"password": "canary pässword"}, secrets(t, s, "database"))

	// The passwords are those of the new accounts, in a file for one.
	info, err := os.Stat(passwords)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	content, err := os.ReadFile(passwords)
	require.NoError(t, err)
	username, password, _ := strings.Cut(strings.Split(string(content), "\n")[0], "\t")
	require.Equal(t, "ada", username)
	_, err = nexterm.Login(t.Context(), s.URL, username, password)
	require.NoError(t, err)
	require.NotContains(t, a.out+a.err, password)

	s.Exec(t, "delete from sessions where user_agent <> 'seed'")
	after := stored(t, s)
	again, _ := results(t, s, s.Admin, "nexterm", "--sqlite", database)
	require.Zero(t, statuses(again)[importing.Created])
	require.Equal(t, statuses(done)[importing.Created]+statuses(done)[importing.Exists], statuses(again)[importing.Exists])
	// Sessions of others are in the audit log, and that is all.
	require.Equal(t, after[:9], stored(t, s)[:9], "a second run writes")
}

func TestImportNextermTakesAnAdministrator(t *testing.T) {
	s := testserver.New(t)
	t.Setenv("ENCRYPTION_KEY", originalKey)
	before := stored(t, s)
	a := run(t, s, s.Owner, "nexterm", "--sqlite", originalDatabase(t, "servers.sql"))
	require.ErrorIs(t, a.failure, nexterm.ErrForbidden)
	s.Grant(t, s.Owner, permission.UsersView, permission.UsersManage)
	a = run(t, s, s.Owner, "nexterm", "--sqlite", originalDatabase(t, "servers.sql"))
	require.ErrorContains(t, a.failure, "users.impersonate")
	require.Equal(t, before, stored(t, s))

	open := filepath.Join(t.TempDir(), "passwords")
	require.NoError(t, os.WriteFile(open, nil, 0o644))
	require.ErrorContains(t, run(t, s, s.Admin, "nexterm", "--sqlite", originalDatabase(t, "servers.sql"), "--passwords", open).failure, "can be read by others")
}

// An account that is there gets what was its own.
func TestImportNextermIntoAccountsThatAreThere(t *testing.T) {
	s := testserver.New(t)
	ada := s.NewAccount(t, "Ada")
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte(originalKey+"\n"), 0o600))
	arguments := []string{"nexterm", "--sqlite", originalDatabase(t, "servers.sql"), "--key-file", key}
	done, a := results(t, s, s.Admin, arguments...)
	require.NoError(t, a.failure)
	require.Equal(t, importing.Exists, done[0].Status)
	require.Equal(t, 1, s.Count(t, "entries where account_id = $1", ada.AccountID))
	require.Equal(t, 1, s.Count(t, "organization_members where account_id = $1 and role = 'owner'", ada.AccountID))

	// The account itself, when it is an administrator, needs no session of others.
	s.Promote(t, ada)
	again, a := results(t, s, ada, arguments...)
	require.NoError(t, a.failure)
	require.Equal(t, map[string]int{importing.Exists: len(done)}, statuses(again))
	before := stored(t, s)
	require.ErrorIs(t, run(t, s, s.NewAPIKey(t, ada), arguments...).failure, nexterm.ErrForbidden)
	require.Equal(t, before, stored(t, s))
}
