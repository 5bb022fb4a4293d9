package remote

import (
	"sync"
	"time"
)

const (
	// stallTime is how long a client may take to read before that counts.
	stallTime = 250 * time.Millisecond
	// maxStalled are the tunnels of an account whose clients do not read, and
	// maxStalledAll those of the server: golang.org/x/crypto/ssh holds up to 2 MiB for
	// each, which the host has sent in the meantime.
	maxStalled, maxStalledAll = 64, 128
)

// stalls are the tunnels whose clients do not read.
type stalls struct {
	mu  sync.Mutex
	all map[*tunnel]time.Time
}

// begin counts a tunnel in until end, once its client has not read for a while. Where
// there are too many, the one that has waited for longest ends, of the account that has
// the most of them.
func (s *stalls) begin(t *tunnel) (end func()) {
	ended := false
	timer := time.AfterFunc(stallTime, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if ended {
			return
		}
		s.all[t] = time.Now()
		if victim := s.excess(t.accountID); victim != nil {
			delete(s.all, victim)
			victim.end(tooSlow)
			go func() { _ = victim.conn.CloseNow() }() // nobody reads why
		}
	})
	return func() {
		if timer.Stop() {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		ended = true
		delete(s.all, t)
	}
}

func (s *stalls) excess(accountID int64) (victim *tunnel) {
	counts := map[int64]int{}
	for t := range s.all {
		counts[t.accountID]++
	}
	if counts[accountID] <= maxStalled {
		if len(s.all) <= maxStalledAll {
			return nil
		}
		for id, n := range counts {
			if n > counts[accountID] {
				accountID = id
			}
		}
	}
	for t, since := range s.all {
		if t.accountID == accountID && (victim == nil || since.Before(s.all[victim])) {
			victim = t
		}
	}
	return victim
}
