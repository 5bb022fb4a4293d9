package ssh

import (
	"sync"
	"time"
)

const (
	// maxRefusals is how many logins of one owner a host may refuse in a minute:
	// whoever stores a thousand passwords is not told which one is right.
	maxRefusals = 10
	// maxDials is how often one address is dialled for an owner in a minute, but for
	// those times that lead to a login: as often as the shortest cycles reach a few
	// thousand hosts behind it, and not as often as twenty thousand entries would.
	maxDials  = 20_000
	tallyTime = time.Minute
)

// tally counts what hosts are bothered with, in windows of a minute.
type tally struct {
	mu     sync.Mutex
	since  time.Time
	counts map[bothered]int
}

// bothered is a host, and for whom.
type bothered struct {
	owner   int64
	address string
}

// add counts so many more, or fewer, and returns how many there are now.
func (t *tally) add(host bothered, more int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.since) > tallyTime {
		t.since, t.counts = time.Now(), map[bothered]int{}
	}
	t.counts[host] += more
	return t.counts[host]
}
