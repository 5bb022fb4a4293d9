package probe

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
)

const (
	// beat is how often a lane stores what it has found and renews its lease.
	beat = time.Second
	// gatherTime is how long a free place waits for others, and gatherPart of the time
	// that its probe took: each time that places are filled again is a transaction.
	gatherTime = 20 * time.Millisecond
	gatherPart = 10
	// storeTime bounds the last of it when the server stops.
	storeTime = 5 * time.Second
	// most of the interval over which the first probes of a cycle are spread, and most
	// of the time.
	spreadPart = 20
	spreadTime = 500 * time.Millisecond
)

// errGivenUp ends a lane whose cycle another one has followed.
var errGivenUp = errors.New("the cycle has been given up")

// Lane is the job of working on a cycle, beside its other lanes.
type Lane struct {
	Service string `json:"service"`
	Number  int64  `json:"number"`
	Lane    int32  `json:"lane"`
	// Places are the targets that it has in flight at most.
	Places int32 `json:"places"`
	// Limit is what each target may take, and Interval what is between two cycles, in
	// seconds.
	Limit    int32 `json:"limit"`
	Interval int32 `json:"interval"`
	// Late is how many milliseconds after its time the cycle has begun.
	Late int64 `json:"late"`
	// Share is how many milliseconds the quick targets of an owner may take here, and
	// the others.
	Share int64 `json:"share"`
}

// Kind names the job in the database.
func (Lane) Kind() string { return "probe_lane" }

// InsertOpts try a lane once: the next cycle mends what it leaves.
func (Lane) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: queue, MaxAttempts: 1} }

func (l Lane) limit() time.Duration { return time.Duration(l.Limit) * time.Second }

type laneWorker struct {
	river.WorkerDefaults[Lane]
	prober *Prober
}

// Timeout leaves a lane all that the cycle may take.
func (w *laneWorker) Timeout(job *river.Job[Lane]) time.Duration {
	return 2*time.Duration(job.Args.Interval)*time.Second + job.Args.limit() + time.Minute
}

func (w *laneWorker) Work(ctx context.Context, job *river.Job[Lane]) error {
	w.prober.waited.WithLabelValues(job.Args.Service).Observe(time.Since(job.CreatedAt).Seconds())
	for _, s := range w.prober.services {
		if s.name() == job.Args.Service {
			err := (&lane{
				Lane: job.Args, Prober: w.prober, service: s, account: account{flights: map[int64]flight{}, spent: map[int64]time.Duration{}},
				next: time.Now().Add(time.Duration(job.Args.Interval)*time.Second - time.Duration(job.Args.Late)*time.Millisecond),
			}).work(ctx)
			if errors.Is(err, errGivenUp) {
				return nil
			}
			return err
		}
	}
	return nil // of a version that has more
}

// lane is a running one.
type lane struct {
	Lane
	*Prober
	service service
	// next is when the next cycle is due.
	next time.Time
	account
}

// work claims targets as places are free, until there are none.
func (l *lane) work(ctx context.Context) error {
	probing, cancel := context.WithCancel(ctx)
	var probes sync.WaitGroup
	defer probes.Wait()
	defer cancel()
	var (
		found  = make(chan finding, l.Places)
		kept   []finding
		flying int32
		more   = true
		spread = min(time.Duration(l.Interval)*time.Second/spreadPart, spreadTime)
		ticks  = time.NewTicker(beat)
		stored = time.Now()
	)
	defer ticks.Stop()
	for more || flying > 0 {
		var free int32
		if more {
			free = l.Places - flying
		}
		// Claims come as quickly as hosts answer. Readers are not told that often.
		var due []finding
		if time.Since(stored) > beat/2 {
			due, kept, stored = kept, nil, time.Now()
		}
		targets, left, err := l.step(ctx, due, free)
		if err != nil {
			return err
		}
		more = more && left
		for _, t := range targets {
			delay := rand.N(spread + 1) //nolint:gosec // no secret
			probes.Go(func() { l.probe(probing, t, delay, found) })
		}
		flying += int32(len(targets))
		if free > 0 && len(targets) == 0 && more {
			continue
		}
		spread = 0
		landed := l.gather(ctx, found, ticks.C, flying, more)
		for _, f := range landed {
			l.land(f)
		}
		kept = append(kept, landed...)
		if ctx.Err() != nil {
			break
		}
		flying -= int32(len(landed))
	}
	ending, stop := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer stop()
	return l.changes.Do(ending, change.Touch{}, func(tx *change.Tx) error {
		if len(kept) > 0 {
			if err := l.service.store(ending, tx, kept); err != nil {
				return err
			}
		}
		return tx.EndLane(ending, db.EndLaneParams{Service: l.Service, Lane: l.Lane.Lane, Number: l.Number})
	})
}

// gather waits until there is something to do: places are free for more, all is done,
// or it is time to be heard of. It returns all that has been found by then.
func (l *lane) gather(ctx context.Context, found <-chan finding, tick <-chan time.Time, flying int32, more bool) (landed []finding) {
	var enough <-chan time.Time
	for int32(len(landed)) < flying {
		select {
		case f := <-found:
			landed = append(landed, f)
			if more && enough == nil {
				enough = time.After(min(gatherTime, f.took/gatherPart))
			}
		case <-enough:
			return landed
		case <-tick:
			return landed
		case <-ctx.Done():
			return landed
		}
	}
	return landed
}

func (l *lane) probe(ctx context.Context, p probe, delay time.Duration, found chan<- finding) {
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return
	}
	begun := time.Now()
	limit := l.limit()
	// One that is as good as over when the next cycle is due ends with it, instead of
	// having it left out.
	if left := l.next.Sub(begun); left < limit && left > limit*(latePart-1)/latePart {
		limit = left
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ctx, span := tracer.Start(ctx, "probe "+l.Service, trace.WithAttributes(attribute.Int64("nexterm.entry", p.entryID)))
	defer span.End()
	result := l.run(ctx, p)
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return // the server stops: it says nothing about the host
	}
	took := time.Since(begun)
	l.took.WithLabelValues(l.Service).Observe(took.Seconds())
	found <- finding{p.entryID, result, begun.Add(took), took}
}

// run keeps what a host can bring about in one probe: it is read as nothing found.
func (l *lane) run(ctx context.Context, p probe) (result any) {
	defer func() {
		if problem := recover(); problem != nil {
			l.log.ErrorContext(ctx, "a probe has failed", "entryId", p.entryID, "problem", problem, "stack", string(debug.Stack()))
		}
	}()
	return p.run(ctx)
}

// step stores what was found, is heard of, and claims targets, of which there may be
// more.
func (l *lane) step(ctx context.Context, kept []finding, free int32) (targets []probe, more bool, err error) {
	var claimed []db.ClaimTargetsRow
	var renewed int64
	err = l.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		if len(kept) > 0 {
			if err := l.service.store(ctx, tx, kept); err != nil {
				return err
			}
		}
		var err error
		renewed, err = tx.RenewLane(ctx, db.RenewLaneParams{
			Service: l.Service, Lane: l.Lane.Lane, Number: l.Number, LeaseSecs: leaseTime.Seconds(),
		})
		if err == nil && renewed > 0 && free > 0 {
			claimed, err = tx.ClaimTargets(ctx, db.ClaimTargetsParams{
				Service: l.Service, Number: l.Number, Most: free, Spent: l.overdrawn(time.Duration(l.Share) * time.Millisecond),
			})
		}
		return err
	})
	switch {
	case err != nil:
		return nil, false, err
	case renewed == 0:
		return nil, false, errGivenUp
	case free == 0:
		return nil, true, nil
	}
	var ids []int64
	for _, c := range claimed {
		more = c.More
		if c.ID > 0 {
			ids = append(ids, c.ID)
			l.take(c)
		}
	}
	if len(ids) == 0 {
		return nil, more, nil
	}
	targets, err = l.service.load(ctx, ids)
	for _, id := range ids {
		if !slices.ContainsFunc(targets, func(t probe) bool { return t.entryID == id }) {
			delete(l.flights, id) // it is deleted
		}
	}
	return targets, more, err
}
