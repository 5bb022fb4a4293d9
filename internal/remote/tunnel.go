package remote

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coder/websocket"

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
	// maxMessage bounds a client's frame, in bytes.
	maxMessage = 1 << 20
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
	tooSlow      = farewell{ws.PolicyViolation, "Messages are not read fast enough"}
	// gone is for peers that nothing can be said to any more.
	gone = farewell{websocket.StatusNormalClosure, ""}
)

var farewells = map[ending]farewell{stopping: goingAway, sessionEnded: loggedOut, rightsLost: notPermitted}

// tunnel is one socket, and the connection at the other end of its host.
type tunnel struct {
	accountID int64
	conn      *ws.Conn
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
	t := &tunnel{accountID: who.AccountID, conn: conn, end: end, opened: make(chan struct{})}
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
	row, err := h.queries.GetConnectionEntry(ctx, db.GetConnectionEntryParams{ID: entryID, Reach: who.Reach})
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
	if place, err = h.open(ctx, who, entryID, identityID, nil); err == nil {
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
	id, err := h.live.Identity(ctx, who, entryID, named)
	if errors.Is(err, live.ErrNoIdentity) {
		return 0, noIdentity
	}
	return id, err
}
