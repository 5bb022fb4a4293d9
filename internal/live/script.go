package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/login"
	"github.com/nexterm-go/nexterm/internal/scriptrun"
	"github.com/nexterm-go/nexterm/internal/ssh"
)

const (
	// uploadTime is how long a host has to take a script, and startTime how long its
	// terminal has to begin it after that.
	uploadTime = 30 * time.Second
	startTime  = 30 * time.Second
)

const notStarted = failure("The script could not be started")

// Script is what a connection is to run, as it was when that was asked for.
type Script struct{ Name, Content string }

// script is the run of a connection's script, and what keeps its file on the host.
type script struct {
	*scriptrun.Run
	// line is what is typed to begin it.
	line string
	kept *ssh.Session
	// stored tells that the exit status is.
	stored bool
}

// upload brings the script to the host. Where there is no channel for that, it is typed.
func (l *live) upload(channel *login.Channel) (*script, error) {
	s := &script{Run: scriptrun.New(l.Script.Name, l.Script.Content)}
	ctx, cancel := context.WithTimeout(l.ctx, uploadTime)
	defer cancel()
	kept, path, err := send(ctx, channel, s.Run)
	switch {
	case err == nil:
		s.line, s.kept = scriptrun.Line(path), kept
	case errors.Is(err, ssh.ErrLost):
		return nil, err
	case ctx.Err() != nil:
		return nil, notStarted
	default:
		s.line = s.TypedUpload()
	}
	return s, nil
}

// send uploads a script, whose file stays for as long as the session.
func send(ctx context.Context, channel *login.Channel, run *scriptrun.Run) (kept *ssh.Session, path string, err error) {
	if kept, err = channel.Exec(ctx, run.Upload()); err != nil {
		return nil, "", err
	}
	defer context.AfterFunc(ctx, func() { kept.Close() })()
	if _, err = kept.Write([]byte(run.File())); err == nil {
		var said []byte
		buffer := make([]byte, 1024)
		for is := false; !is && err == nil && len(said) < chunk; path, is = scriptrun.UploadedPath(said) {
			var n int
			n, err = kept.Read(buffer)
			said = append(said, buffer[:n]...)
		}
	}
	if path == "" {
		kept.Close()
		return nil, "", fmt.Errorf("upload a script: %w", err)
	}
	return kept, path, nil
}

// begin types what begins the script, before all else.
func (l *live) begin(s *script) {
	l.script, l.Script = s, nil
	l.input = append([]byte(s.line), l.input...)
	time.AfterFunc(startTime, func() {
		l.post(func() {
			if !s.Started() {
				l.fail(notStarted)
			}
		})
	})
}

// hear takes output, and of a script's what it says to the server.
func (l *live) hear(text []byte) {
	if l.script == nil {
		l.show(text)
		return
	}
	l.use()
	frames, typed := l.script.Output(text)
	for _, frame := range frames {
		if frame[0] != scriptrun.Message {
			l.show(frame)
			continue
		}
		for _, v := range l.viewers {
			v.push(frame)
		}
	}
	l.input = append(l.input, typed...)
	l.endScript()
}

// scriptTakes takes a frame that belongs to the script, and reports whether it does.
// Before the script begins, the terminal is its alone.
func (l *live) scriptTakes(frame []byte) bool {
	if l.script == nil {
		return l.Script != nil
	}
	typed, isMessage := l.script.Receive(frame)
	l.input = append(l.input, typed...)
	return isMessage || !l.script.Started()
}

// endScript lets go of a script that has ended, and keeps how.
func (l *live) endScript() {
	code, ended := l.script.ExitCode()
	if !ended || l.script.stored {
		return
	}
	l.script.stored = true
	l.script.release()
	details := fmt.Appendf(nil, `{"exitCode": %d}`, code)
	l.registry.work.Go(func() {
		l.registry.do("store how a script has ended", func(ctx context.Context, tx *change.Tx) error {
			return tx.AddConnectionDetails(ctx, db.AddConnectionDetailsParams{ID: l.ID, Details: details})
		})
	})
}

// loseScript ends the script with its connection.
func (l *live) loseScript() {
	if frame := l.script.Lost(); frame != nil {
		for _, v := range l.viewers {
			v.push(frame)
		}
	}
	l.endScript()
	l.script.release()
}

// release has the host remove the script's file.
func (s *script) release() {
	if s.kept != nil {
		go s.kept.Close()
	}
}
