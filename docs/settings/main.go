// Command settings writes docs/settings.md: all settings of the server, from the
// tags that the server itself reads.
package main

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/nexterm-go/nexterm/internal/command"
)

const intro = `<!-- Written by go run ./docs/settings from internal/command/settings.go: change it there. -->

# Settings

All settings are environment variables. ` + "`nexterm serve --help`" + ` lists them, too. Problems with them are
reported together, before anything starts. [Operating](operating.md) says which ones belong together.
`

func main() {
	if err := os.WriteFile("docs/settings.md", page(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "settings:", err)
		os.Exit(1)
	}
}

func page() []byte {
	page := bytes.NewBufferString(intro)
	for field := range reflect.TypeFor[command.Settings]().Fields() {
		if group := field.Tag.Get("group"); group != "" {
			fmt.Fprintf(page, "\n## %s\n\n| variable | what it is | default |\n|---|---|---|\n", group)
		}
		// Defaults that are no values stand at the end of the help.
		help, preset, _ := strings.Cut(strings.TrimSuffix(field.Tag.Get("help"), ")"), " (default")
		preset = strings.TrimLeft(preset, ": ")
		if value := field.Tag.Get("envDefault"); value != "" {
			preset = "`" + value + "`"
		}
		fmt.Fprintf(page, "| `%s` | %s | %s |\n", field.Tag.Get("env"), cell(help), cell(preset))
	}
	return page.Bytes()
}

// cell keeps a text in its cell, and what looks like HTML in sight.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(text)
}
