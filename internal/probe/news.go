package probe

import (
	"sync"

	"golang.org/x/time/rate"
)

const (
	// newsRate and newsBurst bound how many hosts of an owner are told to be up or
	// down, one by one: as many as there can be at once, and a few in a second. Hosts
	// that come and go with each cycle are told together above that.
	newsRate  = 5
	newsBurst = 20_000
)

// news is how much has been told of the owners' hosts.
type news struct {
	burst  int
	mu     sync.Mutex
	owners map[int64]limits
}

// limits are those of one owner.
type limits struct{ single, together *rate.Limiter }

func (n *news) of(owner int64) limits {
	n.mu.Lock()
	defer n.mu.Unlock()
	own, known := n.owners[owner]
	if !known {
		own = limits{single: rate.NewLimiter(newsRate, n.burst), together: rate.NewLimiter(1, 1)}
		n.owners[owner] = own
	}
	return own
}
