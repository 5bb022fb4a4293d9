package file

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/nexterm-go/nexterm/internal/ssh"
)

const (
	// slowTime bounds what takes long, and lookTime what is only looked at.
	slowTime = 5 * time.Minute
	lookTime = 5 * time.Second
	// maxOutput bounds what a command may say, in bytes.
	maxOutput = 16 << 10
	// begun and finished tell a shell that runs commands from a host that only says so.
	begun, finished = "nexterm-begun", "nexterm-finished"
)

// errNoShell is for hosts, and paths, that commands are not used with.
const errNoShell = problem("This operation is not supported by the server")

// quoted writes paths for a shell, whichever it is. Those that some shell takes for
// more than a text are none.
func quoted(paths ...string) (string, error) {
	var line []string
	for _, name := range paths {
		if strings.ContainsFunc(name, func(r rune) bool { return r == '\\' || r == '!' || r < ' ' || r == 0x7f }) {
			return "", errNoShell
		}
		line = append(line, "'"+strings.ReplaceAll(name, "'", `'\''`)+"'")
	}
	return strings.Join(line, " "), nil
}

// command runs a command on the host with paths behind it. It fails with errNoShell
// where nobody ran it.
func (w *worker) command(ctx context.Context, command string, paths ...string) (stdout, stderr string, err error) {
	arguments, err := quoted(paths...)
	if err != nil {
		return "", "", err
	}
	s, err := w.socket.Login.Exec(ctx, "echo "+begun+" && "+command+" -- "+arguments+" && echo "+finished)
	if err != nil {
		if errors.Is(err, ssh.ErrNotServed) {
			err = errNoShell
		}
		return "", "", err
	}
	defer func() { go s.Close() }()
	defer context.AfterFunc(ctx, func() { s.Close() })()
	// Hosts that serve files alone would wait for requests.
	_ = s.CloseWrite()
	var out, problems bytes.Buffer
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		_, _ = io.CopyN(&problems, s.Stderr(), maxOutput)
		_, _ = io.Copy(io.Discard, s.Stderr())
	}()
	_, err = io.CopyN(&out, s, maxOutput)
	if !errors.Is(err, io.EOF) {
		return "", "", errNoShell // nobody asked for so much
	}
	<-heard
	if ctx.Err() != nil {
		return "", "", ctx.Err()
	}
	status, _ := s.Exit()
	text, begins := strings.CutPrefix(out.String(), begun+"\n")
	if !begins || status == 126 || status == 127 {
		return "", "", errNoShell
	}
	text, ended := strings.CutSuffix(text, finished+"\n")
	if !ended {
		lines := strings.Split(strings.TrimSpace(problems.String()), "\n")
		return text, lines[len(lines)-1], problem(cmp.Or(printable(lines[len(lines)-1]), "Failure"))
	}
	return text, "", nil
}

// said by cp, in English, and what it means.
var commandProblems = []struct{ part, text string }{
	{"Permission denied", "Permission denied"}, {"Operation not permitted", "Permission denied"}, {"No such file or directory", "Path does not exist"},
	{"No space left", "No space left"}, {"quota exceeded", "Quota exceeded"}, {"Read-only file system", "Write protected"},
}

// copy copies a file or a folder to where there is nothing; links are copied as links.
func (w *worker) copy(ctx context.Context, from, to string) error {
	if strings.HasPrefix(to, from+"/") {
		return problem("A folder cannot be put into itself")
	}
	if _, err := w.host.Lstat(from); err != nil {
		return err
	}
	if info, err := w.host.Stat(path.Dir(to)); err != nil {
		return err
	} else if !info.IsDir() {
		return badPath
	}
	if _, err := w.host.Lstat(to); err == nil {
		return errExists
	}
	_, said, err := w.command(ctx, "cp -RP", from, to)
	if errors.Is(err, errNoShell) {
		leave, err := w.trees.Enter(ctx, w.socket.AccountID)
		if err != nil {
			return err
		}
		defer leave()
		return w.host.copyTree(ctx, from, to)
	}
	for _, known := range commandProblems {
		if err != nil && strings.Contains(said, known.part) {
			return problem(known.text)
		}
	}
	return err
}

func (w *worker) checksum(ctx context.Context, r *request) (answer, error) {
	if r.Algorithm == nil {
		return nil, badAlgorithm
	}
	algorithm := *r.Algorithm
	name, err := clean(r.Path)
	switch {
	case err != nil:
		return nil, badAlgorithm
	case hashes[algorithm] == nil:
		return nil, problem("Unsupported algorithm")
	}
	ctx, cancel := context.WithTimeout(ctx, slowTime)
	defer cancel()
	info, err := w.host.regular(name)
	if err != nil {
		return nil, err
	}
	said, _, err := w.command(ctx, algorithm+"sum", name)
	sum, _, _ := strings.Cut(said, " ")
	if bits, bad := hex.DecodeString(sum); err != nil || bad != nil || len(bits) != hashes[algorithm]().Size() {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		// It says what is wrong, too.
		if sum, err = w.host.sum(ctx, name, info, algorithm); err != nil {
			return nil, err
		}
	}
	return answer{"hash": sum, "algorithm": algorithm}, nil
}

func (w *worker) folderSize(ctx context.Context, r *request) (answer, error) {
	return onPath(r, func(name string) (answer, error) {
		ctx, cancel := context.WithTimeout(ctx, slowTime)
		defer cancel()
		info, err := w.host.Lstat(name)
		if err != nil {
			return nil, err
		}
		said, _, err := w.command(ctx, "du -sb", name)
		digits, _, _ := strings.Cut(said, "\t")
		size, bad := strconv.ParseInt(digits, 10, 64)
		if err != nil || bad != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			leave, err := w.trees.Enter(ctx, w.socket.AccountID)
			if err != nil {
				return nil, err
			}
			defer leave()
			if size, err = w.host.size(ctx, name, info); err != nil {
				return nil, err
			}
		}
		return answer{"size": size}, nil
	})
}

// owners are the names of who a file belongs to, empty where the host does not tell.
func (w *worker) owners(ctx context.Context, name string) (owner, group string) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	said, _, err := w.command(ctx, "stat -L -c %U:%G", name)
	if err != nil {
		return "", ""
	}
	owner, group, _ = strings.Cut(printable(said), ":")
	return owner, group
}
