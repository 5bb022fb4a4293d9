package file

import (
	"cmp"
	"context"
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

	"github.com/nexterm-go/nexterm/internal/live"
	"github.com/nexterm-go/nexterm/internal/ssh"
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
}

// pipe is a channel to a host that has to answer what it is asked.
type pipe struct {
	*ssh.Session
	silence *time.Timer
	// listing is under way, if one is.
	listing atomic.Pointer[listing]
}

// listing ends with what it is to hold, in bytes.
type listing struct {
	left atomic.Int64
	stop context.CancelFunc
}

func (p *pipe) Read(b []byte) (int, error) {
	n, err := p.Session.Read(b)
	p.silence.Stop()
	if l := p.listing.Load(); l != nil && l.left.Add(-int64(n)) < 0 {
		l.stop()
	}
	return n, err
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
func open(ctx context.Context, files *live.Files) (*host, error) {
	session, err := files.Open(ctx)
	if err != nil {
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, session.Stderr()) }()
	p := &pipe{Session: session}
	p.silence = time.AfterFunc(silenceTime, func() { session.Close() })
	defer context.AfterFunc(ctx, func() { session.Close() })()
	client, err := sftp.NewClientPipe(p, p)
	if err != nil {
		_ = p.Close()
		return nil, cmp.Or(ctx.Err(), errors.Join(ssh.ErrNotServed, err))
	}
	h := &host{client, p, make(chan struct{})}
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
func (h *host) list(ctx context.Context, folder string) (entries []fs.FileInfo, truncated bool, err error) {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	l := &listing{stop: stop}
	l.left.Store(maxListing)
	h.pipe.listing.Store(l)
	all, err := h.ReadDirContext(reading, folder)
	h.pipe.listing.CompareAndSwap(l, nil)
	if l.left.Load() < 0 && ctx.Err() == nil {
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
