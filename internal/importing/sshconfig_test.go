package importing_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/importing"
)

func readSSHConfig(t *testing.T, name string) (rows []*importing.Row, byName map[string]*importing.Row) {
	t.Helper()
	file, err := os.Open(name)
	require.NoError(t, err)
	defer file.Close()
	rows, err = importing.SSHConfig(name, file, true)
	require.NoError(t, err)
	byName = map[string]*importing.Row{}
	for _, row := range rows {
		byName[row.Name] = row
	}
	return rows, byName
}

// OpenSSH itself says what its configuration means.
func TestSSHConfigIsReadAsOpenSSHReadsIt(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "config")
	content, err := os.ReadFile("testdata/ssh/config")
	require.NoError(t, err)
	// OpenSSH takes relative includes from the user's own directory.
	here, err := filepath.Abs("testdata/ssh")
	require.NoError(t, err)
	content = bytes.Replace(content, []byte("Include conf.d"), []byte("Include "+here+"/conf.d"), 1)
	require.NoError(t, os.WriteFile(config, content, 0o600))
	rows, _ := readSSHConfig(t, config)
	asked := 0
	for _, row := range rows {
		// Hosts with user or port are no aliases; OpenSSH forbids spaces in those that it is told.
		if row.Name == "" || strings.ContainsAny(row.Name, "@: ") {
			continue
		}
		asked++
		said, err := exec.CommandContext(t.Context(), "ssh", "-G", "-F", config, row.Name).Output()
		require.NoError(t, err, row.Name)
		means := map[string][]string{}
		for line := range strings.Lines(string(said)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			means[key] = append(means[key], value)
		}
		require.Equal(t, means["hostname"], []string{row.Config.IP}, row.Name)
		require.Equal(t, means["port"], []string{fmt.Sprint(row.Config.Port)}, row.Name)
		// Of Match blocks, which OpenSSH asks, none applies here.
		require.Equal(t, means["user"], []string{row.Logins[0].Username}, row.Name)
		require.Equal(t, means["serveraliveinterval"], []string{row.Config.Extra["ServerAliveInterval"].(string)}, row.Name)
		home, err := os.UserHomeDir()
		require.NoError(t, err)
		var keys []string
		for _, login := range row.Logins {
			keys = append(keys, strings.Replace(login.KeyFile, home, "~", 1))
		}
		require.Equal(t, means["identityfile"], keys, row.Name)
		require.Equal(t, len(means["proxyjump"]) > 0, len(row.Via) > 0 || row.Skip != "", row.Name)
	}
	require.Equal(t, 12, asked)
}

func TestSSHConfigWays(t *testing.T) {
	t.Parallel()
	rows, hosts := readSSHConfig(t, "testdata/ssh/config")
	way := func(name string) (names []string) {
		for _, hop := range hosts[name].Via {
			names = append(names, hop.Name)
		}
		return names
	}
	require.Equal(t, []string{"bastion"}, way("web1"))
	require.Equal(t, []string{"bastion", "web1", "ops@10.0.0.8:2200"}, way("chain"))
	require.Equal(t, []string{"root@[2001:db8::2]:2022"}, way("v6"))
	require.Empty(t, way("direct"))
	require.Empty(t, way("commanded"))
	hop := hosts["ops@10.0.0.8:2200"]
	require.Equal(t, "10.0.0.8", hop.Config.IP)
	require.Equal(t, 2200, hop.Config.Port)
	require.Equal(t, "ops", hop.Logins[0].Username)
	require.Equal(t, "2001:db8::2", hosts["root@[2001:db8::2]:2022"].Config.IP)

	require.Contains(t, hosts["circle-a"].Skip, "back to itself")
	require.Equal(t, "settings left out: 2, such as commands and environments", hosts["commanded"].Note)
	require.NotContains(t, fmt.Sprintf("%+v", hosts["commanded"]), "canary")
	require.Equal(t, "yes", hosts["circle-a"].Config.Extra["Compression"])
	require.Equal(t, filepath.Join("testdata", "ssh", "conf.d", "10-office.conf"), filepath.Clean(hosts["printer"].File))
	require.Equal(t, 1, hosts["printer"].Line)
	var skipped []int
	for _, row := range rows {
		if strings.HasPrefix(row.Skip, "Match") {
			skipped = append(skipped, row.Line)
		}
	}
	require.Equal(t, []int{39}, skipped)
}

func TestSSHConfigThatIsNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	circle := filepath.Join(dir, "circle")
	require.NoError(t, os.WriteFile(circle, []byte("Include circle\n"), 0o600))
	many := filepath.Join(dir, "many")
	for i := range 5 {
		name := fmt.Sprint(many, i)
		require.NoError(t, os.WriteFile(name, []byte(strings.Repeat(fmt.Sprintf("Include %s%d\n", many, i+1), 10)), 0o600))
	}
	many += "0"
	patterns := "Host " + strings.Repeat("a* ", 10_000) + "\n" + strings.Repeat("Host "+strings.Repeat("x", 200)+"%d\n", 1)
	var hosts strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&hosts, "Host h%d%s\n", i, strings.Repeat("a", 40))
	}
	for content, wrong := range map[string]string{
		"Include " + many + " " + many:                    "includes more than 1000 files",
		"Include " + circle:                               "includes itself",
		"Host \"web\n":                                    "line 1: a quote is not closed",
		"Host a\n  Port\n":                                `line 2: a setting has no value`,
		"Host \xff\xfe":                                   "not UTF-8",
		"Host a\x00b":                                     "control characters",
		strings.Repeat("x", 2<<20):                        "a line of it is too long",
		hosts.String() + "User x\n" + patterns:            "too large",
		strings.Repeat("Host a b c d e f g h\n", 300_000): "",
	} {
		rows, err := importing.SSHConfig(filepath.Join(dir, "config"), strings.NewReader(content), true)
		if wrong == "" {
			require.NoError(t, err)
			require.Len(t, rows, 8)
			continue
		}
		require.ErrorContains(t, err, wrong)
	}
}

func TestReadKeysSendsKeysOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := filepath.Join(dir, "shadow")
	require.NoError(t, os.WriteFile(secret, []byte("root:canary"), 0o600))
	for name, passphrase := range map[string]string{"key": "", "locked": "passphrase"} {
		require.NoError(t, exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", filepath.Join(dir, name)).Run())
	}
	config := "Host a\nIdentityFile " + secret + "\nHost b\nIdentityFile " + dir + "/key\nHost c\nIdentityFile " + dir +
		"/locked\nHost d\nIdentityFile /dev/zero\nHost e\nIdentityFile " + dir + "/none\n"
	rows, err := importing.SSHConfig("config", strings.NewReader(config), false)
	require.NoError(t, err)
	importing.ReadKeys(rows)
	require.Empty(t, rows[0].Logins[0].Key)
	require.Equal(t, `the key "shadow" is left out: it is no private key`, rows[0].Note)
	require.Contains(t, string(rows[1].Logins[0].Key), "PRIVATE KEY")
	require.Empty(t, rows[1].Note)
	require.Contains(t, string(rows[2].Logins[0].Key), "PRIVATE KEY")
	require.Contains(t, rows[2].Note, "has a passphrase")
	require.Contains(t, rows[3].Note, "no such file")
	require.Contains(t, rows[4].Note, "no such file")
}

func FuzzSSHConfig(f *testing.F) {
	content, err := os.ReadFile("testdata/ssh/config")
	require.NoError(f, err)
	f.Add(string(content))
	f.Add("Host a\nProxyJump b,c\nHost b\nProxyJump a\nMatch all\nHost \"c d\"")
	f.Fuzz(func(t *testing.T, content string) {
		rows, err := importing.SSHConfig("config", strings.NewReader(content), false)
		checkRows(t, rows, err)
	})
}

// checkRows is what holds for the rows of whatever file.
func checkRows(t *testing.T, rows []*importing.Row, err error) {
	if err != nil {
		return
	}
	known := map[*importing.Row]bool{}
	for _, row := range rows {
		known[row] = true
	}
	for _, row := range rows {
		require.LessOrEqual(t, len(row.Via), 10)
		for _, hop := range row.Via {
			require.True(t, known[hop], "a hop that is no row")
		}
	}
}
