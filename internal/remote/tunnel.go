package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/live"
	"github.com/nexterm-go/nexterm/internal/login"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/ws"
)

const (
	// maxTunnels are those of an account at a time.
	maxTunnels = 256
	// maxMessage bounds a client's frame, and chunk what is sent in one, in bytes.
	maxMessage = 1 << 20
	chunk      = 32 << 10
	// maxMissedPongs ends a socket whose peer does not answer.
	maxMissedPongs = 2
)

// farewell is how a tunnel's socket is closed.
type farewell struct {
	code   websocket.StatusCode
	reason string
}

func (f farewell) Error() string { return f.reason }

var (
	badHost      = farewell{4001, "Invalid remoteHost parameter"}
	badPort      = farewell{4001, "Missing or invalid remotePort parameter"}
	noEntry      = farewell{4002, "You need to provide the entryId or sessionId"}
	notSSH       = farewell{4002, "Port forwarding is only supported for SSH servers"}
	unknownEntry = farewell{4005, "Entry not found"}
	broken       = farewell{4005, string(live.Lost)}
	noIdentity   = farewell{4006, "Identity not found"}
	noReason     = farewell{4008, "Connection reason required"}
	loggedOut    = farewell{ws.SessionEnded, "Session invalidated"}
	notPermitted = farewell{4403, "You don't have permission to create tunnels for this server"}
	closed       = farewell{websocket.StatusNormalClosure, "Tunnel closed"}
	goingAway    = farewell{ws.GoingAway, ws.ShuttingDown}
	tooMany      = farewell{ws.TryAgainLater, "Too many tunnels"}
	noAnswer     = farewell{ws.PolicyViolation, "Pings are not answered"}
	// gone is for peers that nothing can be said to any more.
	gone = farewell{websocket.StatusNormalClosure, ""}
)

var farewells = map[ending]farewell{stopping: goingAway, sessionEnded: loggedOut, rightsLost: notPermitted}

// tunnel is one socket, and the connection at the other end of its host.
type tunnel struct {
	conn *ws.Conn
	// end ends all of it, with a farewell; the first one counts.
	end context.CancelCauseFunc
	// opened is closed when there is a remote.
	opened chan struct{}
	remote net.Conn
	// stalled counts the writes that are waiting for their readers, and moved those that
	// were taken.
	stalled, moved atomic.Int64
}

// OpenTunnel serves a socket that is a TCP connection from the host of an entry.
func (h *Handlers) OpenTunnel(ctx context.Context, conn *ws.Conn, who *caller.Caller, parameters ws.Parameters) {
	ctx, end := context.WithCancelCause(ctx)
	t := &tunnel{conn: conn, end: end, opened: make(chan struct{})}
	conn.SetReadLimit(maxMessage)
	var running sync.WaitGroup
	running.Go(func() { t.receive(ctx) })
	place, leave, err := h.setUp(ctx, t, who, parameters)
	defer leave()
	if err == nil {
		if conn.Write(ctx, websocket.MessageText, []byte(`{"type":"ready"}`)) != nil {
			err = gone
		}
		close(t.opened)
	}
	if err != nil {
		end(err)
	} else {
		running.Go(func() { t.send(ctx, h, place) })
		running.Go(func() { t.ping(ctx, h.pingInterval) })
	}
	<-ctx.Done()
	parted := make(chan struct{})
	go func() {
		running.Wait()
		close(parted)
	}()
	h.sayGoodbye(ctx, conn)
	if place == nil {
		<-parted
		return
	}
	part(place, t.remote, parted)
}

// sayGoodbye closes the socket as the end of its context says.
func (h *Handlers) sayGoodbye(ctx context.Context, conn *ws.Conn) {
	var said farewell
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &said):
	case errors.Is(cause, context.Canceled):
		said = goingAway
	default:
		said = farewell{ws.InternalError, "Internal server error"}
		h.log.ErrorContext(ctx, "open a tunnel", "error", cause)
	}
	conn.End(said.code, said.reason)
}

// setUp opens the connection from the host. Whatever comes of it, leave is to be called.
func (h *Handlers) setUp(ctx context.Context, t *tunnel, who *caller.Caller, parameters ws.Parameters) (place *login.Channel, leave func(), err error) {
	nothing := func() {}
	if parameters["entryId"] == "" {
		return nil, nothing, noEntry
	}
	entryID, _ := strconv.ParseInt(parameters["entryId"], 10, 64) // what is none is unknown
	row, err := h.queries.GetRemoteEntry(ctx, db.GetRemoteEntryParams{ID: entryID, Reach: who.Reach})
	if err != nil {
		return nil, nothing, fail.OnNoRows(err, unknownEntry)
	}
	owner, reason := caller.Owner(row.Scope), strings.TrimSpace(parameters["connectionReason"])
	host := parameters["remoteHost"]
	if host == "" {
		host = "127.0.0.1"
	}
	port, portErr := strconv.ParseUint(parameters["remotePort"], 10, 16)
	switch err := who.Need(permission.ConnectTunnel, owner, notPermitted, notPermitted); {
	case err != nil:
		return nil, nothing, err
	case portErr != nil || port == 0:
		return nil, nothing, badPort
	case strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("[]/", r) }):
		return nil, nothing, badHost
	case row.Protocol != "ssh":
		return nil, nothing, notSSH
	case row.ReasonRequired && reason == "":
		return nil, nothing, noReason
	}
	identityID, err := h.tunnelIdentity(ctx, who, entryID, parameters["identityId"])
	if err != nil {
		return nil, nothing, err
	}
	leave, ok := h.works.begin(&work{
		who: who, entryID: entryID, needs: permission.ConnectTunnel, end: func(why ending) { t.end(farewells[why]) },
	}, maxTunnels)
	if !ok {
		return nil, nothing, tooMany
	}
	target := net.JoinHostPort(host, strconv.Itoa(int(port)))
	if err := h.tellOfTunnel(ctx, owner, entryID, target, reason); err != nil {
		return nil, leave, err
	}
	if place, err = h.open(ctx, who, entryID, identityID); err == nil {
		if t.remote, err = place.Connect(ctx, host, int(port)); err != nil {
			place.Close()
		}
	}
	if err != nil {
		return nil, leave, farewell{4004, "Tunnel setup failed: " + string(live.FailureOf(err))}
	}
	return place, leave, nil
}

func (h *Handlers) tunnelIdentity(ctx context.Context, who *caller.Caller, entryID int64, given string) (int64, error) {
	var named *int64
	if given != "" {
		id, _ := strconv.ParseInt(given, 10, 64) // what is none is unknown
		named = &id
	}
	id, err := h.identity(ctx, who, entryID, named)
	if errors.Is(err, errNoIdentity) {
		return 0, noIdentity
	}
	return id, err
}

// receive passes on what the client sends, and hears when it goes.
func (t *tunnel) receive(ctx context.Context) {
	buffer := make([]byte, chunk)
	for {
		// Past the limit for messages: how many a tunnel needs is not to be known.
		kind, message, err := t.conn.Reader(context.Background())
		if err != nil {
			t.end(gone)
			return
		}
		select {
		case <-t.opened:
		case <-ctx.Done():
			return
		}
		if kind == websocket.MessageText {
			err = t.text(ctx, message)
		} else {
			err = t.pass(message, buffer)
		}
		switch {
		case errors.Is(err, errRemote):
			// What is still to come from there has its end; until then, this is for nobody.
			_, err = io.Copy(io.Discard, message)
		case err == nil:
			continue
		}
		if err != nil {
			t.end(gone)
			return
		}
	}
}

// errRemote is a remote that takes nothing more.
var errRemote = errors.New("the other end is closed")

// pass copies one message.
func (t *tunnel) pass(message io.Reader, buffer []byte) error {
	for {
		n, err := message.Read(buffer)
		if n > 0 {
			t.stalled.Add(1)
			_, failed := t.remote.Write(buffer[:n])
			t.stalled.Add(-1)
			t.moved.Add(1)
			if failed != nil {
				return errRemote
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// text answers what is a ping, and passes on all else.
func (t *tunnel) text(ctx context.Context, message io.Reader) error {
	text, err := io.ReadAll(message)
	if err != nil {
		return err
	}
	var said struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(text, &said) == nil && said.Type == "ping" {
		return t.write(ctx, websocket.MessageText, []byte(`{"type":"pong"}`))
	}
	return t.pass(strings.NewReader(string(text)), make([]byte, chunk))
}

func (t *tunnel) write(ctx context.Context, kind websocket.MessageType, frame []byte) error {
	t.stalled.Add(1)
	defer t.moved.Add(1)
	defer t.stalled.Add(-1)
	return t.conn.Write(context.WithoutCancel(ctx), kind, frame)
}

// send passes on what comes from the host until its end.
func (t *tunnel) send(ctx context.Context, h *Handlers, place *login.Channel) {
	buffer := make([]byte, chunk)
	for {
		n, err := t.remote.Read(buffer)
		if n > 0 && t.write(ctx, websocket.MessageBinary, buffer[:n]) != nil {
			t.end(gone)
			return
		}
		if err == nil {
			continue
		}
		// A login that breaks looks like the end of what was on it.
		if ctx.Err() == nil && !place.Alive(ctx) {
			h.lost(ctx)
			t.end(broken)
		}
		t.end(closed)
		return
	}
}

// ping asks the client now and then whether it is there. An answer may wait behind what is
// on its way, either way: as long as something moves, or waits to, none is missed.
func (t *tunnel) ping(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for missed := 0; missed < maxMissedPongs; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		moved := t.moved.Load()
		if t.stalled.Load() > 0 {
			continue
		}
		waiting, cancel := context.WithTimeout(ctx, interval)
		err := t.conn.Ping(waiting)
		cancel()
		if err == nil || t.stalled.Load() > 0 || t.moved.Load() != moved {
			missed = 0
		} else {
			missed++
		}
	}
	t.end(noAnswer)
}
