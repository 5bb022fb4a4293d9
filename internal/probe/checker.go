package probe

import (
	"context"
	"errors"
	"strings"
	"syscall"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/target"
)

const (
	online  = "online"
	offline = "offline"
	failing = "error"
)

// What the checker says besides a status: that it cannot tell, so that what was
// known stays, and that nobody can.
const (
	undecided = ""
	unknown   = "unknown"
)

// checker finds out whether hosts take connections. It sends nothing to them.
type checker struct{ *Prober }

func (checker) name() string { return "status" }

func (c checker) load(ctx context.Context, ids []int64) ([]probe, error) {
	targets, sightings, err := c.targets(ctx, ids, false)
	if err != nil {
		return nil, err
	}
	probes := make([]probe, len(targets))
	for i, t := range targets {
		probes[i] = probe{t.EntryID, func(ctx context.Context) any {
			defer c.save(ctx, sightings)
			status := c.check(ctx, t)
			c.results.WithLabelValues(c.name(), status, "").Inc()
			return status
		}}
	}
	return probes, nil
}

func (c checker) check(ctx context.Context, t target.Target) string {
	switch {
	case strings.HasPrefix(t.Type, "pve-"):
		return offline // they are behind integrations, which there are none of
	case t.Protocol == "demo":
		return online
	case t.Problem == nil:
	case t.Problem.Hop > 0:
		return undecided
	case t.Problem.Reason == target.OtherEngine:
		return unknown
	default:
		return offline
	}
	err := c.dialer.Reach(ctx, t.Way)
	var hop *ssh.HopError
	switch {
	case err == nil:
		return online
	case errors.As(err, &hop), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EMFILE), errors.Is(err, ssh.ErrTooOften):
		return undecided // that is about the way, or about this server
	case errors.Is(err, ssh.ErrDenied):
		return unknown
	}
	return offline
}

func (c checker) store(ctx context.Context, tx *change.Tx, found []finding) error {
	var checks db.StoreChecksParams
	for _, f := range found {
		status, _ := f.result.(string)
		checks.EntryIds = append(checks.EntryIds, f.entryID)
		checks.Statuses = append(checks.Statuses, status)
		checks.Ages = append(checks.Ages, f.ageMilliseconds())
		checks.Took = append(checks.Took, f.tookMilliseconds())
	}
	changed, err := tx.StoreChecks(ctx, checks)
	untold := map[int64]bool{}
	for _, e := range changed {
		if !c.news.of(e.Scope).single.Allow() {
			untold[e.Scope] = true
			continue
		}
		action := event.EntryOffline
		if e.Status == online {
			action = event.EntryOnline
		}
		tx.Record(event.Event{
			Action: action, Owner: caller.Owner(e.Scope), ResourceID: e.ID, Details: event.Details{"name": e.Name, "status": e.Status},
		})
	}
	for owner := range untold {
		if c.news.of(owner).together.Allow() {
			tx.Record(event.Event{Action: event.EntryStatuses, Owner: caller.Owner(owner)})
		}
	}
	return err
}
