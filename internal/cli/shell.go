package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nexterm-go/nexterm/internal/terminal"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

const (
	// sizeTime is how often the terminal is asked for its size: not every system tells.
	sizeTime = 250 * time.Millisecond
	// endTime bounds ending the connection when the command ends.
	endTime = 5 * time.Second
)

// errLeft is for people who hang up.
var errLeft = errors.New("the connection was ended")

// shell opens a terminal on the host of an entry, in this one.
func (s *session) shell(entryID, identity int64, reason string) error {
	if !terminal.Is(s.InOrStdin()) {
		return usage("there is no terminal here; what to run stands after --")
	}
	opened, err := s.client.Connections.Create(s.Context(), nexterm.NewConnection{EntryID: entryID, IdentityID: identity, ConnectionReason: reason})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), endTime)
		defer cancel()
		_ = s.client.Connections.Delete(ctx, opened.SessionID) // it may have ended
	}()
	ctx, end := context.WithCancelCause(s.Context())
	defer end(nil)
	keys := &keyboard{out: s.OutOrStdout(), end: func() { end(errLeft) }}
	shown, err := s.client.Terminal(ctx, opened.SessionID, keys.ask)
	if err != nil {
		return err
	}
	restore, err := terminal.Raw()
	if err != nil {
		return err
	}
	defer restore()
	defer context.AfterFunc(ctx, func() { _ = shown.Close() })()
	go keys.read(shown)
	go follow(ctx, shown)
	_, err = io.Copy(s.OutOrStdout(), shown)
	_ = shown.Close()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// follow tells the size of the terminal whenever it is another one.
func follow(ctx context.Context, shown *nexterm.Terminal) {
	var columns, rows int
	for ctx.Err() == nil {
		if c, r := terminal.Size(); c > 0 && r > 0 && (c != columns || r != rows) {
			columns, rows = c, r
			_ = shown.Resize(columns, rows) // its end shows elsewhere
		}
		select {
		case <-time.After(sizeTime):
		case <-ctx.Done():
		}
	}
}

// keyboard is what is typed: for the host, or the answer to a question.
type keyboard struct {
	out io.Writer
	// end hangs up.
	end func()

	mu sync.Mutex
	// answers takes the answer that is being typed, nil while nothing is asked.
	answers chan string
	line    []rune
	// escape is how much of Enter, ~ and . has been typed; a connection begins with the first.
	escape int
}

// ask shows a question and waits for the answer, of which nothing is shown.
func (k *keyboard) ask(ctx context.Context, question string) (string, error) {
	answers := make(chan string, 1)
	k.mu.Lock()
	k.answers, k.line = answers, nil
	k.mu.Unlock()
	text := strings.ReplaceAll(strings.ReplaceAll(question, "\r\n", "\n"), "\r", "\n")
	if _, err := io.WriteString(k.out, strings.ReplaceAll(terminal.CleanLines(text), "\n", "\r\n")); err != nil {
		return "", err
	}
	defer io.WriteString(k.out, "\r\n") //nolint:errcheck // the next output shows it
	select {
	case answer := <-answers:
		return answer, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// read passes on what is typed until the terminal is closed.
func (k *keyboard) read(to io.Writer) {
	k.escape = 1
	buffer := make([]byte, 4096)
	for {
		n, err := os.Stdin.Read(buffer)
		if err != nil {
			k.end()
			return
		}
		typed := k.answer(buffer[:n])
		if k.hangsUp(typed) {
			k.end()
			return
		}
		if len(typed) > 0 {
			if _, err := to.Write(typed); err != nil {
				return
			}
		}
	}
}

// answer takes what belongs to an open question, and returns the rest.
func (k *keyboard) answer(typed []byte) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.answers == nil {
		return typed
	}
	for i, r := range string(typed) {
		switch r {
		case '\r', '\n':
			k.answers <- string(k.line)
			k.answers, k.line = nil, nil
			return typed[i+1:]
		case '\x03', '\x04':
			k.end()
			return nil
		case '\b', '\x7f':
			k.line = k.line[:max(0, len(k.line)-1)]
		default:
			if r >= ' ' {
				k.line = append(k.line, r)
			}
		}
	}
	return nil
}

// hangsUp looks for Enter, ~ and . after each other: of a host that does not answer,
// nothing else gets one away.
func (k *keyboard) hangsUp(typed []byte) bool {
	for _, b := range typed {
		switch {
		case b == '\r' || b == '\n':
			k.escape = 1
		case k.escape == 1 && b == '~':
			k.escape = 2
		case k.escape == 2 && b == '.':
			return true
		default:
			k.escape = 0
		}
	}
	return false
}
