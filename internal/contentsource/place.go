package contentsource

import (
	"context"

	"github.com/nexterm-go/nexterm/internal/caller"
)

const (
	// syncs is how many sources one server synchronizes or tries at a time, and
	// callerSyncs how many of them for one account, so that others have places too.
	syncs       = 4
	callerSyncs = 2
)

type callerSlots struct {
	slots chan struct{}
	users int
}

// enter waits for a place on this server, first for one of the caller's: what
// foreign servers send is held in memory.
func (s *Syncer) enter(ctx context.Context) (leave func(), err error) {
	id := caller.ActorFrom(ctx).AccountID
	s.mu.Lock()
	own := s.callers[id]
	if own == nil {
		own = &callerSlots{slots: make(chan struct{}, callerSyncs)}
		s.callers[id] = own
	}
	own.users++
	s.mu.Unlock()
	var held []chan struct{}
	leave = func() {
		for _, slots := range held {
			<-slots
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if own.users--; own.users == 0 {
			delete(s.callers, id)
		}
	}
	for _, slots := range []chan struct{}{own.slots, s.slots} {
		select {
		case slots <- struct{}{}:
			held = append(held, slots)
		case <-ctx.Done():
			leave()
			return nil, ctx.Err()
		}
	}
	return leave, nil
}
