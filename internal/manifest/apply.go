package manifest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// grace is how long what is under way may take after an interruption.
const grace = 10 * time.Second

// Apply makes the changes, a few at a time, and tells how many are done. After a failure
// or an interruption it begins nothing new, but waits for what is under way: given up,
// that could still come about after the next run has looked. Whatever ends it, a new plan
// has what is left.
func (p *Plan) Apply(ctx context.Context, progress func(done int)) error {
	for _, c := range p.changes {
		c.done = make(chan struct{})
	}
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, stop) })()
	r := &run{working: working, progress: progress}
	for at := founding; at <= granting; at++ {
		var work sync.WaitGroup
		turns := make(chan struct{}, atOnce)
		for _, c := range p.changes {
			if c.phase == at {
				work.Go(func() { r.make(ctx, c, turns) })
			}
		}
		work.Wait()
	}
	made := int(r.made.Load())
	switch {
	case made == len(p.changes):
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted after %d of %d changes; run it again for the rest: %w", made, len(p.changes), ctx.Err())
	}
	return fmt.Errorf("%d of %d changes are made; run it again for the rest: %w", made, len(p.changes), errors.Join(r.failures...))
}

// run is one going over a plan. What is under way has a context of its own.
type run struct {
	working  context.Context
	progress func(done int)
	made     atomic.Int64
	mu       sync.Mutex
	failures []error
}

// make waits for what the change needs, and for its turn.
func (r *run) make(ctx context.Context, c *change, turns chan struct{}) {
	defer close(c.done)
	c.failed = true
	for _, other := range c.after {
		if <-other.done; other.failed {
			return
		}
	}
	turns <- struct{}{}
	defer func() { <-turns }()
	r.mu.Lock()
	over := len(r.failures) > 0
	r.mu.Unlock()
	if over || ctx.Err() != nil {
		return
	}
	err := c.run(r.working)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.failures = append(r.failures, fmt.Errorf("%s: %s %s: %w", show(c.place.name), c.kind, show(c.name), err))
		return
	}
	c.failed = false
	r.progress(int(r.made.Add(1)))
}
