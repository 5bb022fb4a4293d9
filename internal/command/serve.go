package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	migrations "github.com/nexterm-go/nexterm/db"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/job"
	"github.com/nexterm-go/nexterm/internal/outbound"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/source"
	"github.com/nexterm-go/nexterm/internal/sweep"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	// jobDelay keeps background work away from the first moments of a server.
	jobDelay = 10 * time.Second
	// drainTime is how long running requests have to finish at shutdown.
	drainTime = 15 * time.Second
	// flushTime is how long the other servers' news may take after that.
	flushTime = 5 * time.Second
	// Answers are short-lived garbage, so collecting rarely pays; the memory
	// limit keeps that from growing. GOGC and GOMEMLIMIT still override both.
	gcPercent   = 400
	memoryLimit = 128 << 20
)

func serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long:  "Run the server. Without any setting it keeps everything, a private PostgreSQL included, in the data directory.\n\n" + settingsHelp(),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := readSettings()
			if err != nil {
				return err
			}
			return serve(cmd.Context(), settings, cmd.Root().Version)
		},
	}
}

func serve(ctx context.Context, settings Settings, version string) (err error) {
	tuneGC()
	log := settings.logger()
	if settings.TrustProxy.Everybody() {
		log.Warn("TRUST_PROXY=true lets every client choose the address that limits and logs see")
	}
	database, err := openDatabase(ctx, settings, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.close()) }()
	if err := migrations.Up(ctx, database.pool, log); err != nil {
		return err
	}
	master, err := settings.masterKey()
	if err != nil {
		return err
	}
	keys, err := vault.Open(ctx, db.New(database.pool), master)
	if err != nil {
		return err
	}
	events := event.NewBus(database.pool, log)
	client := outbound.New(settings.AllowOutbound)
	handler, err := server.New(server.Options{
		Pool: database.pool, Vault: keys, Events: events, Outbound: client, Log: log, Version: version,
		Trust: settings.TrustProxy, LoginLimit: settings.LoginLimit, DeviceLimit: settings.DeviceLimit,
		PublicURLs: settings.PublicURLs,
	})
	if err != nil {
		return err
	}
	if err := source.EnsureDefault(ctx, database.pool); err != nil {
		return fmt.Errorf("start background work: %w", err)
	}
	jobs, err := job.New(database.pool, log, jobDelay,
		source.Jobs(source.NewSyncer(database.pool, client, log)),
		sweep.Jobs(database.pool),
	)
	if err != nil {
		return fmt.Errorf("start background work: %w", err)
	}
	// The end of the context is for the requests; jobs are stopped apart, after them.
	if err := jobs.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start background work: %w", err)
	}
	defer func() { err = errors.Join(err, stopJobs(jobs)) }()
	running, stop := context.WithCancel(ctx)
	defer stop()
	var background sync.WaitGroup
	background.Go(func() { events.Run(running) })
	background.Go(func() { handler.Run(running) })
	err = listen(ctx, settings, version, handler, log, database.failed)
	stop()
	background.Wait()
	// What the last requests have changed is news for the other servers.
	flush, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	return errors.Join(err, events.Flush(flush))
}

// stopJobs cancels running jobs; they are made to be done again.
func stopJobs(jobs *job.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	return jobs.StopAndCancel(ctx)
}

func tuneGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// listen serves until the context ends, then lets running requests finish.
func listen(ctx context.Context, settings Settings, version string, handler http.Handler, log *slog.Logger, databaseFailed <-chan struct{}) error {
	s := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	plain, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+strconv.Itoa(settings.ServerPort))
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- s.Serve(plain) }()
	if settings.HTTPSPort != 0 {
		secure, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+strconv.Itoa(settings.HTTPSPort))
		if err != nil {
			return errors.Join(err, s.Close())
		}
		certs := filepath.Join(settings.DataDir, "certs")
		go func() {
			ended <- s.ServeTLS(secure, filepath.Join(certs, "cert.pem"), filepath.Join(certs, "key.pem"))
		}()
	}
	// Starting reads the whole contract, once; an idle server would keep what that
	// leaves behind for a long time.
	go debug.FreeOSMemory()
	fmt.Printf("nexterm %s is ready: http://localhost:%d\n", version, plain.Addr().(*net.TCPAddr).Port)

	select {
	case err := <-ended:
		return errors.Join(err, s.Close())
	case <-databaseFailed:
		return errors.Join(errors.New("the private database has ended"), s.Close())
	case <-ctx.Done():
	}
	fmt.Println("stopping")
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	return s.Shutdown(drain)
}
