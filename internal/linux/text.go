package linux

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const (
	// maxText bounds all text but command lines, in characters.
	maxText = 256
	// maxNumber is the greatest integer that JSON's readers tell from its neighbours.
	maxNumber = 1<<53 - 1
)

// answer is a host's output by sections.
type answer struct {
	sections map[string]string
	cut      []string
	complete bool
}

func (a answer) text(name string) string { return a.sections[name] }

// sectionNames are those that Script prints.
var sectionNames = []string{
	"stat", "boot", "stat2", "uptime", "load", "count", "memory", "os", "kernel", "architecture", "hostname",
	"processes", "disks", "mounts", "usage", "interfaces", "addresses", "stat3",
}

// split takes output apart at the lines that begin with the marker. What comes
// before the first is from the login shell.
func split(output, marker string) answer {
	a := answer{sections: map[string]string{}}
	if marker == "" {
		return a
	}
	blocks := strings.Split("\n"+output, "\n"+marker+" ")
	for i, block := range blocks[1:] {
		name, text, named := strings.Cut(block, "\n")
		name = strings.TrimSpace(name)
		if name == "end" && (named || i == len(blocks)-2) {
			a.complete = true
			break
		}
		if _, known := a.sections[name]; known || !named || !slices.Contains(sectionNames, name) {
			continue
		}
		// Its last line has lost its end, which might be a number's.
		if len(text) >= sectionLimit || i == len(blocks)-2 {
			a.cut = append(a.cut, name)
			text = text[:strings.LastIndexByte(text, '\n')+1]
		}
		a.sections[name] = text
	}
	return a
}

// clean makes text fit for JSON and PostgreSQL, and for reading.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
	return cutRunes(strings.TrimSpace(text), limit)
}

func cutRunes(text string, limit int) string {
	for i := range text {
		if limit == 0 {
			return strings.TrimSpace(text[:i])
		}
		limit--
	}
	return text
}

// optional is clean text, or nil where there is none.
func optional(text string) *string {
	text = clean(text, maxText)
	if text == "" {
		return nil
	}
	return &text
}

// number reads a count of anything. What is none, or too great, is 0.
func number(text string) (n int64, fine bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > maxNumber {
		return 0, false
	}
	return n, true
}

// numberOr0 is for counts that are 0 where they are not known.
func numberOr0(text string) int64 {
	n, _ := number(text)
	return n
}

// decimal reads a share or a load. What is none, NaN or too great is 0.
func decimal(text string) (f float64, fine bool) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0 && f <= 1e6) {
		return 0, false
	}
	return f, true
}
