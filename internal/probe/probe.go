// Package probe owns looking after hosts: whether they answer, and how Linux hosts
// are. It decides when a cycle starts and how many hosts are asked at a time, over
// all servers of a deployment. It does not own what is told of hosts, nor whose
// logins may be used.
//
// Each of the two services has cycles, one at a time. Whichever server first finds
// that one is due plans it: the targets in their order are stored, and a few jobs,
// its lanes, are enqueued for the workers of all servers. A lane claims targets as
// it has room for them, so that a silent host keeps one place busy and nothing else;
// together the lanes have as many places as the setting batchSize. Plans give owners
// shares of the time, and lanes hold them to these. What lanes have
// found they store together, once in a while. A lane holds a lease: when its server
// dies, the next cycle waits no longer than that.
package probe

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/hostkey"
	"github.com/nexterm-go/nexterm/internal/job"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/target"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	queue = "probe"
	// maxLanes is how many servers can take part in a cycle.
	maxLanes = 4
)

// Prober looks after hosts.
type Prober struct {
	queries  *db.Queries
	changes  *change.Changes
	vault    *vault.Vault
	dialer   *ssh.Dialer
	hostKeys *hostkey.Store
	log      *slog.Logger
	services []service
	news     news
	*instruments
}

// New returns what looks after the hosts of a database.
func New(queries *db.Queries, changes *change.Changes, secrets *vault.Vault, dialer *ssh.Dialer, hostKeys *hostkey.Store, log *slog.Logger) *Prober {
	p := &Prober{
		queries: queries, changes: changes, vault: secrets, dialer: dialer, hostKeys: hostKeys, log: log,
		instruments: newInstruments(), news: news{burst: newsBurst, owners: map[int64]limits{}},
	}
	p.services = []service{checker{p}, collector{p}}
	return p
}

// service is one kind of probe.
type service interface {
	// name is the service in the database, which keeps a cycle for each.
	name() string
	// load reads what the probes of targets need.
	load(ctx context.Context, ids []int64) ([]probe, error)
	// store keeps what probes have found.
	store(ctx context.Context, tx *change.Tx, found []finding) error
}

// probe asks one target. It takes as long as its context lets it, and hands over
// what it has found.
type probe struct {
	entryID int64
	run     func(context.Context) any
}

// finding is what a probe has found, and how it went.
type finding struct {
	entryID int64
	result  any
	ended   time.Time
	took    time.Duration
}

// ageMilliseconds is how long ago the probe has ended. Times are the database's:
// the clocks of servers may differ.
func (f finding) ageMilliseconds() int64 { return time.Since(f.ended).Milliseconds() }

func (f finding) tookMilliseconds() int32 { return int32(f.took.Milliseconds()) }

// Jobs are the lanes of both services.
func (p *Prober) Jobs() job.Work {
	return job.Work{
		Queue:      queue,
		MaxWorkers: 2 * maxLanes,
		AddWorkers: func(workers *river.Workers) { river.AddWorker(workers, &laneWorker{prober: p}) },
	}
}

// targets are what entries are reached by, with what is known of the keys of their
// hosts.
func (p *Prober) targets(ctx context.Context, ids []int64, logins bool) ([]target.Target, *hostkey.Sightings, error) {
	targets, err := target.Load(ctx, p.queries, p.vault, ids, logins)
	if err != nil {
		return nil, nil, err
	}
	var dials []hostkey.Dial
	for _, t := range targets {
		// Nothing but a connection shows no key.
		if t.Problem == nil && (logins || len(t.Way) > 1) {
			dials = append(dials, hostkey.Dial{EntryID: t.EntryID, Name: t.Name, Owner: t.Owner, Way: t.Way})
		}
	}
	sightings, err := p.hostKeys.Load(ctx, dials)
	return targets, sightings, err
}

// save keeps which host keys were seen, which is no reason to fail.
func (p *Prober) save(ctx context.Context, sightings *hostkey.Sightings) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	if err := sightings.Save(ctx); err != nil {
		p.log.WarnContext(ctx, "store when host keys were seen", "error", err)
	}
}

// Run starts cycles when they are due, until the context ends.
func (p *Prober) Run(ctx context.Context, jobs *river.Client[pgx.Tx]) {
	for ctx.Err() == nil {
		pause, err := p.schedule(ctx, jobs)
		if err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "start a cycle of monitoring", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}
