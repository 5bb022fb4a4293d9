package screen

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/nexterm-go/nexterm/internal/ssh"
)

var resize = regexp.MustCompile(`^\x01([0-9]+),([0-9]+)$`)

// maxSide bounds a terminal's size, in characters.
const maxSide = 1000

// Resize reads a frame that tells the size of a client's terminal. A size that there
// cannot be is zero, and ignored: such a frame is no input, unlike a lone Ctrl-A.
func Resize(frame []byte) (size ssh.Size, is bool) {
	found := resize.FindSubmatch(frame)
	if found == nil {
		return ssh.Size{}, false
	}
	columns, _ := strconv.Atoi(string(found[1]))
	rows, _ := strconv.Atoi(string(found[2]))
	if min(columns, rows) < 1 || max(columns, rows) > maxSide {
		return ssh.Size{}, true
	}
	return ssh.Size{Columns: columns, Rows: rows}, true
}

// Question is the frame that asks something. What hosts say in it is text and nothing
// else.
func Question(text string) []byte {
	text = strings.Map(func(r rune) rune {
		if r != '\n' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
	return append([]byte{promptMark}, strings.ReplaceAll(text, "\n", "\r\n")...)
}
