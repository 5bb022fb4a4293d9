package remote

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/live"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/ssh"
)

const (
	// maxCommands are those of an account at a time.
	maxCommands = 10
	// defaultPatience is how long a command may take that says nothing of it.
	defaultPatience = 5 * time.Minute
	// maxOutput is what is kept of either stream, in bytes.
	maxOutput = 256 << 10
	truncated = "[output truncated]\n"

	// The statuses of commands that have none.
	exitFailed   = 255
	exitTimedOut = 124
)

var (
	errEntryNotFound = fail.NotFound("Entry not found")
	errNotSSH        = fail.BadRequest("Command execution is only supported for SSH entries")
	errNoReason      = fail.BadRequest("Connection reason required")
	errTooMany       = fail.TooManyAtATime("Too many running commands", maxCommands, time.Second)
	errTimedOut      = errors.New("the command takes too long")
	errSignal        = live.Failure("The command was ended by a signal")
)

// ended are what callers are told whose commands may not go on.
var ended = map[ending]error{
	stopping:     fail.ServiceUnavailable("The server is shutting down"),
	sessionEnded: fail.Unauthorized("The provided token is not valid"),
	rightsLost:   errDenied,
}

// RunCommand runs one command on the host of an entry. What fails there is part of the
// answer.
func (h *Handlers) RunCommand(ctx context.Context, request api.RunCommandRequestObject) (api.RunCommandResponseObject, error) {
	c := caller.From(ctx)
	row, err := h.queries.GetConnectionEntry(ctx, db.GetConnectionEntryParams{ID: request.EntryID, Reach: c.Reach})
	if err != nil {
		return nil, fail.OnNoRows(err, errEntryNotFound)
	}
	owner, reason := caller.Owner(row.Scope), trimmed(request.Body.ConnectionReason)
	switch err := c.Need(permission.ConnectSSH, owner, errDenied, errDenied); {
	case err != nil:
		return nil, err
	case row.Protocol != "ssh":
		return nil, errNotSSH
	case row.ReasonRequired && reason == "":
		return nil, errNoReason
	}
	identityID, err := h.live.Identity(ctx, c, request.EntryID, request.Params.IdentityID)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	leave, ok := h.works.begin(&work{
		who: c, entryID: request.EntryID, needs: permission.ConnectSSH, end: func(why ending) { cancel(ended[why]) },
	}, maxCommands)
	if !ok {
		return nil, errTooMany
	}
	defer leave()
	err = h.changes.Record(ctx, event.Event{Action: event.SSHConnect, Owner: owner, ResourceID: request.EntryID, Reason: reason, Details: details("exec", reason)})
	if err != nil {
		return nil, err
	}
	patience := defaultPatience
	if seconds := request.Body.TimeoutSeconds; seconds != nil {
		patience = time.Duration(*seconds) * time.Second
	}
	defer time.AfterFunc(patience, func() { cancel(errTimedOut) }).Stop()
	result, err := h.run(ctx, c, request.EntryID, identityID, request.Body.Command)
	if errors.Is(err, live.Lost) {
		h.lost(ctx)
	}
	var refused *fail.Error
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &refused):
		return nil, refused
	case cause != nil:
		result.fail(exitTimedOut, "Command timed out")
	case err != nil:
		result.fail(exitFailed, live.FailureOf(err))
	}
	return api.RunCommand200JSONResponse(result.CommandResult), nil
}

type result struct{ api.CommandResult }

func (r *result) fail(status int32, why live.Failure) {
	text := string(why)
	r.Success, r.ExitCode, r.ErrorMessage = false, status, &text
}

// run runs a command until its end or that of the context, and returns what it has
// printed by then.
func (h *Handlers) run(ctx context.Context, c *caller.Caller, entryID, identityID int64, command string) (result, error) {
	var session *ssh.Session
	place, err := h.open(ctx, c, entryID, identityID, func(login *ssh.Login) (err error) {
		session, err = login.Exec(ctx, command)
		return err
	})
	if err != nil {
		return result{}, err
	}
	var stdout, stderr output
	var reading sync.WaitGroup
	parted := make(chan struct{})
	// A command waits for whoever does not read one of them.
	reading.Go(func() { stdout.read(session) })
	reading.Go(func() { stderr.read(session.Stderr()) })
	go func() {
		reading.Wait()
		session.Exit()
		close(parted)
	}()
	select {
	case <-parted:
	case <-ctx.Done():
	}
	part(place, session, parted)
	r := result{api.CommandResult{Success: true, Stdout: stdout.String(), Stderr: stderr.String()}}
	switch status, said := session.Exit(); {
	case !said:
		return r, live.Lost
	case status < 0:
		return r, errSignal
	default:
		r.ExitCode = int32(status)
	}
	return r, nil
}

// output keeps the beginning of a stream and takes all of it.
type output struct {
	kept []byte
	more bool
}

func (o *output) read(from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		fits := min(n, maxOutput-len(o.kept))
		o.kept = append(o.kept, buffer[:fits]...)
		o.more = o.more || fits < n
		if err != nil {
			return
		}
	}
}

// String is the text as it may be in an answer.
func (o *output) String() string {
	if !o.more {
		return strings.ToValidUTF8(string(o.kept), string(utf8.RuneError))
	}
	kept := o.kept
	// Not in the middle of a character.
	for i := 1; i < utf8.UTFMax && i <= len(kept); i++ {
		if start := kept[len(kept)-i]; utf8.RuneStart(start) {
			if !utf8.FullRune(kept[len(kept)-i:]) {
				kept = kept[:len(kept)-i]
			}
			break
		}
	}
	text := strings.ToValidUTF8(string(kept), string(utf8.RuneError))
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + truncated
}
