package ratelimit

import (
	"context"
	"sync"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/turn"
)

// atATime bounds the attempts of a subject that are under way in this process.
// They take places in the window until it is known how they end, so that few
// leave room for those of other processes.
const atATime = 4

// Queue is for attempts that count only if they fail. One that finds the window
// used up by those under way waits for these instead of being refused, first come
// first served.
type Queue struct {
	counting turn.Lines[string]

	mu       sync.Mutex
	underWay map[string]*attempts
}

// attempts are those of a subject that are under way, at least one.
type attempts struct {
	count int
	// ended tells whoever counts next.
	ended chan struct{}
}

// NewQueue returns an empty queue.
func NewQueue() *Queue {
	return &Queue{counting: turn.Lines[string]{Most: 1}, underWay: map[string]*attempts{}}
}

// Count is the limit's, in turn. An attempt that is not refused is under way until
// end is called, by when it is handed back or counts.
func (w *Queue) Count(ctx context.Context, q *db.Queries, l Limit, subject string) (standing Standing, end func(), err error) {
	next, err := w.counting.Enter(ctx, subject)
	if err != nil {
		return Standing{}, nil, err
	}
	defer next()
	for {
		// Looked up before counting: what ends meanwhile is waited for all the same,
		// which is over at once.
		others, count := w.others(subject)
		if count < atATime {
			standing, err = l.Count(ctx, q, subject)
			if err != nil || count == 0 && standing.refused {
				return standing, nil, err
			}
			if !standing.refused {
				w.begin(subject)
				return standing, func() { w.end(subject) }, nil
			}
		}
		select {
		case <-others:
		case <-ctx.Done():
			return Standing{}, nil, ctx.Err()
		}
	}
}

func (w *Queue) others(subject string) (ended <-chan struct{}, count int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.underWay[subject]; a != nil {
		return a.ended, a.count
	}
	return nil, 0
}

func (w *Queue) begin(subject string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.underWay[subject] == nil {
		w.underWay[subject] = &attempts{ended: make(chan struct{}, 1)}
	}
	w.underWay[subject].count++
}

func (w *Queue) end(subject string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.underWay[subject]
	if a.count--; a.count == 0 {
		delete(w.underWay, subject)
	}
	select {
	case a.ended <- struct{}{}:
	default: // told already
	}
}
