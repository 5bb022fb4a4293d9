package live

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/vault"
	"github.com/nexterm-go/nexterm/internal/ws"
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
	s := r.place(ctx, conn, who, parameters, kind, path)
	if s == nil {
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

// place finds the seat that a socket asks for. One that has none here is closed, or served
// by another server.
func (r *Registry) place(ctx context.Context, conn *ws.Conn, who *caller.Caller, parameters ws.Parameters, kind, path string) *seat {
	s, refused := r.admit(ctx, who, parameters, kind)
	switch {
	case refused != nil:
		refuse(conn, *refused, kind)
	case s.node == r.Node:
		return s
	case !r.relay(ctx, conn, s.node, path, parameters):
		r.leave(ctx, conn, who, parameters, kind)
	}
	return nil
}

// refuse closes a socket that nothing has been shown in.
func refuse(conn *ws.Conn, f farewell, kind string) {
	if kind == "sftp" {
		sayGoodbye(conn, f, false)
		return
	}
	conn.End(f.code, f.reason)
}

// leave closes a socket of a connection that is not there: it may have ended just now.
func (r *Registry) leave(ctx context.Context, conn *ws.Conn, who *caller.Caller, parameters ws.Parameters, kind string) {
	_, refused := r.admit(ctx, who, parameters, kind)
	if refused == nil {
		refused = &unavailable
	}
	refuse(conn, *refused, kind)
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
			organizationID, err := tx.UpdateConnection(ctx, db.UpdateConnectionParams{ID: id, AccountID: who.AccountID, IsHibernated: &awake})
			if err == nil {
				tx.Record(Updated(id, who.AccountID, organizationID))
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
