package importing_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/importing"
	"github.com/nexterm-go/nexterm/internal/testserver"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

func TestImportFormats(t *testing.T) {
	s := testserver.New(t)
	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte("Zürich\n"), 0o600))
	for _, c := range []struct {
		arguments                []string
		created, skipped, failed int
	}{
		{[]string{"csv", testdata + "servers.csv"}, 5, 2, 1},
		{[]string{"putty", testdata + "putty/sessions.reg"}, 4, 2, 0},
		{[]string{"putty", testdata + "putty/sessions"}, 1, 1, 0},
		{[]string{"mremoteng", testdata + "mremoteng/confCons.xml"}, 4, 1, 0},
		{[]string{"mremoteng", testdata + "mremoteng/whole.xml", "--password-file", password, "--folder", "whole"}, 4, 1, 0},
	} {
		before := stored(t, s)
		planned, _ := results(t, s, s.Owner, append(c.arguments, "--dry-run")...)
		require.Equal(t, []int{c.created, c.skipped, c.failed}, counts(planned, importing.Create), "%v: %v", c.arguments, planned)
		require.Equal(t, before, stored(t, s), "a dry run writes")

		done, a := results(t, s, s.Owner, c.arguments...)
		require.Equal(t, c.failed > 0, a.failure != nil, a.failure)
		require.Equal(t, []int{c.created, c.skipped, c.failed}, counts(done, importing.Created), c.arguments)

		after := stored(t, s)
		again, _ := results(t, s, s.Owner, c.arguments...)
		require.Equal(t, []int{c.created, c.skipped, c.failed}, counts(again, importing.Exists), c.arguments)
		require.Equal(t, after, stored(t, s), "a second run writes")
		for _, secret := range []string{"canary", "folder secret", "se,cret", "pässword", "Zürich"} {
			require.NotContains(t, a.out+a.err+s.Log.String(), secret)
		}
	}
	require.ErrorContains(t, run(t, s, s.Owner, "mremoteng", testdata+"mremoteng/master.xml").failure, "--password-file")
	made := entries(t, s.Owner)
	require.Len(t, made["db"].Config.JumpHosts, 2)
	require.Equal(t, made["inner"].ID, made["db"].Config.JumpHosts[1])
	require.Equal(t, "vnc", made["screen"].Config.Protocol)
	require.Zero(t, s.Count(t, "entries where config::text like '%canary%'"))
	var identities []nexterm.Identity
	s.Owner.Get("/api/identity/list").Want(200).Into(&identities)
	types := map[string]nexterm.IdentityType{}
	for _, i := range identities {
		types[i.Name] = i.Type
	}
	require.Equal(t, nexterm.IdentityTypePasswordOnly, types["login (office/screen)"])
	require.Equal(t, nexterm.IdentityTypePassword, types[`CORP\anna (office/desktop)`])
	require.Equal(t, nexterm.IdentityTypeSSH, types["deploy (web.ppk)"])
	require.Equal(t, map[string]string{"password": `se,cret "one"`}, secrets(t, s, "jump (bastion)"))
	require.Equal(t, map[string]string{"password": "canary"}, secrets(t, s, "login (office/screen)"))
	require.Equal(t, map[string]string{"password": "folder secret"}, secrets(t, s, `anna (whole/Office/EU/web & mail)`))
	require.Zero(t, s.Count(t, "entries where account_id <> $1", s.Owner.AccountID))
}

func counts(rows []importing.Result, wanted string) []int {
	all := statuses(rows)
	return []int{all[wanted], all[importing.Skipped], all[importing.Failed]}
}
