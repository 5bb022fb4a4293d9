package screen

import "bytes"

// Keys are how an entry wants some keys to be sent, in the words of its configuration.
type Keys struct {
	Backspace string `json:"backspaceMode"`
	Delete    string `json:"deleteMode"`
	Function  string `json:"functionKeyMode"`
}

// functionKeys are F1 to F5 as xterm sends them, as VT terminals do and as Linux does.
var functionKeys = [5][3]string{
	{"\x1bOP", "\x1b[11~", "\x1b[[A"},
	{"\x1bOQ", "\x1b[12~", "\x1b[[B"},
	{"\x1bOR", "\x1b[13~", "\x1b[[C"},
	{"\x1bOS", "\x1b[14~", "\x1b[[D"},
	{"\x1b[15~", "\x1b[15~", "\x1b[[E"},
}

// Translate writes keys as the host expects them.
func (k Keys) Translate(input []byte) []byte {
	if k.Backspace == "ctrl-h" {
		input = bytes.ReplaceAll(input, []byte{0x7f}, []byte{0x08})
	}
	if k.Delete == "del" {
		input = bytes.ReplaceAll(input, []byte("\x1b[3~"), []byte{0x7f})
	}
	for _, key := range functionKeys {
		switch k.Function {
		case "vt":
			input = bytes.ReplaceAll(input, []byte(key[0]), []byte(key[1]))
		case "linux":
			input = bytes.ReplaceAll(input, []byte(key[0]), []byte(key[2]))
			input = bytes.ReplaceAll(input, []byte(key[1]), []byte(key[2]))
		}
	}
	return input
}
