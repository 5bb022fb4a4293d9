package nexterm_test

import (
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// What the documentation shows of the SDK is one program, laid over this module. It
// calls what needs nothing of which it would have to know the id.
func TestSamples(t *testing.T) {
	t.Parallel()
	var samples map[string]struct{ Go string }
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	if err := json.Unmarshal(read("gen/samples.json"), &samples); err != nil {
		t.Fatal(err)
	}
	var functions, calls strings.Builder
	called := regexp.MustCompile(`^(create|list)`)
	for _, id := range slices.Sorted(maps.Keys(samples)) {
		sample := samples[id].Go
		switch {
		case strings.HasPrefix(sample, "for "):
			sample += "\nreturn nil"
		case strings.HasPrefix(sample, "answer, "):
			sample += "\nfmt.Fprint(io.Discard, answer)\nreturn err"
		case sample == "":
			continue
		default:
			sample += "\nreturn err"
		}
		fmt.Fprintf(&functions, "\nfunc %s(ctx context.Context, client *nexterm.Client, picture []byte) error {\n%s\n}\n", id, sample)
		// The account of the example is there already.
		if called.MatchString(id) && id != "createUser" && id != "createConnection" && !regexp.MustCompile(`\(ctx, \d`).MatchString(sample) {
			fmt.Fprintf(&calls, "%s, ", id)
		}
	}
	for i, found := range regexp.MustCompile(`(?s)<pre data-language="go">(.*?)</pre>`).FindAllSubmatch(read("internal/docs/assets/index.html"), -1) {
		fmt.Fprintf(&functions, "\nfunc guide%d(ctx context.Context, client *nexterm.Client, _ []byte) error {\n{\n%s\n}\nreturn nil\n}\n", i, html.UnescapeString(string(found[1])))
		// The last one watches for ever.
		if i < 6 {
			fmt.Fprintf(&calls, "guide%d, ", i)
		}
	}
	if count := strings.Count(calls.String(), ","); count < 30 {
		t.Errorf("only %d samples are called", count)
	}

	dir := t.TempDir()
	program := filepath.Join(dir, "main.go")
	here, err := filepath.Abs("samples")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "main.go"): program}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{program: fmt.Sprintf(samplesMain, calls.String()) + functions.String(), filepath.Join(dir, "overlay.json"): string(overlay)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	administrator := account(t, "samples")
	me := must[*nexterm.Me](t)(administrator.Account.Get(t.Context()))
	if err := signIn(t).Groups.AddMember(t.Context(), 1, nexterm.NewRoleMember{AccountID: me.ID}); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "go", "run", "-overlay", filepath.Join(dir, "overlay.json"), "./samples")
	command.Env = append(os.Environ(), "NEXTERM_TOKEN="+string(administrator.Token()))
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

const samplesMain = `package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

func main() {
	client, err := nexterm.New(os.Getenv("NEXTERM_URL"), nexterm.WithToken(os.Getenv("NEXTERM_TOKEN")))
	if err != nil {
		panic(err)
	}
	for i, sample := range []func(context.Context, *nexterm.Client, []byte) error{%s} {
		if err := sample(context.Background(), client, nil); err != nil {
			panic(fmt.Errorf("sample %%d: %%w", i, err))
		}
	}
}

var _ = errors.Is
`
