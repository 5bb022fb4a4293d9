package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/turn"
)

// turns are what one account may have under way at a time on this server. They are
// taken before the body is read and the database asked, so that those who wait
// cost little; half of the database's connections stay for others even when two
// accounts take all that they may.
type turns struct {
	writes, largeReads turn.Lines[int64]
}

func newTurns() turns {
	return turns{writes: turn.Lines[int64]{Most: 4}, largeReads: turn.Lines[int64]{Most: 2}}
}

// lines are those that the operation takes a turn of, nil for none.
func (t *turns) lines(o operation) *turn.Lines[int64] {
	switch {
	case o.public || o.websocket || o.ownTurns || o.stream:
		return nil
	case o.method != http.MethodGet:
		return &t.writes
	case o.large:
		return &t.largeReads
	}
	return nil
}

// take waits for a turn of the caller's. A wait that lasts as long as the operation
// may take is refused.
func (t *turns) take(ctx context.Context, o operation) (leave func(), err error) {
	lines := t.lines(o)
	if lines == nil {
		return func() {}, nil
	}
	leave, err = lines.Enter(ctx, caller.From(ctx).AccountID)
	if err == nil || !errors.Is(context.Cause(ctx), errTooSlow) {
		return leave, err
	}
	return nil, fail.TooManyAtATime("Too many requests at a time. Please try again later.", lines.Most, o.timeout)
}
