package file

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/pkg/sftp"

	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/turn"
)

const (
	// silenceTime is how long a host may take to answer.
	silenceTime = 30 * time.Second
	// maxEntries is how many entries of a folder are listed, and maxListing how many bytes
	// a host may say of them.
	maxEntries = 50_000
	maxListing = 32 << 20
	// maxText is how much is shown of what a host says, in characters.
	maxText = 200
)

// problem is what is wrong, in the words that people read.
type problem string

func (p problem) Error() string { return string(p) }

const (
	errLost      = problem("SFTP connection lost")
	errExists    = problem("Already exists")
	errFolder    = problem("Is a directory")
	errIrregular = problem("Not a regular file")
	errTooDeep   = problem("Too many nested folders")
	errTooMuch   = problem("Too much for a server without a shell")
)

// host is the files of a host, over a channel of its own.
type host struct {
	*sftp.Client
	pipe *pipe
	lost chan struct{}
	// listings are one at a time.
	listings turn.Lines[struct{}]
}

// pipe is a channel to a host that has to answer what it is asked.
type pipe struct {
	*ssh.Session
	silence *time.Timer
	// listing is under way, if one is.
	listing atomic.Pointer[listing]
	names   names
}

// listing ends with what it is to hold, in bytes and in entries.
type listing struct {
	bytes, entries atomic.Int64
	stop           context.CancelFunc
}

func (l *listing) isFull() bool { return l.bytes.Load() < 0 || l.entries.Load() < 0 }

func (p *pipe) Read(b []byte) (int, error) {
	n, err := p.Session.Read(b)
	p.silence.Stop()
	names := p.names.count(b[:n])
	if l := p.listing.Load(); l != nil {
		l.bytes.Add(-int64(n))
		l.entries.Add(-names)
		if l.isFull() {
			l.stop()
		}
	}
	return n, err
}

// nameAnswer is the type of the packets that have the entries of a folder.
const nameAnswer = 104

// names counts entries as they come. Each costs as much as a hundred of its bytes when
// it is unpacked. Packets begin with their length, and go on with a type, an id and, of
// entries, their number (draft-ietf-secsh-filexfer-02, sections 3 and 7).
type names struct {
	head [13]byte
	have int
	// skip is how much is left of a packet.
	skip int64
}

func (s *names) count(b []byte) (found int64) {
	for len(b) > 0 {
		if n := min(s.skip, int64(len(b))); n > 0 {
			b, s.skip = b[n:], s.skip-n
			continue
		}
		s.head[s.have] = b[0]
		b, s.have = b[1:], s.have+1
		if s.have < 4 {
			continue
		}
		length := int64(binary.BigEndian.Uint32(s.head[:]))
		if s.have < len(s.head) && int64(s.have) < 4+length {
			continue
		}
		if s.have == len(s.head) && s.head[4] == nameAnswer {
			found += int64(binary.BigEndian.Uint32(s.head[9:]))
		}
		s.skip, s.have = 4+length-int64(s.have), 0
	}
	return found
}

func (p *pipe) Write(b []byte) (int, error) {
	p.silence.Reset(silenceTime)
	return p.Session.Write(b)
}

// Close does not wait for a host that reads nothing any more.
func (p *pipe) Close() error {
	p.silence.Stop()
	go p.Session.Close()
	return nil
}

// open opens a channel to the files of a host.
func open(ctx context.Context, session func(context.Context) (*ssh.Session, error)) (*host, error) {
	s, err := session(ctx)
	if err != nil {
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, s.Stderr()) }()
	p := &pipe{Session: s}
	p.silence = time.AfterFunc(silenceTime, func() { s.Close() })
	defer context.AfterFunc(ctx, func() { s.Close() })()
	client, err := sftp.NewClientPipe(p, p)
	if err != nil {
		_ = p.Close()
		return nil, cmp.Or(ctx.Err(), errors.Join(ssh.ErrNotServed, err))
	}
	h := &host{Client: client, pipe: p, lost: make(chan struct{}), listings: turn.Lines[struct{}]{Most: 1}}
	go func() {
		_ = client.Wait() // says how it has ended
		_ = p.Close()
		close(h.lost)
	}()
	return h, nil
}

// Close ends the channel.
func (h *host) Close() { _ = h.pipe.Close() }

func (h *host) isLost() bool {
	select {
	case <-h.lost:
		return true
	default:
		return false
	}
}

// list returns the entries of a folder that can be named, and whether there are more.
// Those who share a host look into one folder after the other.
func (h *host) list(ctx context.Context, folder string) (entries []fs.FileInfo, truncated bool, err error) {
	leave, err := h.listings.Enter(ctx, struct{}{})
	if err != nil {
		return nil, false, err
	}
	defer leave()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	l := &listing{stop: stop}
	l.bytes.Store(maxListing)
	l.entries.Store(maxEntries + 2) // most hosts tell of . and .., too
	h.pipe.listing.Store(l)
	all, err := h.ReadDirContext(reading, folder)
	h.pipe.listing.Store(nil)
	if l.isFull() && ctx.Err() == nil {
		truncated, err = true, nil
	}
	for _, entry := range all {
		// A name that is a path leads elsewhere.
		if name := entry.Name(); name != "/" && name != "." && name != ".." && !strings.Contains(name, "\x00") {
			entries = append(entries, entry)
		}
		if len(entries) > maxEntries {
			return entries[:maxEntries], true, err
		}
	}
	return entries, truncated, err
}

// regular is what is known of a regular file, links followed.
func (h *host) regular(name string) (fs.FileInfo, error) {
	info, err := h.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errFolder
	case !info.Mode().IsRegular():
		return nil, errIrregular
	}
	return info, nil
}

// exists tells a failure because of what is there from others: hosts do not.
func (h *host) exists(err error, name string) error {
	if isFailure(err) {
		if _, missing := h.Lstat(name); missing == nil {
			return errExists
		}
	}
	return err
}

func isFailure(err error) bool {
	var status *sftp.StatusError
	return errors.As(err, &status) && status.FxCode() == sftp.ErrSSHFxFailure
}

// SFTP's later versions have more codes, which some hosts use.
const (
	alreadyExists  = 11
	writeProtected = 12
	noSpace        = 14
	quotaExceeded  = 15
)

// isLost tells the end of the channel from an answer of the host.
func isLost(err error) bool {
	return errors.Is(err, errLost) || errors.Is(err, ssh.ErrLost) || errors.Is(err, sftp.ErrSSHFxConnectionLost) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, os.ErrClosed) || errors.Is(err, net.ErrClosed)
}

// textOf says of an error what people read.
func textOf(err error) string {
	var status *sftp.StatusError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "Path does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "Permission denied"
	case errors.Is(err, fs.ErrExist):
		return errExists.Error()
	case errors.As(err, &status):
		switch status.Code {
		case alreadyExists:
			return errExists.Error()
		case writeProtected:
			return "Write protected"
		case noSpace:
			return "No space left"
		case quotaExceeded:
			return "Quota exceeded"
		}
		return said(status)
	case isLost(err):
		return errLost.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "The server took too long"
	}
	return printable(err.Error())
}

// said is the host's own text.
func said(status *sftp.StatusError) string {
	text := strings.TrimPrefix(status.Error(), "sftp: ")
	if quoted, err := strconv.QuotedPrefix(text); err == nil {
		text, _ = strconv.Unquote(quoted)
	}
	return cmp.Or(printable(text), "Failure")
}

// printable is a text of a host's without what would be no text.
func printable(text string) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text))
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText])
	}
	return text
}
