package nexterm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// The first program of the README, as somebody new would try it: in an empty module.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(readme), "```go\n")
	program, _, _ = strings.Cut(program, "```\n")
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	newcomer := account(t, "newcomer")
	const module = "github.com/nexterm-go/nexterm/sdk/go"
	for _, command := range []string{
		"mod init example.com/first", "mod edit -replace " + module + "=" + here, "mod edit -require " + module + "@v0.0.0", "mod tidy", "run .",
	} {
		run := exec.Command("go", strings.Fields(command)...)
		run.Dir = dir
		run.Env = append(os.Environ(), "NEXTERM_TOKEN="+string(newcomer.Token()))
		if output, err := run.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", command, err, output)
		}
	}
	entries := must[[]nexterm.Entry](t)(newcomer.Entries.List(t.Context()))
	if len(entries) != 1 || entries[0].Name != "web1" {
		t.Errorf("%+v", entries)
	}
}
