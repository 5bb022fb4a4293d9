package importing_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/importing"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

func TestCSV(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/servers.csv")
	require.NoError(t, err)
	defer file.Close()
	rows, err := importing.CSV("servers.csv", file)
	require.NoError(t, err)
	require.Equal(t, importing.Login{Username: "jump", Password: `se,cret "one"`}, rows[0].Logins[0])
	db := rows[2]
	require.Equal(t, []string{"prod", "eu"}, db.Folder)
	require.Equal(t, nexterm.EntryConfig{Protocol: "ssh", IP: "10.0.0.5", Notes: "first line\nsecond line"}, db.Config)
	require.Equal(t, rows[:2], db.Via)
	require.Equal(t, 6, rows[3].Line)
	require.Equal(t, "it has 2 fields where the head has 9", rows[5].Skip)
	require.Equal(t, `its jump host "missing" is not in the file`, rows[7].Skip)
}

func TestCSVOfManyKinds(t *testing.T) {
	t.Parallel()
	for content, wrong := range map[string]string{
		"name;host\nweb;a.example.com\n":              "",
		"\ufeffname,host\r\nweb,a.example.com\r\n":    "",
		"NAME\tHost\nweb\ta.example.com":              "",
		"name,host,folder\nweb,a.example.com,\"/\"\n": "",
		"":                          "f is empty",
		"name,ip\nweb,a\n":          `line 1: the column "ip" is none of name, folder`,
		"name,name\n":               `two columns "name"`,
		"name\nweb\n":               `no column "host"`,
		"name,host\nM\xfcnchen,a\n": "line 2, is not UTF-8, but Latin-1 perhaps",
		"\xff\xfen\x00":             "is UTF-16",
		"name,host\n\"web,a\n":      "line 2, column 8",
		"name,host\n" + strings.Repeat("a,b\n", 20_001):                           "more than 20000 servers",
		"name,host\n\"" + strings.Repeat("a", 2<<20) + "\",b\n":                   "a part of it has more than 1 MiB",
		"name,host\n" + strings.Repeat("a"+strings.Repeat(" ", 1<<19)+",b\n", 65): "more than 32 MiB",
	} {
		rows, err := importing.CSV("f", strings.NewReader(content))
		if wrong != "" {
			require.ErrorContains(t, err, wrong)
			continue
		}
		require.NoError(t, err)
		require.Len(t, rows, 1)
		require.Equal(t, "web", rows[0].Name)
		require.Equal(t, "a.example.com", rows[0].Config.IP)
		require.Empty(t, rows[0].Folder)
	}
}

func FuzzCSV(f *testing.F) {
	content, err := os.ReadFile("testdata/servers.csv")
	require.NoError(f, err)
	f.Add(string(content))
	f.Add("name;host;jump_hosts\na;b;a>a\n")
	f.Fuzz(func(t *testing.T, content string) {
		rows, err := importing.CSV("f", strings.NewReader(content))
		checkRows(t, rows, err)
	})
}
