// Command python writes the generated half of the Python SDK: the types of the
// contract (models.py), and a method for each operation (services.py). The half
// that people write is beside it in sdk/python, and has what every call shares.
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/nexterm-go/nexterm/openapi/sdk"
)

func main() {
	if err := run("gen/contract.json", "sdk/python/nexterm"); err != nil {
		fmt.Fprintln(os.Stderr, "python:", err)
		os.Exit(1)
	}
}

func run(contract, target string) error {
	document, services, err := sdk.Read(contract)
	if err != nil {
		return err
	}
	g := newGenerator(document.Components.Schemas, services)
	for name, data := range map[string]any{"models": g.models(), "services": g.services(services)} {
		var out bytes.Buffer
		if err := templates.ExecuteTemplate(&out, name, data); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(target, name+".py"), out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

//go:embed python.tmpl
var text string

var templates = template.Must(template.New("").Funcs(template.FuncMap{"docstring": docstring}).Parse(text))

// docstring writes paragraphs as Python documentation, indented by so many spaces;
// nothing for nothing.
func docstring(spaces int, paragraphs ...string) string {
	var filled []string
	for _, paragraph := range paragraphs {
		if paragraph = strings.TrimSpace(paragraph); paragraph != "" {
			filled = append(filled, paragraph)
		}
	}
	if len(filled) == 0 {
		return ""
	}
	doc := strings.Join(filled, "\n\n")
	quotes := `"""`
	if strings.Contains(doc, `\`) {
		quotes = `r"""`
	}
	if strings.Contains(doc, "\n") {
		doc += "\n"
	}
	indent := strings.Repeat(" ", spaces)
	lines := strings.Split(quotes+doc+`"""`, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(indent+line, " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// snake is a name as Python writes it.
func snake(name string) string { return strings.Join(sdk.Words(name), "_") }
