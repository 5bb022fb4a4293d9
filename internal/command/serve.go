package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/db/migrations"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/guacamole"
	"github.com/nexterm-go/nexterm/internal/outbound"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/telemetry"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	// jobDelay keeps background work away from the first moments of a server.
	jobDelay = 10 * time.Second
	// drainTime is how long running requests have to finish at shutdown.
	drainTime = 15 * time.Second
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
			if err := errors.Join(err, settings.checkServe(cmd.Context())); err != nil {
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
	stopTraces, err := telemetry.Start(ctx, version, log)
	if err != nil {
		return err
	}
	defer stopTraces()
	stopDebugging, err := settings.debug(ctx, log)
	if err != nil {
		return err
	}
	defer stopDebugging()
	fmt.Println(settings.places())
	database, err := openDatabase(ctx, settings, log, os.Stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.close()) }()
	if err := migrations.Up(ctx, database.direct, version, log); err != nil {
		return err
	}
	_, err = settings.masterKey()
	if errors.Is(err, fs.ErrNotExist) && settings.EncryptionKeyFile == "" {
		_, err = vault.CreateMasterKey(ctx, db.New(database.pool), settings.keyFile())
	}
	if err != nil {
		return err
	}
	if settings.EncryptionKey == "" {
		if info, err := os.Stat(settings.keyFile()); err == nil && info.Mode().Perm()&0o004 != 0 {
			log.Warn("every account of this machine can read the master key", "file", settings.keyFile())
		}
	}
	keys, err := vault.LoadFrom(ctx, db.New(database.pool), settings.masterKeys)
	if err != nil {
		return err
	}
	a, err := app.New(app.Options{
		Options: server.Options{
			Pool: database.pool, Vault: keys, Outbound: outbound.New(settings.AllowOutbound), Log: log, Version: version,
			Trust: settings.TrustProxy, LoginLimit: settings.LoginLimit, DeviceLimit: settings.DeviceLimit,
			PublicURLs: settings.PublicURLs, Web: settings.WebDir, SessionIdleDays: settings.SessionIdleDays,
			Connections: server.Connections{Most: settings.MaxConnections, IdleTime: settings.IdleTimeout, HibernatedTime: settings.HibernatedTimeout, NodeURL: settings.NodeURL, MaxUpload: settings.MaxUpload,
				Guacd: guacamole.Daemon{Address: settings.GuacdAddress, TLS: settings.GuacdTLS, CheckCertificates: settings.RDPCheckCert}},
			Limits:      settings.limits(),
			SourceBytes: settings.SourceMiB << 20, SourcesBytes: settings.SourcesMiB << 20,
		},
		Direct:             database.direct,
		JobDelay:           jobDelay,
		AuditRetentionDays: settings.AuditRetentionDays,
		Backups:            settings.backups(),
		HostKeys:           settings.HostKeys,
		Deny:               settings.ConnectDeny,
		OldSSH:             settings.SSHLegacy,
	})
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	context.AfterFunc(ctx, func() {
		fmt.Println("stopping")
		notify(serving, "STOPPING=1", log)
		a.Server.Leave()
		time.AfterFunc(settings.ShutdownDelay, stop)
	})
	ended := make(chan error, 1)
	go func() {
		ended <- a.Run(serving, func(ctx context.Context) error {
			return listen(ctx, settings, version, a.Server, log)
		})
	}()
	select {
	case err := <-ended:
		return err
	case <-database.failed:
		// Nothing can be brought to an end without it. Whoever supervises this process
		// starts both again, and PostgreSQL recovers what was committed.
		return errors.New("the private database has ended")
	}
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
func listen(ctx context.Context, settings Settings, version string, handler http.Handler, log *slog.Logger) error {
	pair := settings.certificate()
	s := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      server.AnswerTime,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		TLSConfig:         pair.config(),
	}
	plain, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+strconv.Itoa(settings.ServerPort))
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	limit := func(listener net.Listener) net.Listener {
		return server.LimitConnections(listener, settings.ConnectionLimit, settings.TrustProxy, log)
	}
	go func() { ended <- s.Serve(limit(plain)) }()
	addresses := fmt.Sprintf("http://localhost:%d", plain.Addr().(*net.TCPAddr).Port)
	if settings.HTTPSPort != nil {
		if _, err := pair.load(); err != nil {
			return errors.Join(err, s.Close())
		}
		secure, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+strconv.Itoa(*settings.HTTPSPort))
		if err != nil {
			return errors.Join(err, s.Close())
		}
		go pair.follow(ctx, log)
		go func() { ended <- s.ServeTLS(limit(secure), "", "") }()
		addresses += fmt.Sprintf(" https://localhost:%d", secure.Addr().(*net.TCPAddr).Port)
	}
	// Starting reads the whole contract, once; an idle server would keep what that
	// leaves behind for a long time.
	go debug.FreeOSMemory()
	fmt.Printf("nexterm %s is ready: %s\n", version, addresses)
	notify(ctx, "READY=1", log)

	select {
	case err := <-ended:
		return errors.Join(err, s.Close())
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	return s.Shutdown(drain)
}

// notify tells systemd how the server is, if that has started it (sd_notify(3)).
func notify(ctx context.Context, state string, log *slog.Logger) {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unixgram", socket)
	if err == nil {
		defer conn.Close()
		_, err = conn.Write([]byte(state))
	}
	if err != nil {
		log.Warn("systemd cannot be told", "state", state, "error", err)
	}
}
