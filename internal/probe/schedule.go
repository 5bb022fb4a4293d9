package probe

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
)

const (
	// lookTime is how often each server looks whether something is due: settings may
	// have changed.
	lookTime = time.Second
	// leaseTime is how long a lane counts as alive that is not heard of, graceTime how
	// long it may take to begin.
	leaseTime = 3 * time.Second
	graceTime = 5 * time.Second
	// lateTime is how long a start waits for lanes that may be dead. One that comes
	// after such a part of the interval or less keeps to the schedule.
	lateTime = 5 * time.Second
	latePart = 10
	// slowTime is what quick targets have taken at most, and newTime what a new one is
	// expected to take.
	slowTime = time.Second
	newTime  = time.Second
)

// cycle is how a service stands.
type cycle db.ListCyclesRow

func (c cycle) interval() time.Duration { return time.Duration(c.Seconds) * time.Second }

// running reports whether a lane has not ended yet; it may be dead.
func (c cycle) running() bool { return c.LeasedUntil.Unix() != 0 }

func (c cycle) dead() bool { return c.running() && c.LeasedUntil.Before(c.ReadAt) }

// due is when the next cycle has to start.
func (c cycle) due() time.Time {
	if c.SlotAt == nil {
		return c.ReadAt
	}
	return c.SlotAt.Add(c.interval())
}

// slot is the latest time at which a start was due. Starts keep to their schedule,
// however late some of them are.
func (c cycle) slot() time.Time {
	late := c.ReadAt.Sub(c.due())
	return c.due().Add(late - late%c.interval())
}

// step is what a server does about a cycle.
type step int

const (
	wait step = iota
	start
	skip
	forget
)

// next decides. A cycle that runs on when the next one has been due for a while lets
// that be left out; one whose lanes are dead does not.
func (c cycle) next() step {
	switch {
	case !c.Enabled && c.SlotAt != nil:
		return forget
	case !c.Enabled, c.ReadAt.Before(c.due()):
		return wait
	case c.dead():
		return start
	case c.running() && c.SlotAt == nil:
		return wait
	case c.running() && c.ReadAt.Before(c.due().Add(lateTime)):
		return wait
	case c.running():
		return skip
	case c.SlotAt != nil && c.EndedAt != nil && c.EndedAt.After(c.due().Add(min(c.interval()/latePart, lateTime))):
		return skip
	}
	return start
}

// schedule does what is due and returns how long until the next look.
func (p *Prober) schedule(ctx context.Context, jobs *river.Client[pgx.Tx]) (time.Duration, error) {
	rows, err := p.queries.ListCycles(ctx)
	if err != nil {
		return lookTime, err
	}
	pause := lookTime
	for _, row := range rows {
		c := cycle(row)
		if c.next() != wait {
			err = errors.Join(err, p.advance(ctx, jobs, c))
		} else if left := c.due().Sub(c.ReadAt); c.Enabled && left > 0 {
			pause = min(pause, left)
		}
	}
	return pause, err
}

// advance decides anew with the cycle to itself, because every server does so, and
// does it.
func (p *Prober) advance(ctx context.Context, jobs *river.Client[pgx.Tx], c cycle) error {
	ctx = caller.WithActor(ctx, caller.ByJob)
	var lanes []river.InsertManyParams
	var outcomes []string
	var postponed int32
	err := p.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		lanes, outcomes, postponed = nil, nil, 0
		if err := tx.LockCycle(ctx, c.Service); err != nil {
			return err
		}
		rows, err := tx.ListCycles(ctx)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if row.Service == c.Service {
				c = cycle(row)
			}
		}
		switch c.next() {
		case forget:
			return tx.SkipCycle(ctx, db.SkipCycleParams{Service: c.Service})
		case skip:
			slot := c.slot()
			outcomes = []string{"skipped"}
			return tx.SkipCycle(ctx, db.SkipCycleParams{Service: c.Service, SlotAt: &slot})
		case start:
			if outcomes = []string{"started"}; c.dead() {
				outcomes = append(outcomes, "abandoned")
			}
			lanes, postponed, err = c.plan(ctx, tx)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, outcome := range outcomes {
		p.cycles.WithLabelValues(c.Service, outcome).Inc()
	}
	p.left.WithLabelValues(c.Service).Add(float64(postponed))
	if len(lanes) == 0 {
		return nil
	}
	// Without its jobs, should this fail, the cycle counts as dead shortly.
	_, err = jobs.InsertMany(ctx, lanes)
	return err
}

// plan stores a new cycle and returns its lanes, and how many targets wait for a
// later one.
func (c cycle) plan(ctx context.Context, tx *change.Tx) (lanes []river.InsertManyParams, postponed int32, err error) {
	if err := tx.DeleteLanes(ctx, c.Service); err != nil {
		return nil, 0, err
	}
	if err := tx.DeleteBatches(ctx, c.Service); err != nil {
		return nil, 0, err
	}
	planned, err := tx.PlanCycle(ctx, db.PlanCycleParams{
		Service: c.Service, SlowMs: int32(slowTime.Milliseconds()), NewMs: int32(newTime.Milliseconds()),
		BudgetMs: int64(c.BatchSize) * c.interval().Milliseconds(),
	})
	if err != nil {
		return nil, 0, err
	}
	number, err := tx.StartCycle(ctx, db.StartCycleParams{
		// Quick targets and slow ones have an interval each.
		Service: c.Service, SlotAt: c.slot(), Total: planned.Total, Quick: planned.Quick, SpanSecs: 2 * c.interval().Seconds(),
	})
	if err != nil || planned.Total == 0 {
		return nil, 0, err
	}
	count := min(maxLanes, c.BatchSize, (planned.Total+c.BatchSize-1)/c.BatchSize)
	share := planned.ShareMs / int64(count)
	if planned.Owners == 1 {
		share = math.MaxInt32 // there is nobody to leave something for
	}
	lanes = make([]river.InsertManyParams, count)
	for i := range lanes {
		lanes[i].Args = Lane{
			Service: c.Service, Number: number, Lane: int32(i) + 1, Share: share,
			// Places that do not come out even are the first lanes'.
			Places: (c.BatchSize + count - 1 - int32(i)) / count,
			Limit:  c.ConnectionTimeout, Interval: c.Seconds, Late: c.ReadAt.Sub(c.slot()).Milliseconds(),
		}
	}
	return lanes, planned.Known - planned.Total, tx.CreateLanes(ctx, db.CreateLanesParams{
		Service: c.Service, Number: number, Lanes: count, GraceSecs: graceTime.Seconds(),
	})
}
