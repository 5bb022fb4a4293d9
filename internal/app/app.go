// Package app owns putting a server together: its pool, events, syncer, job queue
// and HTTP server, one of each, and the order in which they start and stop. It does
// not own where settings, keys and the schema come from, nor where requests arrive.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/backup"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/contentsource"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/hostkey"
	"github.com/nexterm-go/nexterm/internal/job"
	"github.com/nexterm-go/nexterm/internal/live"
	"github.com/nexterm-go/nexterm/internal/outbound"
	"github.com/nexterm-go/nexterm/internal/probe"
	"github.com/nexterm-go/nexterm/internal/recording"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/sweep"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	// stopTime is how long running jobs have to end after they are cancelled.
	stopTime = 15 * time.Second
	// followTime is how long the first request waits for the live feed to begin, and for
	// the other servers to know of this one.
	followTime = 2 * time.Second
	// flushTime is how long the other servers' news may take after that.
	flushTime = 5 * time.Second
)

// What live connections are bounded by unless somebody says otherwise.
const (
	DefaultMaxConnections = 500
	DefaultIdleTime       = 6 * time.Hour
	DefaultHibernatedTime = 7 * 24 * time.Hour
)

// Options are what a server is put together from.
type Options struct {
	// Events, Changes, Syncer, Jobs, Live and Recordings are New's own, whatever they say here. So is Outbound
	// where there is none; it reaches public addresses only.
	server.Options
	// Direct leads to the database past a pooler that may give each transaction
	// another session, which listening, jobs and long locks cannot do with. It is
	// Pool where there is none.
	Direct *pgxpool.Pool
	// Deny are the networks that hosts are not dialled in, and OldSSH admits
	// algorithms that are not good enough any more.
	Deny   outbound.Networks
	OldSSH bool
	// JobDelay is how long periodic jobs wait after a start.
	JobDelay time.Duration
	// AuditRetentionDays are how long audit rows are kept; 0 is for ever.
	AuditRetentionDays int
	// Backups are made by this schedule.
	Backups backup.Schedule
	// HostKeys is what becomes of host keys that are not known; with none, they are
	// remembered.
	HostKeys hostkey.Policy
	// InsertOnly leaves working the jobs to other servers of the database.
	InsertOnly bool
}

// App is a server with what works beside it.
type App struct {
	Server *server.Server
	Events *event.Log
	Jobs   *job.Client

	changes    *change.Changes
	prober     *probe.Prober
	live       *live.Registry
	vault      *vault.Vault
	log        *slog.Logger
	direct     *pgxpool.Pool
	insertOnly bool
}

// New puts a server together without touching the database. It can answer requests
// from then on.
func New(o Options) (*App, error) {
	if o.Outbound == nil {
		o.Outbound = outbound.New(nil)
	}
	if o.Direct == nil {
		o.Direct = o.Pool
	}
	o.Events = event.NewLog(o.Pool, o.Log)
	o.Changes = change.New(o.Pool, o.Events)
	o.Changes.Limits = o.Limits
	queries := db.New(o.Pool)
	o.Syncer = contentsource.NewSyncer(queries, o.Changes, patient(o.Direct), o.Outbound, o.Log,
		contentsource.Limits{Source: o.SourceBytes, All: o.SourcesBytes})
	dialer := &ssh.Dialer{Deny: o.Deny, Legacy: o.OldSSH}
	hostKeys := hostkey.NewStore(queries, o.Changes, cmp.Or(o.HostKeys, hostkey.AcceptNew), o.Log)
	prober := probe.New(queries, o.Changes, o.Vault, dialer, hostKeys, o.Log)
	o.Recordings = recording.NewStore(queries, o.Changes, o.Vault, o.Log)
	o.Live = live.New(live.Options{
		Queries: queries, Changes: o.Changes, Vault: o.Vault, Events: o.Events, Dialer: dialer, HostKeys: hostKeys, Recordings: o.Recordings, Log: o.Log,
		Most: cmp.Or(o.Connections.Most, DefaultMaxConnections), URL: o.Connections.NodeURL, Guacd: o.Connections.Guacd,
		IdleTime:        cmp.Or(o.Connections.IdleTime, DefaultIdleTime),
		HibernatedTime:  cmp.Or(o.Connections.HibernatedTime, DefaultHibernatedTime),
		SessionIdleDays: o.SessionIdleDays, PingInterval: o.PingInterval, WriteTimeout: o.WriteTimeout,
	})
	backups := backup.NewScheduler(o.Backups, o.Direct.Config().ConnConfig, o.Changes, o.Version, o.Log)
	o.Collectors = append(prober.Collectors(), backups.Collectors()...)
	var err error
	o.Jobs, err = job.New(o.Direct, o.Log, o.JobDelay,
		contentsource.Jobs(o.Syncer),
		sweep.Jobs(o.Changes, o.SessionIdleDays, o.AuditRetentionDays),
		prober.Jobs(),
		o.Recordings.Jobs(),
		backups.Jobs(),
	)
	if err != nil {
		return nil, fmt.Errorf("enqueue jobs: %w", err)
	}
	handler, err := server.New(o.Options)
	if err != nil {
		return nil, err
	}
	return &App{Server: handler, Events: o.Events, Jobs: o.Jobs, changes: o.Changes, prober: prober, live: o.Live, vault: o.Vault, log: o.Log, direct: o.Direct, insertOnly: o.InsertOnly}, nil
}

// Run does what goes on besides requests while serve answers them. The end of the
// context closes sockets; serve then lets running requests finish, and all else
// stops after it.
func (a *App) Run(ctx context.Context, serve func(context.Context) error) error {
	if !a.insertOnly {
		if err := contentsource.EnsureDefault(ctx, a.changes); err != nil {
			return fmt.Errorf("start background work: %w", err)
		}
		if err := sweep.Prepare(ctx, a.changes); err != nil {
			return fmt.Errorf("make partitions: %w", err)
		}
		if err := a.Jobs.Start(context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("start background work: %w", err)
		}
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var background sync.WaitGroup
	background.Go(func() { a.Events.Run(running, a.direct) })
	background.Go(func() { a.Server.Run(running) })
	background.Go(func() { a.live.Run(running) })
	background.Go(func() {
		config := a.direct.Config().ConnConfig
		config.Tracer = nil // it looks every few seconds, for nobody's request
		a.vault.Watch(running, func(ctx context.Context) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, config) }, a.log)
	})
	if !a.insertOnly {
		background.Go(func() { a.prober.Run(running, a.Jobs) })
	}

	// Sockets that open from now on miss nothing. A database that is away just now
	// is no reason not to answer that.
	waiting, cancel := context.WithTimeout(ctx, followTime)
	for _, ready := range []<-chan struct{}{a.Server.Following(), a.live.Announced()} {
		select {
		case <-ready:
		case <-waiting.Done():
		}
	}
	cancel()
	err := serve(ctx)
	stop()
	background.Wait()
	if !a.insertOnly {
		// Running jobs are cancelled; they are made to be done again.
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		err = errors.Join(err, a.Jobs.StopAndCancel(stopping))
	}
	// What the last requests and jobs have changed is news for the other servers.
	flushing, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	a.Events.Flush(flushing)
	return err
}
