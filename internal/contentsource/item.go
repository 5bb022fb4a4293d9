package contentsource

import (
	"errors"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

// The limits of what people write hold for sources too; longer texts are cut,
// a longer command is refused.
const (
	maxName        = 255
	maxDescription = 5000
	maxCommand     = 64 << 10
	maxSystems     = 50
	maxSystem      = 64
)

var errNoItem = errors.New("the file holds nothing that can be stored")

// item is a script or a snippet as its file describes it.
type item struct {
	name, description, text string
	systems                 []string
}

var header = regexp.MustCompile(`(?i)^#\s*@(name|description|os)\s*:(.*)$`)

// parseItem reads a script's or a snippet's file.
func parseItem(f file, content []byte) (item, error) {
	text := string(content)
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return item{}, errNoItem
	}
	var i item
	if f.kind == scriptKind {
		i = parseScript(text)
	} else {
		i = parseSnippet(text)
	}
	if i.name == "" {
		base := path.Base(f.path)
		i.name = strings.TrimSuffix(base, path.Ext(base))
		if i.name == "" {
			i.name = base
		}
	}
	i.name, i.description = clip(i.name, maxName), clip(i.description, maxDescription)
	if i.text == "" || f.kind == snippetKind && len(i.text) > maxCommand {
		return item{}, errNoItem
	}
	return i, nil
}

// parseScript reads headers up to the first line that is no comment. The whole
// file is the script.
func parseScript(text string) item {
	i := item{text: text}
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		if !strings.HasPrefix(line, "#") {
			break
		}
		i.readHeader(line)
	}
	return i
}

// parseSnippet takes headers out wherever they are, and comments before the
// first command.
func parseSnippet(text string) item {
	var i item
	var command strings.Builder
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		comment := strings.HasPrefix(line, "#")
		if i.readHeader(line) || command.Len() == 0 && (comment || strings.TrimSpace(line) == "") {
			continue
		}
		command.WriteString(line)
	}
	i.text = strings.TrimSpace(command.String())
	return i
}

// readHeader reports whether a line is a header and keeps what it says.
func (i *item) readHeader(line string) bool {
	found := header.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
	if found == nil {
		return false
	}
	value := strings.TrimSpace(found[2])
	switch strings.ToLower(found[1]) {
	case "name":
		i.name = value
	case "description":
		i.description = value
	case "os":
		i.systems = nil
		for system := range strings.SplitSeq(value, ",") {
			if system = strings.TrimSpace(system); system != "" && len(i.systems) < maxSystems {
				i.systems = append(i.systems, clip(system, maxSystem))
			}
		}
	}
	return true
}

func clip(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return strings.TrimSpace(string(runes[:most]))
	}
	return text
}
