// Package guacamole owns the Guacamole protocol, in which guacd shows the desktops of
// hosts: its instructions, how a connection begins, and what is told of an entry. It
// does not know who looks.
package guacamole

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxInstruction bounds an instruction, in bytes. guacd's own are up to 8 KiB.
	maxInstruction = 64 << 10
	// maxDigits bounds the length that an element says of itself.
	maxDigits = 5
)

// ErrMalformed is for what is no instruction, or one that is too long.
var ErrMalformed = errors.New("not an instruction")

// Instruction is one, whole, as it is sent.
type Instruction []byte

// New writes an instruction. Lengths count characters.
func New(elements ...string) Instruction {
	var i Instruction
	for n, element := range elements {
		if n > 0 {
			i = append(i, ',')
		}
		element = strings.ToValidUTF8(element, "\uFFFD")
		i = strconv.AppendInt(i, int64(utf8.RuneCountInString(element)), 10)
		i = append(append(i, '.'), element...)
	}
	return append(i, ';')
}

// Elements are the name of an instruction and its arguments.
func (i Instruction) Elements() (elements []string) {
	for at := 0; at < len(i); {
		start, end, _ := element(i, at)
		elements = append(elements, string(i[start:end]))
		at = end + 1
	}
	return elements
}

// Opcode is the name of an instruction. Those without one are between a client and the
// server that it is connected to.
func (i Instruction) Opcode() string {
	start, end, _ := element(i, 0)
	return string(i[start:end])
}

// Cut takes the first instruction off what has arrived. It is nil while that is not whole.
func Cut(data []byte) (first Instruction, rest []byte, err error) {
	for at := 0; ; {
		_, end, err := element(data, at)
		switch {
		case err != nil:
			return nil, data, err
		case end < 0 && len(data) > maxInstruction, end >= maxInstruction:
			return nil, data, ErrMalformed
		case end < 0:
			return nil, data, nil
		}
		at = end + 1
		if data[end] == ';' {
			return data[:at:at], data[at:], nil
		}
	}
}

// element finds the value that begins at a place with its length; the end is -1 while
// that has not arrived, with the byte that follows it.
func element(data []byte, at int) (start, end int, err error) {
	digits := bytes.IndexFunc(data[at:], func(r rune) bool { return r < '0' || r > '9' })
	switch {
	case digits > maxDigits, digits < 0 && len(data)-at > maxDigits, digits == 0:
		return 0, -1, ErrMalformed
	case digits < 0:
		return 0, -1, nil
	case data[at+digits] != '.':
		return 0, -1, ErrMalformed
	}
	length, _ := strconv.Atoi(string(data[at : at+digits])) // these are digits, and few
	start = at + digits + 1
	end = start
	for range length {
		r, size := utf8.DecodeRune(data[end:])
		switch {
		case r != utf8.RuneError || size > 1:
		case utf8.FullRune(data[end:]):
			return 0, -1, ErrMalformed
		default:
			return 0, -1, nil
		}
		end += size
	}
	if end == len(data) {
		return 0, -1, nil
	}
	if data[end] != ',' && data[end] != ';' {
		return 0, -1, ErrMalformed
	}
	return start, end, nil
}
