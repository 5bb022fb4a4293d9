package ssh

import (
	"sync"
	"time"
)

const (
	// maxRefusals is how many logins of one owner a host may refuse in a minute:
	// whoever stores a thousand passwords is not told which one is right.
	maxRefusals = 10
	refusalTime = time.Minute
)

// refusals counts the logins that hosts have refused, in windows of a minute.
type refusals struct {
	mu     sync.Mutex
	since  time.Time
	counts map[refused]int
}

// refused is a host that has refused an owner.
type refused struct {
	owner   int64
	address string
}

// many reports whether the host is left alone for the rest of the minute.
func (r *refusals) many(host refused) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.since) > refusalTime {
		r.since, r.counts = time.Now(), map[refused]int{}
	}
	return r.counts[host] >= maxRefusals
}

func (r *refusals) add(host refused) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts != nil {
		r.counts[host]++
	}
}
