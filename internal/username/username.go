// Package username owns which usernames are taken for the same, by the server and
// by people's eyes. It does not own which characters the contract allows.
package username

import (
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold is how usernames are compared: whatever the case of a letter, its width or
// the way in which it is composed (Unicode's NFKC and full case folding).
func Fold(name string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(name)))
}

// eastAsian scripts are written together, and beside others; nobody takes one of
// their letters for a Latin one.
var eastAsian = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo}

// Mixed reports whether a name is written in several scripts whose letters look
// alike, such as Latin and Cyrillic (after Unicode's UTS #39, section 5).
func Mixed(name string) bool {
	var script *unicode.RangeTable
	for _, r := range name {
		if unicode.In(r, unicode.Common, unicode.Inherited) || unicode.In(r, eastAsian...) {
			continue
		}
		if script != nil && !unicode.Is(script, r) {
			return true
		}
		for _, table := range unicode.Scripts {
			if script == nil && unicode.Is(table, r) {
				script = table
			}
		}
	}
	return false
}
