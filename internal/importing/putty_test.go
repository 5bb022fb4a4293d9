package importing_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/importing"
)

func TestPuTTYRegistry(t *testing.T) {
	t.Parallel()
	rows, err := importing.PuTTY("testdata/putty/sessions.reg")
	require.NoError(t, err)
	require.Len(t, rows, 6)
	skips := map[string]string{}
	byName := map[string]*importing.Row{}
	for _, row := range rows {
		skips[row.Name], byName[row.Name] = row.Skip, row
	}
	require.Equal(t, map[string]string{
		"Default Settings": "it is for sessions to come", "web server": "", "München": "", "switch": "", "console": `its protocol is "serial"`,
		"jump@bastion.example.com": "",
	}, skips)
	web := byName["web server"]
	require.Equal(t, "web.example.com", web.Config.IP)
	require.Equal(t, 2200, web.Config.Port)
	require.Equal(t, importing.Login{Username: "deploy", KeyFile: `C:\Users\anna\keys\web.ppk`}, web.Logins[0])
	require.Equal(t, "convert its key \"web.ppk\" by `puttygen -O private-openssh`, and add it to the identity", web.Note)
	require.Equal(t, []*importing.Row{byName["jump@bastion.example.com"]}, web.Via)
	require.Equal(t, importing.Login{Username: "jump", Password: "canary"}, web.Via[0].Logins[0])
	require.Equal(t, []*importing.Row{web}, byName["München"].Via)
	require.Equal(t, "its proxy is left out", byName["switch"].Note)
	require.Equal(t, "telnet", byName["switch"].Config.Protocol)
}

func TestPuTTYSessions(t *testing.T) {
	t.Parallel()
	rows, err := importing.PuTTY("testdata/putty/sessions")
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.NotEmpty(t, rows[0].Skip)
	require.Equal(t, "web server", rows[1].Name)
	require.Equal(t, 22, rows[1].Config.Port)

	empty := t.TempDir()
	_, err = importing.PuTTY(empty)
	require.ErrorContains(t, err, "has no sessions")
	huge := filepath.Join(empty, "huge")
	require.NoError(t, os.WriteFile(huge, bytes.Repeat([]byte("x"), 1<<20), 0o600))
	_, err = importing.PuTTY(empty)
	require.ErrorContains(t, err, "a line of it is too long")
	_, err = importing.PuTTY(filepath.Join(empty, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestPuTTYRegistryThatIsNone(t *testing.T) {
	t.Parallel()
	for content, wrong := range map[string]string{
		"":           "has no sessions",
		"PK\x03\x04": "is no export",
		"REGEDIT4\r\n\r\n[HKEY_CURRENT_USER\\Software]\r\n":                                       "has no sessions",
		"REGEDIT4\n" + strings.Repeat("[x\\Software\\SimonTatham\\PuTTY\\Sessions\\a]\n", 20_001): "too large",
		"REGEDIT4\n" + strings.Repeat("x", 2<<20):                                                 "a line of it is too long",
	} {
		_, err := importing.PuTTYRegistry("f", strings.NewReader(content))
		require.ErrorContains(t, err, wrong)
	}
}

func FuzzPuTTYRegistry(f *testing.F) {
	content, err := os.ReadFile("testdata/putty/sessions.reg")
	require.NoError(f, err)
	f.Add(content)
	f.Add([]byte("REGEDIT4\n[x\\Software\\SimonTatham\\PuTTY\\Sessions\\a%zz]\n\"ProxyMethod\"=dword:6\n\"ProxyHost\"=\"a%zz\"\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		rows, err := importing.PuTTYRegistry("f", bytes.NewReader(content))
		if err == nil {
			require.NotEmpty(t, rows)
		}
	})
}
