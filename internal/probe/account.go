package probe

import (
	"time"

	"github.com/nexterm-go/nexterm/gen/db"
)

// account is what the targets of owners have taken in a lane. Plans go by what they
// took the last time, which hosts do not keep to.
type account struct {
	flights map[int64]flight
	spent   map[int64]time.Duration
	// slow tells that the quick targets are through. The others are counted anew.
	slow bool
}

// flight is a probe that has not ended yet.
type flight struct {
	owner int64
	begun time.Time
}

// take has a target counted for its owner from now on.
func (a *account) take(c db.ClaimTargetsRow) {
	now := time.Now()
	if c.Slow && !a.slow {
		a.slow = true
		clear(a.spent)
		for id, f := range a.flights {
			a.flights[id] = flight{f.owner, now}
		}
	}
	a.flights[c.ID] = flight{c.Scope, now}
}

// land ends that.
func (a *account) land(f finding) {
	landed := a.flights[f.entryID]
	a.spent[landed.owner] += time.Since(landed.begun)
	delete(a.flights, f.entryID)
}

// overdrawn are the owners who have spent a share. None counts as one.
func (a *account) overdrawn(share time.Duration) []int64 {
	spent := make(map[int64]time.Duration, len(a.spent))
	for owner, took := range a.spent {
		spent[owner] = took
	}
	for _, f := range a.flights {
		spent[f.owner] += time.Since(f.begun)
	}
	owners := []int64{} // not null, which nothing is unequal to
	for owner, took := range spent {
		if took >= share {
			owners = append(owners, owner)
		}
	}
	return owners
}
