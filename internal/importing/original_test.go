package importing_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/importing"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

const originalKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// originalDatabase makes a database of SQL.
func originalDatabase(t testing.TB, statements ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "nex term?#%.db")
	conn, err := sqlite3.OpenFlags(name, sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE)
	require.NoError(t, err)
	for _, statement := range statements {
		require.NoError(t, conn.Exec(statement))
	}
	require.NoError(t, conn.Close())
	return name
}

func testSQL(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile("testdata/nexterm/" + name)
	require.NoError(t, err)
	return string(content)
}

func TestReadOriginal(t *testing.T) {
	t.Parallel()
	o, err := importing.ReadOriginal(t.Context(), originalDatabase(t, testSQL(t, "current.sql")), originalKey)
	require.NoError(t, err)
	require.Len(t, o.Accounts, 3)
	require.Equal(t, []importing.OriginalOrganization{{ID: 1, Name: "Engines", Description: "Analytical ones", Owner: 1, Active: []int64{2}, Pending: []int64{3}}}, o.Organizations)
	rows := map[string]*importing.Row{}
	for _, things := range o.Things {
		for _, row := range things {
			rows[string(row.Kind)+" "+row.Name] = row
		}
	}
	web := rows[" web"]
	require.Equal(t, []string{"prod", "EU"}, web.Folder)
	require.Equal(t, []*importing.Row{rows[" bastion"]}, web.Via)
	require.Equal(t, nexterm.EntryConfig{Protocol: "ssh", IP: "web.example.com", Port: 2222, Notes: "careful", MonitoringEnabled: nexterm.Value(true)}, web.Config)
	require.Equal(t, []importing.Login{
		{Name: "database", Username: "postgres", Password: "canary pässword", Type: "password"},
		{Name: "root key", Username: "root", Key: "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n", Passphrase: "canary passphrase", Type: "ssh"},
	}, web.Logins)
	require.Equal(t, map[string]any{"ForwardAgent": "yes"}, rows[" bastion"].Config.Extra)
	require.Equal(t, `its identity "root key" belongs to somebody else: link it again`, rows[" shared"].Note)
	require.Len(t, rows[" shared"].Logins, 1)
	require.Equal(t, "an integration makes it", rows[" guest"].Skip)
	require.Equal(t, "an integration makes it", rows["folder Cluster"].Skip)
	require.Equal(t, 16, rows[" screen"].Config.ColorDepth)
	require.Equal(t, "it belongs to nobody", rows[" nobody"].Skip)
	require.Equal(t, "its configuration cannot be read", rows[" broken"].Skip)
	require.Equal(t, []string{"itself"}, rows["folder itself"].Folder)
	require.Equal(t, []string{"empty"}, rows[" by folder"].Folder)
	require.Equal(t, `its "password" cannot be decrypted`, rows["identity x"].Note)
	require.Equal(t, []string{
		"accounts: password, totpEnabled, totpSecret, sessionSync, preferences, totpSecretIV, totpSecretAuthTag", "audit_logs: 2 rows",
		"credentials: integrationId", "integrations: 1 rows", "organization_members: invitedBy", "organizations: auditSettings", "sessions: 1 rows", "tags: 1 rows",
	}, filter(o.Left, "folders: config"))
}

func filter(list []string, without string) (rest []string) {
	for _, text := range list {
		if text != without {
			rest = append(rest, text)
		}
	}
	return rest
}

func TestReadOriginalOfOlderVersions(t *testing.T) {
	t.Parallel()
	sql := testSQL(t, "servers.sql")
	o, err := importing.ReadOriginal(t.Context(), originalDatabase(t, sql), originalKey)
	require.NoError(t, err)
	require.Equal(t, int64(1), o.Organizations[0].Owner)
	own := o.Things[importing.Owner{Account: 1}]
	web := own[len(own)-1]
	require.Equal(t, nexterm.EntryConfig{Protocol: "ssh", IP: "web.example.com", Port: 2222, KeyboardLayout: "de-de-qwertz", MonitoringEnabled: nexterm.Value(true)}, web.Config)
	require.Equal(t, nexterm.Secret("canary old"), web.Logins[0].Password)
	require.Contains(t, string(web.Logins[0].Key), "old canary")
	team := o.Things[importing.Owner{Organization: 1}]
	require.Equal(t, "rdp", team[len(team)-1].Config.Protocol)
	require.Contains(t, o.Left, "pve_servers: 1 rows")

	// Before 0004 nothing is encrypted.
	plain := originalDatabase(t, sql, "alter table identities drop column passwordIV; alter table identities drop column passwordAuthTag; update identities set password = 'plain'")
	o, err = importing.ReadOriginal(t.Context(), plain, originalKey)
	require.NoError(t, err)
	own = o.Things[importing.Owner{Account: 1}]
	require.Equal(t, nexterm.Secret("plain"), own[len(own)-1].Logins[0].Password)
}

func TestReadOriginalThatIsHostile(t *testing.T) {
	t.Parallel()
	sql := testSQL(t, "current.sql")
	name := originalDatabase(t, sql)
	_, err := importing.ReadOriginal(t.Context(), name, "00")
	require.ErrorContains(t, err, "64 hexadecimal digits")
	_, err = importing.ReadOriginal(t.Context(), name, nexterm.Secret(strings.Repeat("0", 64)))
	require.ErrorContains(t, err, "the key opens none of the 6 secrets")
	_, err = importing.ReadOriginal(t.Context(), filepath.Join(t.TempDir(), "none"), originalKey)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = importing.ReadOriginal(t.Context(), t.TempDir(), originalKey)
	require.ErrorContains(t, err, "is no database of SQLite")
	require.NoFileExists(t, name+"-journal")
	require.NoError(t, os.WriteFile(name+"-wal", []byte("x"), 0o600))
	_, err = importing.ReadOriginal(t.Context(), name, originalKey)
	require.ErrorContains(t, err, "is in use")

	for statement, wrong := range map[string]string{
		"drop table accounts; create view accounts as select 1 as id, 'ada' as username": "no database of Nexterm",
		"drop table folders": "no database of Nexterm",
		"update snippets set command = zeroblob(8 * 1024 * 1024)":                                                                       "too big",
		"insert into folders (name) with recursive n(i) as (select 1 union all select i + 1 from n where i < 100001) select 'x' from n": "more than 100000 rows",
		"alter table snippets add column g generated always as (zeroblob(1000000000))":                                                  "",
	} {
		_, err := importing.ReadOriginal(t.Context(), originalDatabase(t, sql, statement), originalKey)
		if wrong == "" {
			require.NoError(t, err, statement)
		} else {
			require.ErrorContains(t, err, wrong, statement)
		}
	}
}

// Damage is an error or goes unseen, but never more.
func TestReadOriginalThatIsDamaged(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(originalDatabase(t, testSQL(t, "current.sql")))
	require.NoError(t, err)
	dir := t.TempDir()
	failed := 0
	for i := range 300 {
		damaged := bytes.Clone(whole)
		for at := 100 + i*37; at < len(damaged); at += 911 {
			damaged[at] ^= byte(1 + i)
		}
		name := filepath.Join(dir, fmt.Sprint(i))
		require.NoError(t, os.WriteFile(name, damaged[:len(damaged)-i*100], 0o600))
		if _, err := importing.ReadOriginal(t.Context(), name, originalKey); err != nil {
			require.NotContains(t, err.Error(), "panic")
			failed++
		}
	}
	require.Greater(t, failed, 100)
}
