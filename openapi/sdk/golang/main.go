// Command golang writes the generated half of the Go SDK: the types of the contract,
// and a method for each operation. The half that people write is beside it in
// sdk/go, and has what every call shares.
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/nexterm-go/nexterm/openapi/sdk"
)

func main() {
	if err := run("gen/contract.json", "sdk/go"); err != nil {
		fmt.Fprintln(os.Stderr, "golang:", err)
		os.Exit(1)
	}
}

func run(contract, target string) error {
	document, services, err := sdk.Read(contract)
	if err != nil {
		return err
	}
	g := newGenerator(document, services)
	for name, data := range map[string]any{"services": g.services(services), "types": g.types()} {
		var out bytes.Buffer
		if err := templates.ExecuteTemplate(&out, name, data); err != nil {
			return err
		}
		source, err := format.Source(out.Bytes())
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", name, err, out.Bytes())
		}
		if err := os.WriteFile(filepath.Join(target, name+".gen.go"), source, 0o644); err != nil {
			return err
		}
	}
	return nil
}

//go:embed golang.tmpl
var text string

var templates = template.Must(template.New("").Funcs(template.FuncMap{"comment": comment}).Parse(text))

// comment writes paragraphs as a Go comment; nothing for nothing.
func comment(paragraphs ...string) string {
	var lines []string
	for _, paragraph := range paragraphs {
		if paragraph = strings.TrimSpace(paragraph); paragraph == "" {
			continue
		}
		if len(lines) > 0 {
			lines = append(lines, "//")
		}
		for line := range strings.Lines(paragraph) {
			lines = append(lines, strings.TrimRight("// "+line, " \n"))
		}
	}
	return strings.Join(append(lines, ""), "\n")
}

// initialisms are the words that Go writes in capitals.
var initialisms = map[string]string{
	"ai": "AI", "api": "API", "cpu": "CPU", "id": "ID", "ids": "IDs", "ip": "IP", "json": "JSON", "mac": "MAC", "oidc": "OIDC",
	"os": "OS", "pve": "PVE", "rdp": "RDP", "ssh": "SSH", "totp": "TOTP", "uri": "URI", "url": "URL", "vmid": "VMID",
}

// pascal is a name as Go exports it, camel as a parameter has it.
func pascal(name string) string {
	var out strings.Builder
	for _, word := range words(name) {
		out.WriteString(capital(word))
	}
	return out.String()
}

func camel(name string) string {
	words := words(name)
	return words[0] + strings.TrimPrefix(pascal(name), capital(words[0]))
}

func capital(word string) string {
	if upper, found := initialisms[word]; found {
		return upper
	}
	return strings.ToUpper(word[:1]) + word[1:]
}

// words knows the separators of enum values besides camelCase.
func words(name string) []string {
	var all []string
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("-_. ", r) }) {
		all = append(all, sdk.Words(part)...)
	}
	return all
}
