// Package turn owns letting only so much of one kind go on at a time in this
// process. It does not know what that is.
package turn

import (
	"context"
	"sync"
)

// Lines give each key, as an account, so many turns at a time. Who comes later
// waits, first come first served, and keys do not wait for each other.
type Lines[K comparable] struct {
	// Most are the turns of one key at a time.
	Most int

	mu    sync.Mutex
	lines map[K]*line
}

// line is there as long as somebody is in it.
type line struct {
	turns chan struct{}
	users int
}

// Enter waits for a turn of the key, which lasts until leave is called. The end of
// the context ends the wait.
func (l *Lines[K]) Enter(ctx context.Context, key K) (leave func(), err error) {
	l.mu.Lock()
	if l.lines == nil {
		l.lines = map[K]*line{}
	}
	own := l.lines[key]
	if own == nil {
		own = &line{turns: make(chan struct{}, l.Most)}
		l.lines[key] = own
	}
	own.users++
	l.mu.Unlock()
	select {
	case own.turns <- struct{}{}:
		return func() { <-own.turns; l.part(key, own) }, nil
	case <-ctx.Done():
		l.part(key, own)
		return nil, ctx.Err()
	}
}

func (l *Lines[K]) part(key K, own *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(l.lines, key)
	}
}
