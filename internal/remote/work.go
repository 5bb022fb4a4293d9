package remote

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/permission"
)

const (
	// checkPause is the least time between two looks at rights, and checkTime bounds one.
	checkPause = 200 * time.Millisecond
	checkTime  = 10 * time.Second
)

// ending is why something ends that still ran.
type ending int

const (
	stopping ending = iota
	sessionEnded
	rightsLost
)

// work is what runs on a host for a caller.
type work struct {
	who     *caller.Caller
	entryID int64
	// needs is what the caller has to be permitted for as long as it runs.
	needs permission.Name
	end   func(ending)
}

// works are all that run on this server.
type works struct {
	mu     sync.Mutex
	all    map[*work]bool
	counts map[counted]int
	// look asks for a look at what callers may still do.
	look chan struct{}
}

// counted is what an account has so many of at a time.
type counted struct {
	accountID int64
	needs     permission.Name
}

func newWorks() *works {
	return &works{all: map[*work]bool{}, counts: map[counted]int{}, look: make(chan struct{}, 1)}
}

// begin counts work in until leave is called, unless the account has so many already.
// What the caller has lost since its request came is found out then.
func (w *works) begin(one *work, most int) (leave func(), ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	of := counted{one.who.AccountID, one.needs}
	if w.counts[of] >= most {
		return nil, false
	}
	w.counts[of]++
	w.all[one] = true
	w.wake()
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, one)
		if w.counts[of]--; w.counts[of] == 0 {
			delete(w.counts, of)
		}
	}, true
}

func (w *works) wake() {
	select {
	case w.look <- struct{}{}:
	default: // somebody has asked
	}
}

func (w *works) running() []*work {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]*work, 0, len(w.all))
	for one := range w.all {
		all = append(all, one)
	}
	return all
}

// Run ends what its caller may not do any more, until the context ends; then it ends
// all.
func (h *Handlers) Run(ctx context.Context) {
	for {
		select {
		case <-h.works.look:
		case <-ctx.Done():
			for _, one := range h.works.running() {
				one.end(stopping)
			}
			return
		}
		if err := h.check(ctx); err != nil && ctx.Err() == nil {
			h.log.WarnContext(ctx, "look after the rights of what runs on hosts", "error", err)
		}
		select {
		case <-time.After(checkPause):
		case <-ctx.Done():
		}
	}
}

// lost tells the end of a login that has ended with its session from others.
func (h *Handlers) lost(ctx context.Context) {
	if err := h.check(ctx); err != nil {
		h.log.WarnContext(ctx, "look after the rights of what ran on a host", "error", err)
	}
}

// check ends what has lost its ground, all by a few statements.
func (h *Handlers) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	running := h.works.running()
	if len(running) == 0 {
		return nil
	}
	var accounts, sessions, keys, entries []int64
	for _, one := range running {
		accounts, entries = append(accounts, one.who.AccountID), append(entries, one.entryID)
		sessions, keys = append(sessions, one.who.SessionID), append(keys, one.who.APIKeyID)
	}
	callers, held, err := caller.FindByAccount(ctx, h.queries, accounts, sessions, h.sessionIdleDays)
	if err != nil {
		return err
	}
	heldKeys, err := h.queries.ListHeldAPIKeys(ctx, keys)
	if err != nil {
		return err
	}
	rows, err := h.queries.ListEntryScopes(ctx, entries)
	if err != nil {
		return err
	}
	scopes := make(map[int64]int64, len(rows))
	for _, row := range rows {
		scopes[row.ID] = row.Scope
	}
	for _, one := range running {
		who := callers[one.who.AccountID]
		scope, there := scopes[one.entryID]
		switch {
		case who == nil, one.who.SessionID != 0 && !held[one.who.SessionID], one.who.APIKeyID != 0 && !slices.Contains(heldKeys, one.who.APIKeyID):
			one.end(sessionEnded)
		case !there, !slices.Contains(who.Reach, scope), who.Need(one.needs, caller.Owner(scope), errDenied, errDenied) != nil:
			one.end(rightsLost)
		}
	}
	return nil
}
