package live

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/ws"
)

// errorFrame begins frames that say what is wrong.
const errorFrame = 0x09

// makingTime is how long a transfer waits for its connection to be made.
const makingTime = 10 * time.Second

// subsystem is what serves files.
const subsystem = "sftp"

// Close codes of sockets for files. Their client comes back after any other but 1000.
const (
	forbidden   = websocket.StatusCode(4403)
	filesLost   = websocket.StatusCode(4001)
	filesFailed = websocket.StatusCode(4002)
)

var (
	// ErrNoFiles is for connections without files, or that are not made.
	ErrNoFiles = fail.BadRequest("No active SFTP connection")
	errUnknown = fail.NotFound("Session not found")
	errAway    = fail.ServiceUnavailable("Connection not available")
)

// Files is a connection for files that is made.
type Files struct {
	ID        uuid.UUID
	AccountID int64
	EntryID   int64
	// Owner is the entry's.
	Owner    caller.Owner
	Protocol string
	// Reason is what it was opened for.
	Reason string
	Login  *ssh.Login
	// Done is closed when the connection has ended.
	Done <-chan struct{}

	live *live
}

// Use notes that the connection is used.
func (f *Files) Use() { f.live.post(f.live.use) }

// FindFiles finds a connection of the caller's, and waits for it while it is made.
func (r *Registry) FindFiles(ctx context.Context, who *caller.Caller, id uuid.UUID) (*Files, error) {
	row, err := r.Queries.GetConnection(ctx, db.GetConnectionParams{ID: id, AccountID: who.AccountID})
	if err != nil {
		return nil, fail.OnNoRows(err, errUnknown)
	}
	if row.Kind != "sftp" {
		return nil, ErrNoFiles
	}
	l := r.find(id)
	if l == nil {
		return nil, errAway
	}
	making := time.NewTimer(makingTime)
	defer making.Stop()
	select {
	case <-l.made:
	case <-l.ended:
		return nil, ErrNoFiles
	case <-making.C:
		return nil, ErrNoFiles
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return l.files(row), nil
}

// openFiles opens the first session for files, with which it shows whether there is room
// on a login. A host without them says so when they are asked for.
func (l *live) openFiles(login *ssh.Login) error {
	session, err := login.Subsystem(l.ctx, subsystem)
	if errors.Is(err, ssh.ErrFull) {
		return err
	}
	l.sftp.Store(session)
	return nil
}

// Open returns the session that was opened with the connection, or a new one if that
// is taken.
func (f *Files) Open(ctx context.Context) (*ssh.Session, error) {
	if session := f.live.sftp.Swap(nil); session != nil {
		return session, nil
	}
	return f.New(ctx)
}

// New opens one more session for the files, if the host has one.
func (f *Files) New(ctx context.Context) (*ssh.Session, error) {
	return f.Login.Subsystem(ctx, subsystem)
}

func (l *live) files(row db.GetConnectionRow) *Files {
	f := &Files{
		ID: l.ID, AccountID: l.AccountID, EntryID: l.EntryID, Owner: caller.Owner(row.Scope), Protocol: l.Protocol,
		Login: l.channel.Login, Done: l.ended, live: l,
	}
	if row.Reason != nil {
		f.Reason = *row.Reason
	}
	return f
}

// FileSocket is an open socket of a connection for files.
type FileSocket struct {
	*Files
	// StartPath is the folder to show first, empty for the root.
	StartPath string

	viewer    *viewer
	frames    chan []byte
	passed    chan []byte
	farewells chan farewell
	gone      chan struct{}
}

// ServeFiles has a socket of a connection served when that is made, until either ends.
func (r *Registry) ServeFiles(ctx context.Context, conn *ws.Conn, who *caller.Caller, parameters ws.Parameters, serve func(context.Context, *FileSocket)) {
	place := r.place(ctx, conn, who, parameters, "sftp", "/api/ws/sftp")
	if place == nil {
		return
	}
	s := &FileSocket{
		frames: make(chan []byte), passed: make(chan []byte, 1), farewells: make(chan farewell, 1), gone: make(chan struct{}),
	}
	l := r.find(place.id)
	s.viewer = &viewer{
		id: uuid.New(), accountID: place.accountID, kind: place.kind, conn: conn, live: l, timing: r.timing, writable: true, files: s,
	}
	if l == nil || !l.post(func() { l.attach(s.viewer) }) {
		r.leave(ctx, conn, who, parameters, "sftp")
		return
	}
	r.attached(s.viewer, &place.writable)
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.write(conn)
	}()
	select {
	case <-l.made:
		s.serve(ctx, serve)
	case <-s.gone:
	}
	<-written
	l.post(func() { l.detach(s.viewer) })
	r.attached(s.viewer, nil)
}

// serve has frames read and answered.
func (s *FileSocket) serve(ctx context.Context, serve func(context.Context, *FileSocket)) {
	l, r := s.viewer.live, s.viewer.live.registry
	stop := s.viewer.ping()
	defer stop()
	row, err := r.Queries.GetConnection(ctx, db.GetConnectionParams{ID: l.ID, AccountID: l.AccountID})
	switch {
	case isMissing(err): // it is about to be closed
		<-s.gone
		return
	case err != nil:
		s.viewer.end(*r.broken(ctx, err))
		return
	}
	s.Files = l.files(row)
	switch {
	case row.StartPath != nil && *row.StartPath != "":
		s.StartPath = *row.StartPath
	case row.SftpPath != nil:
		s.StartPath = *row.SftpPath
	}
	// What is done for the socket ends with it.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		<-s.gone
		cancel()
	}()
	s.viewer.conn.SetReadLimit(maxMessage)
	serve(ctx, s)
	if ctx.Err() == nil {
		s.end(farewell{ws.ProtocolError, ""})
	}
	<-s.gone // whatever the reason, it is said
}

// Read returns the next frame. It does not count them: who sends many waits for the answers.
func (s *FileSocket) Read() ([]byte, error) {
	_, frame, err := s.viewer.conn.Conn.Read(context.Background())
	return frame, err
}

// Send sends a frame, and reports whether it is on its way. It waits for a slow reader.
func (s *FileSocket) Send(frame []byte) bool {
	select {
	case s.frames <- frame:
		return true
	case <-s.gone:
		return false
	}
}

// Pass sends a frame to the connection's other sockets. Who is behind gets the last one.
func (s *FileSocket) Pass(frame []byte) {
	l := s.viewer.live
	l.post(func() {
		for _, other := range l.viewers {
			if other == s.viewer {
				continue
			}
			select {
			case <-other.files.passed:
			default:
			}
			other.files.passed <- frame
		}
	})
}

// Keep stores which folder is shown.
func (s *FileSocket) Keep(ctx context.Context, path string) error {
	l := s.viewer.live
	return l.registry.Changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		organizationID, err := tx.SetConnectionPath(ctx, db.SetConnectionPathParams{ID: l.ID, AccountID: l.AccountID, SftpPath: path})
		if err != nil {
			return fail.OnNoRows(err, nil)
		}
		tx.Record(Updated(l.ID, l.AccountID, organizationID))
		return nil
	})
}

// Refuse closes the socket of somebody who may not look at files.
func (s *FileSocket) Refuse(message string) { s.end(farewell{forbidden, message}) }

// end closes the socket, unless the connection ends: then that is why the host is lost,
// and the connection says so.
func (s *FileSocket) end(f farewell) {
	s.viewer.live.await(func() { s.viewer.end(f) })
}

// Fail closes the socket because the host does not offer files, and Lose because it
// does not any more.
func (s *FileSocket) Fail(err error) {
	text := failureOf(err)
	if errors.Is(err, ssh.ErrNotServed) {
		text = "The host does not offer files"
	}
	s.end(farewell{filesFailed, "Connection failed: " + string(text)})
}

// Lose is Fail's counterpart.
func (s *FileSocket) Lose() { s.end(farewell{filesLost, "SFTP connection lost"}) }

// write sends what there is to send until the socket is closed, by whichever side.
func (s *FileSocket) write(conn *ws.Conn) {
	defer close(s.gone)
	for {
		var frame []byte
		select {
		case f := <-s.farewells:
			made := false
			select {
			case <-s.viewer.live.made:
				made = true
			default:
			}
			sayGoodbye(conn, f, made)
			return
		case frame = <-s.frames:
		case frame = <-s.passed:
		}
		ctx, cancel := context.WithTimeout(context.Background(), s.viewer.timing.write)
		err := conn.Write(ctx, websocket.MessageBinary, frame)
		cancel()
		if err != nil {
			_ = conn.CloseNow() // wakes the reader
			return
		}
	}
}

// sayGoodbye closes a socket with the codes that clients of files know. Failures are
// said in a frame, too: these clients do not look at reasons.
func sayGoodbye(conn *ws.Conn, f farewell, made bool) {
	switch {
	case f.code == connectionFailed && made:
		f = farewell{filesLost, "SFTP connection lost"}
	case f.code == connectionFailed && strings.HasPrefix(f.reason, "FTP "):
		f.code = filesFailed
	case f.code == connectionFailed:
		f = farewell{filesFailed, "Connection failed: " + f.reason}
	}
	if f.code == filesLost || f.code == filesFailed || f.code == forbidden {
		ctx, cancel := context.WithTimeout(context.Background(), storeTime)
		text, _ := json.Marshal(map[string]string{"message": f.reason})
		_ = conn.Write(ctx, websocket.MessageBinary, append([]byte{errorFrame}, text...))
		cancel()
	}
	conn.End(f.code, f.reason)
}
