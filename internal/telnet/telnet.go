// Package telnet owns the Telnet protocol (RFC 854), as a terminal speaks it to a host:
// which options there are, how the size of the terminal is told, and which bytes are
// text. It dials nothing, and logs in nowhere.
package telnet

import (
	"bytes"
	"encoding/binary"

	"github.com/nexterm-go/nexterm/internal/ssh"
)

// The commands (RFC 854) and options (RFC 857, 858, 1073 and 1091) that are told apart.
const (
	subEnd   = 240
	subBegin = 250
	will     = 251
	wont     = 252
	do       = 253
	dont     = 254
	command  = 255

	echo          = 1
	suppressAhead = 3
	terminalType  = 24
	windowSize    = 31

	send = 1
	is   = 0
)

// maxParameters is how much is kept of what a host says about an option, in bytes.
const maxParameters = 16

// Negotiation is a terminal's side of the protocol. It has no connection: it is given
// what the host says, and says what to answer.
type Negotiation struct {
	Size ssh.Size

	state state
	// verb is the command that waits for its option, and parameters what is being said
	// about one.
	verb       byte
	parameters []byte
	// afterReturn tells that the last of the text was a carriage return.
	afterReturn bool
	// speaks tells that the host knows the protocol, and not only its port.
	speaks bool
	// ours are the options that this side has switched on, theirs the host's, and the
	// refused are answered already. Who answered each time could be kept busy for ever.
	ours, theirs, refusedOurs, refusedTheirs [256]bool
}

type state int

const (
	text state = iota
	commanded
	optioned
	parametered
	parameterCommanded
)

// Receive takes bytes as they come: it returns what the host shows, in the same memory,
// and what it is to be answered.
func (n *Negotiation) Receive(given []byte) (shown, answer []byte) {
	shown = given[:0]
	for _, b := range given {
		switch n.state {
		case text:
			switch {
			case b == command:
				n.state = commanded
			case b == 0 && n.afterReturn: // how a lone carriage return is written
			default:
				shown = append(shown, b)
			}
			n.afterReturn = b == '\r'
		case commanded, parameterCommanded:
			shown = n.command(b, shown, &answer)
		case optioned:
			n.state = text
			answer = append(answer, n.negotiate(n.verb, b)...)
		case parametered:
			if b == command {
				n.state = parameterCommanded
				continue
			}
			n.keep(b)
		}
	}
	return shown, answer
}

// command takes the byte after the one that begins commands.
func (n *Negotiation) command(b byte, shown []byte, answer *[]byte) []byte {
	if b == command {
		if n.state == parameterCommanded {
			n.state = parametered
			n.keep(b)
			return shown
		}
		n.state = text
		return append(shown, b)
	}
	n.speaks = true
	if n.state == parameterCommanded && b == subEnd {
		*answer = append(*answer, n.tell()...)
	}
	n.state = text
	switch b {
	case will, wont, do, dont:
		n.verb, n.state = b, optioned
	case subBegin:
		n.parameters, n.state = n.parameters[:0], parametered
	}
	return shown
}

func (n *Negotiation) keep(b byte) {
	if len(n.parameters) < maxParameters {
		n.parameters = append(n.parameters, b)
	}
}

// negotiate answers what the host wants of an option, or offers. What is so already is
// not answered: two sides that did would never end.
func (n *Negotiation) negotiate(verb, option byte) []byte {
	switch verb {
	case do:
		switch {
		case n.ours[option]:
		case option == windowSize:
			n.ours[option] = true
			return append([]byte{command, will, option}, n.size()...)
		case option == terminalType:
			n.ours[option] = true
			return []byte{command, will, option}
		case !n.refusedOurs[option]:
			n.refusedOurs[option] = true
			return []byte{command, wont, option}
		}
	case dont:
		if n.ours[option] {
			n.ours[option] = false
			return []byte{command, wont, option}
		}
	case will:
		switch {
		case n.theirs[option]:
		case option == echo, option == suppressAhead:
			n.theirs[option] = true
			return []byte{command, do, option}
		case !n.refusedTheirs[option]:
			n.refusedTheirs[option] = true
			return []byte{command, dont, option}
		}
	case wont:
		if n.theirs[option] {
			n.theirs[option] = false
			return []byte{command, dont, option}
		}
	}
	return nil
}

// tell answers the question for the type of the terminal.
func (n *Negotiation) tell() []byte {
	if !n.ours[terminalType] || !bytes.Equal(n.parameters, []byte{terminalType, send}) {
		return nil
	}
	answer := append([]byte{command, subBegin, terminalType, is}, ssh.Terminal...)
	return append(answer, command, subEnd)
}

// Resize is what the host is to be told of a new size, if it wants to know.
func (n *Negotiation) Resize(size ssh.Size) []byte {
	n.Size = size
	if !n.ours[windowSize] {
		return nil
	}
	return n.size()
}

func (n *Negotiation) size() []byte {
	size := binary.BigEndian.AppendUint16(nil, uint16(n.Size.Columns))
	size = binary.BigEndian.AppendUint16(size, uint16(n.Size.Rows))
	return append(append([]byte{command, subBegin, windowSize}, escaped(size)...), command, subEnd)
}

// Type is how something typed is sent. A host that speaks the protocol waits for what
// comes after a carriage return; others only listen on its port.
func (n *Negotiation) Type(input []byte) []byte {
	input = escaped(input)
	if !n.speaks || bytes.IndexByte(input, '\r') < 0 {
		return input
	}
	sent := make([]byte, 0, len(input)+1)
	for i, b := range input {
		sent = append(sent, b)
		if b == '\r' && (i+1 == len(input) || input[i+1] != '\n') {
			sent = append(sent, 0)
		}
	}
	return sent
}

func escaped(text []byte) []byte {
	return bytes.ReplaceAll(text, []byte{command}, []byte{command, command})
}
