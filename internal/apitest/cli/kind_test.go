//go:build linux

package cli_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func id(created string) string { return strings.TrimSpace(created) }

func TestEntriesFromCreationToDeletion(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := as(t, s, s.Owner)
	u.run("folder", "create", "prod", "--org", "owner's organization")
	u.run("folder", "create", "prod/europe")
	u.run("tag", "create", "critical", "--color", "#ff0000")
	key := filepath.Join(u.home, "password")
	require.NoError(t, os.WriteFile(key, []byte("s3cret\n"), 0o600))
	u.run("identity", "create", "root", "--username", "root", "--password-file", key, "--org", "owner's organization")
	bastion := id(u.run("entry", "create", "bastion", "--protocol", "ssh", "--ip", "192.0.2.1", "--folder", "prod"))
	web := id(u.run("entry", "create", "web1", "--protocol", "ssh", "--ip", "192.0.2.2", "--port", "2222", "--folder", "prod/europe",
		"--identities", "root", "--jump-hosts", "prod/bastion", "--monitoring-enabled", "--notes", "Behind the proxy"))
	u.run("entry", "tag", "web1", "critical")
	require.Equal(t, ""+
		"ID  NAME     FOLDER       ORGANIZATION          PROTOCOL  ADDRESS         STATUS  TAGS\n"+
		web+"   web1     prod/europe  owner's organization  ssh       192.0.2.2:2222          critical\n"+
		bastion+"   bastion  prod         owner's organization  ssh       192.0.2.1               \n", u.run("entry", "ls"))

	// What is printed is what the API has.
	var shown, api any
	u.into(&shown, "entry", "show", "prod/europe/web1")
	s.Owner.Get("/api/entry/" + web).Want(200).Into(&api)
	require.Equal(t, api, shown)
	u.into(&shown, "entry", "ls")
	s.Owner.Get("/api/entry/list").Want(200).Into(&api)
	require.Len(t, shown, len(api.([]any)))
	require.NoError(t, yaml.Unmarshal([]byte(u.run("entry", "show", web)), &shown))
	require.Equal(t, "web1", shown.(map[string]any)["name"])
	require.Equal(t, "[]\n", u.run("entry", "ls", "--org", "personal", "--json"))

	// Flags change what they name and nothing else.
	u.run("entry", "edit", "web1", "--port", "22", "--notes", "", "--monitoring-enabled=false", "--folder", "")
	var entry struct {
		Name       string
		FolderID   *int64
		Identities []int64
		Config     map[string]any
	}
	u.into(&entry, "entry", "show", "web1")
	require.Nil(t, entry.FolderID)
	require.Len(t, entry.Identities, 1)
	require.EqualValues(t, 22, entry.Config["port"])
	require.NotContains(t, entry.Config, "notes")
	require.Equal(t, "192.0.2.2", entry.Config["ip"])
	require.Equal(t, false, entry.Config["monitoringEnabled"])
	require.Len(t, entry.Config["jumpHosts"], 1)

	u.run("entry", "untag", "web1", "critical")
	u.run("entry", "edit", id(u.run("entry", "duplicate", "web1")), "--name", "web1", "--folder", "prod")
	u.refused(2, `entry "web1" could be prod/web1 of owner's organization (id 3), web1 of owner's organization (id 2): say which one by its id`, "entry", "show", "web1")
	u.refused(2, "there is no terminal to ask at; --yes says that it is meant", "entry", "rm", web)
	require.Equal(t, 3, s.Count(t, "entries"))
	require.Equal(t, "Deleted entry web1 (id "+web+").\nDeleted entry prod/bastion of owner's organization (id "+bastion+").\n",
		strings.ReplaceAll(u.pipe("", "entry", "rm", web, "prod/bastion", "--yes").err, "web1 of owner's organization", "web1"))
	u.refused(4, "entry "+web+": Entry not found", "entry", "show", web)
	u.refused(4, `entry "nope": not found`, "entry", "rm", "nope", "--yes")
	u.refused(4, `org "nope": not found`, "entry", "ls", "--org", "nope")
	u.refused(4, "entry "+bastion+": Entry not found", "entry", "show", bastion)
}

func TestLibraryIdentitiesAndOrganizations(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := as(t, s, s.Owner)
	text := filepath.Join(u.home, "backup.sh")
	require.NoError(t, os.WriteFile(text, []byte("#!/bin/sh\n\techo done\n"), 0o600))
	u.run("script", "create", "backup", "--content-file", text, "--os-filter", "debian,ubuntu", "--org", "owner's organization")
	require.Contains(t, u.run("script", "show", "backup"), "content: |\n    #!/bin/sh\n    \techo done\n")
	require.Zero(t, u.pipe("uptime\n", "script", "edit", "backup", "--content-file", "-").status)
	require.Contains(t, u.run("script", "show", "backup"), "content: |\n    uptime\n")
	u.run("snippet", "create", "disk", "--command", "df -h\ndu")
	require.Contains(t, u.run("snippet", "ls"), "disk                         df -h …\n")
	u.run("snippet", "edit", "disk", "--name", "disks")
	u.run("snippet", "rm", "disks", "-y")
	editor := filepath.Join(u.home, "editor")
	require.NoError(t, os.WriteFile(editor, []byte("#!/bin/sh\nsed -i 's/^    uptime/    uptime -p\\n    date/' \"$1\"\n"), 0o700))
	require.Equal(t, outcome{}, u.with("EDITOR="+editor).pipe("", "script", "edit", "backup"))
	require.Contains(t, u.run("script", "show", "backup"), "content: |\n    uptime -p\n    date\n")
	u.run("script", "rm", "backup", "-y")
	u.run("tag", "create", "twice", "--color", "#fff")
	u.refused(5, "A tag with this name already exists", "tag", "create", "twice", "--color", "#fff")
	require.Zero(t, s.Count(t, "scripts")+s.Count(t, "snippets"))

	o := u.pipe("geheim\nmore", "identity", "create", "database", "--username", "postgres", "--password-stdin")
	require.Zero(t, o.status, o.err)
	identity := u.run("identity", "show", "database")
	require.Contains(t, identity, "type: password\n")
	require.NotContains(t, identity+u.run("identity", "ls", "--json"), "geheim")
	u.refused(2, "unknown flag: --password; see `nexterm identity create --help`", "identity", "create", "x", "--password", "y")
	u.refused(2, "the command is given twice", "snippet", "create", "twice", "--command", "x", "--command-file", text)
	u.run("identity", "rm", "database", "-y")

	u.run("org", "create", "ACME", "--description", "Anvils")
	u.run("org", "invite", "ACME", "stranger")
	require.Contains(t, u.run("org", "members", "ACME"), "stranger  Stranger Test  member  pending\n")
	stranger := as(t, s, s.Stranger)
	require.Contains(t, stranger.run("org", "invitations"), "ACME          owner\n")
	stranger.run("org", "accept", "ACME")
	require.Contains(t, u.run("org", "members", "ACME"), "stranger  Stranger Test  member  active\n")
	stranger.run("org", "leave", "ACME")
	u.run("org", "invite", "ACME", "stranger")
	stranger.run("org", "decline", "ACME")
	stranger.refused(4, `invitation "ACME": not found`, "org", "accept", "ACME")
	u.run("org", "invite", "ACME", "stranger")
	u.run("org", "remove", "ACME", "stranger", "-y")
	u.run("org", "edit", "ACME", "--name", "ACME Ltd.")
	require.Contains(t, u.run("org", "ls"), "ACME Ltd.             owner  Anvils\n")
	u.run("org", "rm", "ACME Ltd.", "-y")
	u.refused(4, `org "ACME": not found`, "org", "members", "ACME")
}

func TestSecretsAreAskedForAtATerminal(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := as(t, s, s.Owner)
	asked := u.terminal("identity", "create", "root", "--username", "root")
	asked.awaitSecret("Password: ", "s3cret\n")
	shown, status := asked.end()
	require.Zero(t, status, shown)
	require.Equal(t, "Password: \r\n1\r\n", shown)
	changed := u.terminal("identity", "edit", "root", "--password-stdin")
	changed.awaitSecret("Password: ", "other\n")
	shown, status = changed.end()
	require.Zero(t, status, shown)

	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("phrase"))
	require.NoError(t, err)
	key := filepath.Join(u.home, "key")
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(block), 0o600))
	withKey := u.terminal("identity", "create", "deploy", "--key-file", key, "--username", "deploy")
	withKey.awaitSecret("Passphrase of the key: ", "phrase\n")
	shown, status = withKey.end()
	require.Zero(t, status, shown)
	require.Contains(t, u.run("identity", "show", "deploy"), "type: ssh\n")
	require.Equal(t, 3, s.Count(t, "credentials"), "a password, a key and its passphrase")
	u.run("identity", "move", "deploy", "owner's organization")
	require.Contains(t, u.run("identity", "ls", "--org", "1"), "deploy")
}

// Whoever shares an organization chooses names that others see.
func TestNamesAreShownAndNotObeyed(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	evil := "a\x1b]0;owned\x07\x1b[2J\u009b31m\u202eb\nc"
	for _, path := range []string{"/api/entry"} {
		s.Colleague.Put(path, map[string]any{"name": evil, "organizationId": s.Organization, "config": map[string]any{"notes": evil}}).Want(200)
	}
	u := as(t, s, s.Owner)
	for _, format := range [][]string{{"ls"}, {"ls", "--json"}, {"ls", "--yaml"}, {"show", evil}, {"show", evil, "--json"}} {
		out := u.run(append([]string{"entry"}, format...)...)
		for _, r := range []string{"\x1b", "\x07", "\u009b", "\u202e"} {
			require.NotContains(t, out, r, format)
		}
		var entries []struct{ Name string }
		switch {
		case len(format) == 2 && format[1] == "--json":
			require.NoError(t, json.Unmarshal([]byte(out), &entries))
			require.Equal(t, evil, entries[0].Name)
		case len(format) == 2 && format[1] == "--yaml":
			require.NoError(t, yaml.Unmarshal([]byte(out), &entries))
			require.Equal(t, evil, entries[0].Name)
		}
	}
	screen := u.terminal("entry", "rm", evil)
	screen.await("[y/N]", "\n")
	shown, status := screen.end()
	require.Equal(t, 1, status)
	require.Contains(t, shown, "Delete entry a�]0;owned��[2J")
	require.NotContains(t, strings.TrimPrefix(shown, "\x1b"), "\x1b")
	require.Equal(t, 1, s.Count(t, "entries"))
}

func TestDeletionAsksAtATerminal(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := as(t, s, s.Owner)
	u.run("tag", "create", "one", "--color", "#fff")
	u.run("tag", "create", "two", "--color", "#fff")
	no := u.terminal("tag", "rm", "one", "two")
	no.await("Delete tag one (id 1), two (id 2)? [y/N] ", "no\n")
	shown, status := no.end()
	require.Equal(t, 1, status)
	require.Contains(t, shown, "nexterm: nothing is done")
	require.Equal(t, 2, s.Count(t, "tags"))
	interrupted := u.terminal("tag", "rm", "one")
	interrupted.await("[y/N] ", "\x03")
	_, status = interrupted.end()
	require.Equal(t, 130, status)
	yes := u.terminal("tag", "rm", "one", "two")
	yes.await("[y/N] ", "y\n")
	shown, status = yes.end()
	require.Zero(t, status, shown)
	require.Zero(t, s.Count(t, "tags"))
}

// --org decides between things of one name, and shuts out none that only the name says.
func TestNamesOfSeveralOwners(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := as(t, s, s.Owner)
	mine := id(u.run("folder", "create", "prod"))
	ours := id(u.run("folder", "create", "prod", "--org", "1"))
	u.refused(2, `--folder: folder "prod" could be prod (id `+mine+`), prod of owner's organization (id `+ours+`): say which one by its id`, "entry", "create", "web", "--folder", "prod")
	u.run("entry", "create", "web", "--folder", "prod", "--org", "1")
	require.Contains(t, u.run("entry", "show", "web"), "folderId: "+ours+"\n")
	require.Equal(t, 0, u.pipe("x", "identity", "create", "personal root", "--username", "root", "--password-stdin").status)
	u.run("entry", "edit", "web", "--identities", "personal root", "--org", "1")

	u.refused(4, `entry "1": not found`, "entry", "rm", "1", "-y", "--org", "personal")
	require.Equal(t, 1, s.Count(t, "entries"))
	for range 11 {
		s.Owner.Put("/api/entry", map[string]any{"name": "twin", "config": map[string]any{}}).Want(200)
	}
	require.Contains(t, u.pipe("", "entry", "show", "twin").err, "twin (id 11), and 1 more: say which")

	u.run("folder", "create", "europe", "--parent", ours)
	u.run("folder", "edit", "prod/europe", "--parent", "", "--name", "Europe")
	require.Equal(t, 1, s.Count(t, "folders where name = 'Europe' and parent_id is null and organization_id = 1"))

	evil := s.Colleague.Put("/api/folder", map[string]any{"name": "prod", "organizationId": s.Organization}).Want(200).ID()
	s.Exec(t, `update organizations set name = e'x\nnexterm: all is well'`)
	o := u.pipe("", "folder", "show", "prod")
	require.Equal(t, 1, strings.Count(o.err, "\n"), o.err)
	require.Contains(t, o.err, fmt.Sprintf("prod of x�nexterm: all is well (id %d)", evil))
}

// A thing whose name is the id of another one is never taken for it.
func TestNamesThatLookLikeIds(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	mine := s.Owner.Put("/api/entry", map[string]any{"name": "mine", "config": map[string]any{}}).Want(200).ID()
	s.Colleague.Put("/api/entry", map[string]any{"name": fmt.Sprint(mine), "organizationId": s.Organization, "config": map[string]any{}}).Want(200)
	s.Colleague.Put("/api/entry", map[string]any{"name": "4711", "organizationId": s.Organization, "config": map[string]any{}}).Want(200)
	u := as(t, s, s.Owner)
	require.Contains(t, u.run("entry", "show", fmt.Sprint(mine)), "name: mine\n")
	u.refused(4, "entry 4711: Entry not found", "entry", "rm", "4711", "-y")
	for _, name := range []string{"+1", "01", "-1", "0x1", "1 "} {
		u.refused(4, fmt.Sprintf("entry %q: not found", name), "entry", "show", "--", name)
	}
	u.refused(4, `entry "4711": not found`, "entry", "rm", "4711", "mine", "-y")
	require.Equal(t, 3, s.Count(t, "entries"))
}

func TestEditInAnEditor(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := as(t, s, s.Owner).with("TMPDIR=" + t.TempDir())
	u.run("folder", "create", "prod")
	u.run("entry", "create", "bastion", "--folder", "prod", "--protocol", "ssh")
	u.run("entry", "create", "web1", "--folder", "prod", "--protocol", "ssh", "--jump-hosts", "bastion", "--ip", "192.0.2.7")
	editor := filepath.Join(u.home, "an editor")
	seen := filepath.Join(u.home, "seen")
	edit := func(script string, args ...string) outcome {
		t.Helper()
		require.NoError(t, os.WriteFile(editor, []byte("#!/bin/sh\ncp \"$1\" "+seen+"\n"+script), 0o700))
		return u.with("EDITOR='"+editor+"'").pipe("", append(args[:1:1], append([]string{"edit"}, args[1:]...)...)...)
	}
	require.Equal(t, outcome{"", "Nothing is changed.\n", 0}, edit("", "entry", "web1"))
	text, err := os.ReadFile(seen)
	require.NoError(t, err)
	_, fields, _ := strings.Cut(string(text), "changes nothing.\n")
	require.Equal(t, "name: web1\nfolderId: prod\nidentities: []\nicon: server\ntype: server\nrenderer: terminal\n"+
		"config:\n    protocol: ssh\n    ip: 192.0.2.7\n    jumpHosts:\n        - prod/bastion\n", fields)
	require.Equal(t, outcome{"", "Nothing is changed.\n", 0}, edit(`: > "$1"`, "entry", "web1"))
	require.Equal(t, outcome{}, edit(`sed -i 's/192.0.2.7/192.0.2.8/; s/web1/web2/; s/folderId: prod/folderId: null/' "$1"`, "entry", "web1"))
	shown := u.run("entry", "show", "web2")
	require.Contains(t, shown, "ip: 192.0.2.8\n")
	require.Contains(t, shown, "folderId: null\n")
	require.Equal(t, 1, s.Count(t, "audit_logs where action = 'entry.update'"), "and nothing else is written")
	require.Equal(t, outcome{}, edit(`sed -i 's/icon: server/icon: 2026-01-02/' "$1"`, "entry", "web2"))
	require.Contains(t, u.run("entry", "show", "web2"), `icon: "2026-01-02"`)

	// What is wrong is said in the text, which is kept.
	for script, message := range map[string]string{
		`sed -i 's/ssh/gopher/' "$1"`:         "protocol must be",
		`sed -i 's/bastion/nowhere/' "$1"`:    `config.jumpHosts: entry "prod/nowhere": not found`,
		`echo 'id: 9' >> "$1"`:                `"id" is no field that can be changed here`,
		`echo 'name: [' >> "$1"`:              "yaml: ",
		`sed -i 's/name: web2/name: 5/' "$1"`: "name cannot be a number",
	} {
		o := edit("test -e "+seen+".once && exit 0; touch "+seen+".once\n"+script, "entry", "web2")
		require.NoError(t, os.Remove(seen+".once"))
		require.NotZero(t, o.status, script)
		require.Contains(t, o.err, message, script)
		require.Contains(t, o.err, "; the text is kept in /", script)
		again, err := os.ReadFile(seen)
		require.NoError(t, err)
		require.Contains(t, string(again), message, "and the editor says why it opens again")
	}
	require.Contains(t, u.with("EDITOR=false").pipe("", "entry", "edit", "web2").err, `nexterm: the editor "false": exit status 1`)

	u.refused(2, "there is no terminal for an editor: flags say what is to change", "entry", "edit", "web2")

	// Ctrl-C is the editor's own from its first moment, as it reaches both.
	require.Equal(t, outcome{"", "Nothing is changed.\n", 0}, u.with("EDITOR=$(kill -INT $PPID)true").pipe("", "entry", "edit", "web2"))

	// At a terminal, it has the terminal.
	require.NoError(t, os.WriteFile(editor, []byte("#!/bin/sh\ntrap 'sed -i s/web2/web3/ \"$1\"; exit 0' INT\necho ready; while :; do sleep 0.05; done\n"), 0o700))
	screen := u.with("VISUAL='"+editor+"'").terminal("entry", "edit", "web2")
	screen.await("ready", "\x03")
	out, status := screen.end()
	require.Zero(t, status, out)
	u.run("entry", "show", "web3")

	// Afterwards it ends the command, and nothing that was written is lost.
	held, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = held.Rollback(context.WithoutCancel(t.Context())) }()
	var pid int
	require.NoError(t, held.QueryRow(t.Context(), `select pg_backend_pid() from entries where name = 'web3' for update`).Scan(&pid))
	screen = u.with("EDITOR=sed -i s/web3/web4/").terminal("entry", "edit", "web3")
	require.Eventually(t, func() bool { return s.Count(t, "pg_stat_activity where $1 = any(pg_blocking_pids(pid))", pid) == 1 }, patience, 5*time.Millisecond)
	screen.await("", "\x03")
	out, status = screen.end()
	require.Equal(t, 130, status, out)
	require.Contains(t, out, "The text is kept in /")
	require.Contains(t, out, "nexterm: interrupted\r\n")
}
