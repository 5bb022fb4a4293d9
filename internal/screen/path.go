package screen

import (
	"strings"
	"unicode"
)

// ChangeDirectory is what is typed into a shell to begin in a folder. Shells keep lines
// that begin with a blank out of their history. A path with control characters would
// be other keys.
func ChangeDirectory(path string) (line string, possible bool) {
	if strings.ContainsFunc(path, unicode.IsControl) {
		return "", false
	}
	return " cd -- '" + strings.ReplaceAll(path, "'", `'\''`) + "'\n", true
}
