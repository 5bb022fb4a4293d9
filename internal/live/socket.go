package live

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/vault"
	"github.com/nexterm-go/nexterm/internal/ws"
)

const (
	// typingTime is how long somebody types after a key, and stirTime between two times
	// that the others are told of it.
	typingTime = 1500 * time.Millisecond
	stirTime   = 250 * time.Millisecond
)

func isMissing(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

// seat is a viewer's place at a connection.
type seat struct {
	id, node  uuid.UUID
	accountID int64
	kind      string
	writable  bool
}

// ServeTerminal shows a terminal in a socket until that is closed.
func (r *Registry) ServeTerminal(ctx context.Context, conn *ws.Conn, who *caller.Caller, parameters ws.Parameters) {
	r.serve(ctx, conn, who, parameters, "terminal", "/api/ws/term")
}

func (r *Registry) serve(ctx context.Context, conn *ws.Conn, who *caller.Caller, parameters ws.Parameters, kind, path string) {
	s, refused := r.admit(ctx, who, parameters, kind)
	if refused != nil {
		conn.End(refused.code, refused.reason)
		return
	}
	if s.node != r.Node {
		if !r.relay(ctx, conn, s.node, path, parameters) {
			r.leave(ctx, conn, who, parameters, kind)
		}
		return
	}
	l := r.find(s.id)
	v := &viewer{id: uuid.New(), accountID: s.accountID, kind: s.kind, conn: conn, live: l, timing: r.timing, writable: s.writable}
	if kind == "guac" {
		v.window = newWindow(parameters["monitor"])
	}
	if l == nil || !l.post(func() { l.attach(v) }) {
		r.leave(ctx, conn, who, parameters, kind)
		return
	}
	r.attached(v, &s.writable)
	// What it may do may have changed before it was there to be told.
	r.look()
	v.serve(l)
	l.post(func() { l.detach(v) })
	r.attached(v, nil)
}

// leave closes a socket of a connection that is not there: it may have ended just now.
func (r *Registry) leave(ctx context.Context, conn *ws.Conn, who *caller.Caller, parameters ws.Parameters, kind string) {
	_, refused := r.admit(ctx, who, parameters, kind)
	if refused == nil {
		refused = &unavailable
	}
	if kind == "sftp" {
		sayGoodbye(conn, *refused, false)
		return
	}
	conn.End(refused.code, refused.reason)
}

// attached keeps who has the connection open: a viewer that comes, with its right, or
// one that has gone.
func (r *Registry) attached(v *viewer, writable *bool) {
	r.do("store who has a connection open", func(ctx context.Context, tx *change.Tx) error {
		tx.Record(presence(v.live.ID))
		if writable == nil {
			if v.kind == kindOwner {
				if err := tx.AddConnectionDuration(ctx, v.live.ID); err != nil {
					return err
				}
			}
			return tx.DetachViewer(ctx, v.id)
		}
		viewer := db.AttachViewerParams{ViewerID: v.id, ConnectionID: v.live.ID, NodeID: r.Node, Kind: v.kind, Writable: *writable}
		if v.accountID != 0 {
			viewer.AccountID = &v.accountID
		}
		return tx.AttachViewer(ctx, viewer)
	})
}

// presence is the event of who has a connection open.
func presence(id uuid.UUID) event.Event {
	return event.Event{Action: event.ConnectionPresence, Details: event.Details{"connectionId": id.String()}}
}

// types notes that a viewer types, for the others to see for a moment.
func (l *live) types(v *viewer) {
	if len(l.viewers) < 2 {
		return
	}
	if v.typing != nil && v.typing.Stop() {
		v.typing.Reset(typingTime)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(typingTime, func() {
		l.post(func() {
			if v.typing == timer {
				v.typing = nil
				l.stir()
			}
		})
	})
	v.typing = timer
	l.stir()
}

// stir tells what viewers do and may do, now and then.
func (l *live) stir() {
	if l.stirring {
		return
	}
	l.stirring = true
	time.AfterFunc(stirTime, func() {
		l.post(func() {
			l.stirring = false
			var viewers db.UpdateViewersParams
			for _, v := range l.viewers {
				viewers.ViewerIds = append(viewers.ViewerIds, v.id)
				viewers.Writables = append(viewers.Writables, v.writable)
				viewers.Typings = append(viewers.Typings, v.typing != nil)
			}
			l.registry.work.Go(func() {
				l.registry.do("store what viewers do", func(ctx context.Context, tx *change.Tx) error {
					tx.Record(presence(l.ID))
					return tx.UpdateViewers(ctx, viewers)
				})
			})
		})
	})
}

// attach shows the connection to one more viewer.
func (l *live) attach(v *viewer) {
	if len(l.viewers) >= maxViewers {
		v.end(tooMany)
		return
	}
	l.viewers = append(l.viewers, v)
	if v.mayWrite() && (v.window == nil || l.active == nil) {
		l.active = v
	}
	if l.script != nil {
		for _, frame := range l.script.Replay() {
			v.push(frame)
		}
	}
	v.push(l.replay.Text())
	l.askViewer()
	if v.window != nil {
		l.greet(v)
	}
}

func (l *live) detach(v *viewer) {
	l.viewers = slices.DeleteFunc(l.viewers, func(other *viewer) bool { return other == v })
	if v.window != nil {
		v.window.close()
	}
	if l.active == v {
		l.active = nil
		if len(l.viewers) > 0 {
			l.active = l.viewers[len(l.viewers)-1]
		}
	}
	if l.question != nil && l.question.asked == v {
		l.question.asked = nil
		l.askViewer()
	}
}

// admit finds the place at a connection of a kind that a socket asks for, or says how
// it is refused.
func (r *Registry) admit(ctx context.Context, who *caller.Caller, parameters ws.Parameters, kind string) (*seat, *farewell) {
	switch {
	case parameters["shareId"] != "":
		return r.admitGuest(ctx, parameters["shareId"], kind)
	case who == nil:
		return nil, &farewell{ws.TokenMissing, "You need to provide the token in the 'sessionToken' parameter"}
	case parameters["joinSessionId"] != "":
		return r.admitMember(ctx, who, parameters["joinSessionId"], kind)
	case parameters["sessionId"] == "":
		return nil, &farewell{noConnection, "Session required"}
	}
	id, err := uuid.Parse(parameters["sessionId"])
	if err != nil {
		return nil, &farewell{noConnection, "Invalid session ID"}
	}
	row, err := r.Queries.GetConnectionFate(ctx, id)
	switch {
	case isMissing(err), err == nil && row.AccountID != who.AccountID:
		return nil, &notFound
	case err != nil:
		return nil, r.broken(ctx, err)
	}
	if refused := r.over(id, row); refused != nil {
		return nil, refused
	}
	if !slices.Contains(who.Reach, row.Scope) {
		return nil, &farewell{noAccess, "You don't have access to this entry"}
	}
	if row.Kind != kind {
		return nil, &farewell{wrongKind, "Unsupported: " + row.Kind}
	}
	if row.IsHibernated {
		awake := false
		r.do("resume a connection", func(ctx context.Context, tx *change.Tx) error {
			row, err := tx.UpdateConnection(ctx, db.UpdateConnectionParams{ID: id, AccountID: who.AccountID, IsHibernated: &awake})
			if err == nil {
				tx.Record(Updated(id, who.AccountID, row.OrganizationID))
			}
			return err
		})
	}
	return &seat{id, row.NodeID, who.AccountID, kindOwner, true}, nil
}

// over is how sockets of a connection that has ended are refused.
func (r *Registry) over(id uuid.UUID, row db.GetConnectionFateRow) *farewell {
	switch row.State {
	case "ended":
		return &notFound
	case "failed":
		r.shown(id)
		return &farewell{connectionFailed, row.Failure}
	}
	return nil
}

func (r *Registry) admitGuest(ctx context.Context, key, kind string) (*seat, *farewell) {
	row, err := r.Queries.GetSharedConnection(ctx, vault.HashToken(key))
	switch {
	case isMissing(err):
		return nil, &farewell{badShareLink, "Invalid share link"}
	case err != nil:
		return nil, r.broken(ctx, err)
	case row.Kind == "sftp", row.ScriptID != nil:
		return nil, &farewell{sharingRefused, "Sharing not supported"}
	case row.Kind != kind:
		return nil, &farewell{wrongKind, "Unsupported: " + row.Kind}
	}
	return &seat{row.ID, row.NodeID, 0, kindLink, row.ShareWritable}, nil
}

func (r *Registry) admitMember(ctx context.Context, who *caller.Caller, text, kind string) (*seat, *farewell) {
	id, err := uuid.Parse(text)
	if err != nil {
		return nil, &farewell{noConnection, "Invalid session ID"}
	}
	row, err := r.Queries.GetConnectionFate(ctx, id)
	switch {
	case isMissing(err):
		return nil, &notFound
	case err != nil:
		return nil, r.broken(ctx, err)
	case row.AccountID == who.AccountID:
		return nil, &farewell{ws.TokenInvalid, "You already own this session"}
	case row.OrganizationID == nil, row.IsHibernated, row.State != "connecting" && row.State != "active":
		return nil, &notFound
	}
	may := who.In(*row.OrganizationID)
	switch {
	case !may.Has(permission.OrgSessionsView):
		return nil, &notFound
	case !row.IsOffered:
		return nil, &farewell{ws.TokenInvalid, "Live session sharing is disabled for this organization"}
	case row.Kind == "sftp", row.ScriptID != nil:
		return nil, &farewell{ws.TokenInvalid, "This session type cannot be joined"}
	case row.Kind != kind:
		return nil, &farewell{wrongKind, "Unsupported: " + row.Kind}
	}
	return &seat{id, row.NodeID, who.AccountID, kindOrganization, may.Has(permission.OrgSessionsControl)}, nil
}

// broken is how sockets are closed that the database could not be asked about.
func (r *Registry) broken(ctx context.Context, err error) *farewell {
	r.Log.ErrorContext(ctx, "find the connection of a socket", "error", err)
	return &farewell{ws.TryAgainLater, "The database is not available. Please try again later."}
}
