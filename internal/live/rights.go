package live

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/login"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/ws"
)

const (
	// reviewTime is how often it is looked at who may still do what, without a reason;
	// reviewDelay collects the reasons of a burst.
	reviewTime  = time.Minute
	reviewDelay = 50 * time.Millisecond
	// beatTime is how often this server says that it runs, and maxMissed how often it may
	// fail to before that is worth a word. After maxBesides beats beside others that
	// cannot reach it, this server says so.
	beatTime   = 5 * time.Second
	maxMissed  = 3
	maxBesides = 6
)

// Announced is closed when this server has said that it runs, or tried to: before that,
// others take what it holds for lost.
func (r *Registry) Announced() <-chan struct{} { return r.announced }

// Run keeps connections to what their accounts may do until the context ends. Then
// it ends them all.
func (r *Registry) Run(ctx context.Context) {
	r.beat(ctx)
	close(r.announced)
	var watching sync.WaitGroup
	watching.Go(func() { r.Events.Follow(ctx, r.hear) })
	r.watch(ctx)
	watching.Wait()
	r.mu.Lock()
	r.closing = true
	r.mu.Unlock()
	leaving := farewell{ws.GoingAway, ws.ShuttingDown}
	for _, l := range r.all() {
		l.post(func() { l.end(ending{owner: leaving, others: leaving}) })
	}
	r.work.Wait()
	r.logins.Close()
	r.do("store that this server has stopped", func(ctx context.Context, tx *change.Tx) error { return tx.DeleteNode(ctx, r.Node) })
}

// watch does what is due now and then.
func (r *Registry) watch(ctx context.Context) {
	beat, review := time.NewTicker(beatTime), time.NewTicker(reviewTime)
	defer beat.Stop()
	defer review.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			r.beat(ctx)
		case <-review.C:
			r.review(ctx)
			r.touch(ctx)
		case <-r.check:
			select {
			case <-time.After(reviewDelay):
			case <-ctx.Done():
				return
			}
			r.review(ctx)
		}
	}
}

// beat says that this server runs, and fails what servers held that do not any more.
func (r *Registry) beat(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	node := db.TouchNodeParams{ID: r.Node}
	if r.URL != "" {
		node.URL = &r.URL
	}
	var others int64
	err := r.Changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		if others, err = tx.TouchNode(ctx, node); err != nil {
			return err
		}
		lost, err := tx.FailLostConnections(ctx)
		for _, c := range lost {
			tx.Record(Ended(c.ID, c.AccountID, c.OrganizationID))
		}
		return err
	})
	if err == nil {
		r.missed = 0
		r.warnUnreachable(ctx, others)
		return
	}
	if r.missed++; r.missed == maxMissed {
		r.Log.WarnContext(ctx, "the other servers take this one for dead soon", "error", err)
	}
}

// warnUnreachable says once that sockets which arrive at the other servers do not find
// this one; not at once, as a server that replaces another sees it for a while.
func (r *Registry) warnUnreachable(ctx context.Context, others int64) {
	if others == 0 || r.URL != "" {
		r.besides = 0
		return
	}
	if r.besides++; r.besides == maxBesides {
		r.Log.WarnContext(ctx, "other servers share the database and cannot reach the live connections of this one: set NODE_URL")
	}
}

// touch stores which connections have been used.
func (r *Registry) touch(ctx context.Context) {
	var ids []uuid.UUID
	for _, l := range r.all() {
		used := false
		if l.await(func() { used, l.touched = l.touched, false }) && used {
			ids = append(ids, l.ID)
		}
	}
	if len(ids) == 0 {
		return
	}
	err := r.Changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error { return tx.TouchConnections(ctx, ids) })
	if err != nil && ctx.Err() == nil {
		r.Log.WarnContext(ctx, "store which connections are used", "error", err)
	}
}

// concerning are the categories of events that may take rights away.
var concerning = []string{"account", "api_key", "connection", "entry", "folder_mgmt", "group", "impersonation", "organization", "session"}

// indifferent are those of them that come often and take nothing away.
var indifferent = []event.Action{event.ConnectionPresence, event.EntryOnline, event.EntryOffline, event.EntryStatuses, event.EntryUnchecked}

// hear reads events.
func (r *Registry) hear(events []event.Committed, missed bool) {
	look := missed
	for _, e := range events {
		for _, session := range e.EndedSessions {
			r.revoke(session, 0)
			look = true
		}
		if e.Action == event.APIKeyDelete {
			r.revoke(0, e.ResourceID)
		}
		if became := text(e.Details["hostKey"]); became != "" && became != "changed" {
			port, _ := e.Details["port"].(float64)
			r.logins.Retire(int64(e.Owner), text(e.Details["via"]), net.JoinHostPort(text(e.Details["host"]), strconv.Itoa(int(port))))
			continue
		}
		look = look || slices.Contains(concerning, e.Action.Category()) && !slices.Contains(indifferent, e.Action)
	}
	if look {
		r.look()
	}
}

// revoke ends what a login session or an API key has opened, and only then the logins
// below that.
func (r *Registry) revoke(sessionID, apiKeyID int64) {
	for _, l := range r.all() {
		if l.SessionID == sessionID && l.APIKeyID == apiKeyID {
			l.await(func() { l.dismiss(farewell{ws.SessionEnded, "Session invalidated"}) }) // else sockets could say that the host is lost
		}
	}
	r.logins.End(func(key login.Key) bool { return key.SessionID == sessionID && key.APIKeyID == apiKeyID })
}

// look asks for a review.
func (r *Registry) look() {
	select {
	case r.check <- struct{}{}:
	default: // there will be one
	}
}

func text(detail any) string {
	said, _ := detail.(string)
	return said
}

// review ends connections and closes viewers that have lost the right to be there.
func (r *Registry) review(ctx context.Context) {
	for _, f := range r.reviewed {
		f()
	}
	all := r.all()
	if len(all) == 0 {
		return
	}
	ids := make([]uuid.UUID, 0, len(all))
	var accounts, sessions []int64
	for _, l := range all {
		ids, accounts, sessions = append(ids, l.ID), append(accounts, l.AccountID), append(sessions, l.SessionID)
		l.await(func() {
			for _, v := range l.viewers {
				v.asked = true
				accounts = append(accounts, v.accountID)
			}
		})
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	rows, err := r.Queries.ListLiveConnections(ctx, db.ListLiveConnectionsParams{NodeID: r.Node, Ids: ids})
	if err == nil {
		callers, held, found := caller.FindByAccount(ctx, r.Queries, accounts, sessions, r.SessionIdleDays)
		if err = found; err == nil {
			for _, l := range all {
				i := slices.IndexFunc(rows, func(row db.ListLiveConnectionsRow) bool { return row.ID == l.ID })
				var row *db.ListLiveConnectionsRow
				if i >= 0 {
					row = &rows[i]
				}
				l.post(func() { l.hold(row, callers, held) })
			}
		}
	}
	if err != nil && ctx.Err() == nil {
		r.Log.WarnContext(ctx, "look at who may keep connections", "error", err)
	}
}

// Permission is what an account needs to have a connection of a kind and protocol.
func Permission(kind, protocol string) permission.Name {
	switch {
	case kind == "sftp":
		return permission.FilesView
	case protocol == "rdp":
		return permission.ConnectRDP
	case protocol == "vnc", protocol == "demo":
		return permission.ConnectVNC
	case strings.HasPrefix(protocol, "pve-"):
		return permission.ConnectProxmox
	}
	return permission.ConnectSSH
}

// hold takes how things stand by now; a row that is gone went with its account or its
// entry.
func (l *live) hold(row *db.ListLiveConnectionsRow, callers map[int64]*caller.Caller, held map[int64]bool) {
	who := callers[l.AccountID]
	switch {
	case who == nil, l.SessionID != 0 && !held[l.SessionID], row != nil && row.SessionID == 0 && !row.HasKey:
		l.dismiss(farewell{ws.SessionEnded, "Session invalidated"})
		return
	case row == nil, !slices.Contains(who.Reach, row.Scope),
		// What may be done with files is looked at each time.
		l.Kind != "sftp" && who.Need(Permission(l.Kind, l.Protocol), caller.Owner(row.Scope), errNo, errNo) != nil:
		l.dismiss(farewell{noAccess, "You don't have access to this entry"})
		return
	case row.State == "ended":
		l.end(terminated(true))
		return
	case row.State == "failed": // others have taken this server for dead
		f := farewell{connectionFailed, row.Failure}
		l.end(ending{owner: f, others: f, isStored: true})
		return
	}
	if l.hibernated && !row.IsHibernated {
		l.use()
	}
	l.hibernated = row.IsHibernated
	for _, v := range l.viewers {
		before := v.writable
		if !v.asked {
			continue // it has come since, by what is newer, and has been asked about
		}
		if v.hold(row, callers); v.writable != before {
			l.stir()
		}
	}
}

// dismiss ends a connection that its account has no right to any more.
func (l *live) dismiss(f farewell) {
	l.end(ending{owner: f, others: farewell{sharingEnded, "Session terminated"}})
}

// hold takes what a viewer may do by now.
func (v *viewer) hold(row *db.ListLiveConnectionsRow, callers map[int64]*caller.Caller) {
	switch v.kind {
	case kindLink:
		v.writable = row.ShareWritable
		if !row.IsShared || !row.MayBeShared {
			v.end(farewell{sharingEnded, "Sharing stopped"})
		}
	case kindOrganization:
		who := callers[v.accountID]
		switch {
		case !row.IsOffered:
			v.end(farewell{sharingEnded, "Live session sharing disabled"})
		case who == nil, !who.In(-row.Scope).Has(permission.OrgSessionsView), !who.Member(-row.Scope) && !who.ManagesAll():
			v.end(farewell{sharingEnded, "Session terminated"})
		default:
			v.writable = who.In(-row.Scope).Has(permission.OrgSessionsControl)
		}
	}
}
