package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// problemsOf are those of a file, as they are printed.
func problemsOf(t *testing.T, file string) []string {
	t.Helper()
	document, err := Parse("team.yaml", []byte(file))
	if err == nil {
		err = document.problems.err()
	}
	var problems *Problems
	if err == nil {
		return nil
	}
	require.ErrorAs(t, err, &problems)
	require.ErrorIs(t, err, nexterm.ErrBadRequest)
	var all []string
	for _, p := range problems.All {
		all = append(all, fmt.Sprintf("%d: %s", p.Line, p.Text))
	}
	return all
}

func TestProblemsHaveLines(t *testing.T) {
	for _, c := range []struct {
		name, file string
		want       []string
	}{
		{"nothing", "", []string{"0: the file is empty"}},
		{"a comment", "# nothing\n", []string{"0: the file is empty"}},
		{"a mark", "---\n", []string{"2: the file is not a list of keys: it begins with version: 1"}},
		{"a text", "hello", []string{"1: the file is not a list of keys: it begins with version: 1"}},
		{"no YAML", "version: 1\npersonal: {", []string{"2: not YAML: did not find expected node content"}},
		{"two documents", "version: 1\n---\nversion: 1\n", []string{"2: a second document begins here: a file has one"}},
		{"NUL", "version: 1\n\x00", []string{"2: the file has a NUL in it: it is no text"}},
		{"escaped NUL", "version: 1\npersonal: {tags: [{name: \"a\\0b\", color: '#fff'}]}", []string{"2: a NUL is in this text"}},
		{"another version", "version: 2", []string{"1: version: value must be 1"}},
		{"no version", "personal: {}", []string{"1: version: missing"}},
		{"unknown keys", "version: 1\nteams: []\npersonal:\n  entrys: []\n", []string{"2: unknown key teams", "4: unknown key entrys"}},
		{"a key twice", "version: 1\npersonal:\n  folders: []\n  folders: []\n", []string{"4: the key folders stands at line 3 already"}},
		{"aliases", "version: 1\npersonal: &a {}\n", []string{"2: anchors and aliases (& and *) are not understood"}},
		{"tags", "version: 1\npersonal: !!binary aGk=\n", []string{"2: tags and merges (!!binary) are not understood"}},
		{"merge", "version: 1\npersonal: {<<: {folders: []}}\n", []string{"2: tags and merges (!!merge) are not understood"}},
		{"no number", "version: 1\npersonal: {entries: [{name: a, config: {x: .nan}}]}\n", []string{"2: .nan is no number that can be kept"}},
		{"null list", "version: 1\npersonal:\n  entries:\n", []string{"3: personal.entries: has to be of type array"}},
		{
			"secrets in clear", `version: 1
personal:
  identities:
    - name: one
      type: both
      password: hunter2
      sshKey:
        file: a
        env: B
      passphrase: {}
  entries:
    - name: host
      config:
        protocol: ssh
        password: hunter2
        privateKey: {a: hunter2}
`, []string{
				"6: password: a secret in clear; write where it is: {file: PATH}, {env: NAME} or {stdin: true}",
				"8: sshKey: write where it is in one way: {file: PATH}, {env: NAME} or {stdin: true}",
				"10: passphrase: write where it is in one way: {file: PATH}, {env: NAME} or {stdin: true}",
				"15: password: secrets belong to identities, which entries are linked to by name",
				"16: privateKey: secrets belong to identities, which entries are linked to by name",
			},
		},
		{
			"names twice", `version: 1
personal:
  tags:
    - {name: a, color: '#fff'}
    - {name: a, color: '#000'}
  folders: [one, two/three,
    one]
  entries:
    - {name: web, folder: one, config: {}}
    - {name: web, config: {}}
    - {name: web, folder: one, config: {}}
organizations:
  - name: Acme
    members:
      - {username: Ada}
      - {username: ADA}
  - name: Acme
`, []string{
				"5: a second tag a; the first stands at line 4",
				"7: a second folder one; the first stands at line 6",
				"11: a second entry one/web; the first stands at line 9",
				"16: a second member ada; the first stands at line 15",
				"17: a second organization Acme; the first stands at line 13",
			},
		},
		{
			"limits", `version: 1
personal:
  tags: [{name: a, color: red}]
  folders: [a//b, 'a\b', /a]
  identities:
    - {name: x, type: telepathy}
    - {name: one, type: password, sshKey: {file: a}}
    - {name: two, type: password-only, username: ada}
    - {name: three, type: ssh, passphrase: {env: A}}
  entries:
    - name: a
      renderer: guac
      config: {protocol: ssh, port: 70000}
    - name: b
      type: pve-lxc
      config: {ip: 10.0.0.1}
    - name: c
      config: {protocol: gopher, ip: "a b", macAddress: x, jumpHosts: [1, a, a]}
`, []string{
				"3: color: red has not the form that it has to have",
				"4: the path /a is written a",
				"4: the path a//b has an empty name in it",
				`4: the path a\b is written ab`,
				"6: name: minLength: got 1, want 3",
				"6: type: value must be one of 'password', 'ssh', 'both', 'password-only'",
				"7: identity one: one of type password has no sshKey",
				"8: identity two: password-only has no username",
				"9: identity three: a passphrase without its key, sshKey",
				"11: entry a: protocol ssh is shown by the renderer terminal",
				"13: config.port: maximum: got 70,000, want 65,535",
				"14: entry b: one of type pve-lxc has no config.ip",
				"18: an item of jumpHosts: has to be of type string or object",
				"18: config.ip: a b has not the form that it has to have",
				"18: config.jumpHosts: items at 1 and 2 are equal",
				"18: config.macAddress: x has not the form that it has to have",
				"18: config.protocol: value must be one of 'ssh', 'telnet', 'rdp', 'vnc', 'sftp', 'ftp', 'ftps', 'demo'",
			},
		},
		{
			"large things", "version: 1\npersonal:\n  entries:\n    - {name: a, config: {x: " + strings.Repeat("x", 101<<10) + "}}\n" +
				"    - {name: b, config: {x: " + strings.Repeat("[", 33) + strings.Repeat("]", 33) + "}}\n" +
				"  scripts:\n    - {name: c, content: " + strings.Repeat("x", 1<<20) + "}\n  snippets:\n    - {name: d, command: " + strings.Repeat("é", 40<<10) + "}\n",
			[]string{
				"4: entry a: config is larger than 100 KiB",
				"5: entry b: config is nested too deeply",
				"7: script c is larger than 1 MiB, as JSON",
				"9: snippet d: a command of more than 65,536 bytes",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := problemsOf(t, c.file)
			for _, line := range got {
				assert.NotContains(t, line, "hunter2")
			}
			assert.Equal(t, c.want, got)
		})
	}
}

// Files that are made to hurt are refused within seconds.
func TestHostileFiles(t *testing.T) {
	bomb := "version: 1\na0: &a0 [x]\n"
	for i := range 40 {
		bomb += fmt.Sprintf("a%d: &a%d [*a%d, *a%d, *a%d]\n", i+1, i+1, i, i, i)
	}
	for name, file := range map[string]string{
		"aliases that multiply": bomb,
		"an endless alias":      "version: 1\na: &a [*a]\n",
		"deep lists":            "version: 1\na: " + strings.Repeat("[", 100_000),
		"deep closed lists":     "version: 1\na: " + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000),
		"deep keys":             "version: 1\na: " + strings.Repeat("{a: ", 9_000) + strings.Repeat("}", 9_000),
		"10 MB of keys":         "version: 1\n" + manyKeys(),
		"10 MB of one text":     "version: 1\npersonal: " + strings.Repeat("a", 10<<20),
		"10 MB of lines":        "version: 1\n" + strings.Repeat("\n", 10<<20) + "x: 1",
		"10 MB of jump hosts":   "version: 1\npersonal: {entries: [{name: a, config: {jumpHosts: [" + strings.Repeat("[], ", 5<<19) + "]}}]}",
		"10 MB of empty things": "version: 1\npersonal: {entries: [" + strings.Repeat("{}, ", 5<<19) + "]}",
		"a million things":      "version: 1\npersonal: {entries: [" + strings.Repeat("{}, ", 900_000) + "]}",
		"20 MB":                 strings.Repeat("# comment\n", 2<<20),
		"no UTF-8":              "version: 1\npersonal: \xff\xfe",
		"binary":                "\x7fELF\x02\x01\x01\x00\x00",
		"UTF-16":                "\xff\xfev\x00e\x00r\x00",
		"control characters":    "version: 1\npersonal: \x1b[31m",
	} {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			problems := problemsOf(t, file)
			require.NotEmpty(t, problems)
			t.Log(time.Since(begun), len(problems), problems[0])
			for _, p := range problems {
				assert.NotContains(t, p, "\x1b")
				assert.Less(t, len(p), 2000)
			}
		})
	}
}

func manyKeys() string {
	var text strings.Builder
	for i := 0; text.Len() < 10<<20; i++ {
		fmt.Fprintf(&text, "key-%d-%s: 1\n", i, strings.Repeat("x", 80))
	}
	return text.String()
}

// What is written can be read again as it was, whatever stands in it.
func FuzzTextsSurvive(f *testing.F) {
	for _, text := range []string{"", "a", "\n", " a\n b", "a\n\n", "a \n", "\ta\nb", "true", "~", "1e3", "2026-01-01", "#x", "<<", "=", "a: b", "- a", "\u2028", "\ufeff", "\U000E0001", "\x7f", "a\r\nb", "\u00a0\n", "'", `"\`, "é\n\tü\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsRune(text, 0) || strings.ToValidUTF8(text, "") != text {
			return // no text of the server's
		}
		file := File{Version: 1, Personal: &Personal{Things: Things{
			Entries: []item[Entry]{{it: Entry{Name: "a", Config: values{"notes": text, text: text}}}},
			Scripts: []item[Text]{{it: Text{Name: "x" + text, Content: text + "x"}}},
		}}}
		written, err := file.encode()
		require.NoError(t, err)
		document := &Document{}
		root := document.read(written)
		require.NoError(t, document.problems.err(), "%s", written)
		var read File
		require.NoError(t, root.Decode(&read))
		assert.Equal(t, file.Personal.Entries[0].it.Config, read.Personal.Entries[0].it.Config)
		assert.Equal(t, file.Personal.Scripts[0].it, read.Personal.Scripts[0].it)
	})
}

// No file makes the parser fail in another way than with problems.
func FuzzParse(f *testing.F) {
	f.Add([]byte("version: 1\npersonal: {folders: [a/b], entries: [{name: a, config: {jumpHosts: [{name: x}]}}]}"))
	f.Add([]byte("version: 1\norganizations: [{name: a, auditSettings: {recordingRetentionDays: 1}}]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		document, err := Parse("f", content)
		var problems *Problems
		if err != nil && !errors.As(err, &problems) {
			t.Fatal(err)
		}
		if err == nil {
			_ = document.problems.err()
		}
	})
}

func TestPathsCanBeTakenApart(t *testing.T) {
	for _, names := range [][]string{{"a"}, {"a", "b"}, {"a/b", "c"}, {`a\`, "b"}, {`\/`, `/`, `\\`}} {
		path := ""
		for _, name := range names {
			path = join(path, name)
		}
		var back []string
		for rest := path; rest != ""; {
			folder, name := split(rest)
			back, rest = append(back, name), folder
		}
		slices.Reverse(back)
		assert.Equal(t, names, back, path)
	}
}
