// Command bench measures the server against a bare handler that answers the
// same from the same database: net/http and pgx with the same statements (plain
// index scans for lists of entries), JSON encoder, pool size and collector
// settings, but no router, validation, turns, limits, sealing, metrics or log.
// The bare collector of hosts is a loop over golang.org/x/crypto/ssh, and the bare
// tunnel, terminal and transfer of files copy between that, with github.com/pkg/sftp
// for files, and the WebSocket library or net/http. Everything runs on this machine,
// and nothing stays behind but the full database of -scale, in the user's cache.
//
// It reads /proc, so it needs Linux; and it listens on 127.0.0.1 only, but for
// the server itself, which always serves the whole network.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/db/migrations"
	"github.com/nexterm-go/nexterm/internal/postgres"
)

// bareArgument makes this program the bare server instead of the benchmark.
const bareArgument = "bare-server"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 2 && os.Args[1] == bareArgument {
		if err := serveBare(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bare server:", err)
			os.Exit(1)
		}
		return
	}
	var p plan
	flag.DurationVar(&p.measured, "time", time.Second, "time that each cell is measured in each round")
	flag.IntVar(&p.rounds, "rounds", 5, "rounds; server and bare handler take turns")
	flag.StringVar(&p.only, "only", "", "measure only operations whose name contains this, or only "+partNames())
	scale := flag.Bool("scale", false, "measure an account in a full database beside an empty one instead")
	flag.Parse()
	err := run(ctx, p, *scale)
	if ctx.Err() != nil {
		err = errors.New("interrupted") // whatever else that has brought about
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p plan, scale bool) (err error) {
	if p.rounds < 1 || p.measured <= 0 {
		return errors.New("nothing to measure: -rounds and -time have to be positive")
	}
	dir, err := os.MkdirTemp("", "nexterm-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// For root, PostgreSQL runs as another account, which has to pass.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // G302: as said
		return err
	}

	fmt.Println("building the server")
	binary := filepath.Join(dir, "nexterm")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/nexterm-go/nexterm")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the server: %w", err)
	}
	if scale {
		rows, err := measureScale(ctx, p, binary, dir)
		if err == nil {
			printScale(os.Stdout, rows)
		}
		return err
	}
	for _, alone := range parts {
		if p.only == alone.name {
			return alone.run(ctx, p, binary, dir)
		}
	}
	fmt.Println("measuring starts")
	first, existing, err := measureStarts(ctx, binary, filepath.Join(dir, "starts"))
	if err != nil {
		return err
	}
	cells, signing, memory, err := measureLoad(ctx, p, binary, filepath.Join(dir, "load"))
	if err != nil {
		return err
	}
	fmt.Println("measuring an import")
	statements, err := measureImport(ctx, binary, filepath.Join(dir, "import"))
	if err != nil {
		return err
	}
	fmt.Println("measuring sockets")
	open, err := measureSockets(ctx, binary, filepath.Join(dir, "sockets"))
	if err != nil {
		return err
	}
	printTable(os.Stdout, cells)
	printGoals(os.Stdout, cells, first, existing, memory)
	printImportGoal(os.Stdout, statements)
	signing.printGoals(os.Stdout)
	open.printGoals(os.Stdout)
	for _, next := range parts {
		if next.onlyAlone {
			continue
		}
		if err := next.run(ctx, p, binary, dir); err != nil {
			return err
		}
	}
	return nil
}

// part is measured with servers of its own, after the operations, or with its name as
// -only and nothing else. It prints what it has found.
type part struct {
	name, of  string
	onlyAlone bool
	measure   func(ctx context.Context, p plan, binary, dir string) error
}

var parts = []part{
	{name: "keys", of: "a rotation of keys", measure: printed(measureRotation)},
	{name: "aborts", of: "requests whose clients hang up", measure: printed(measureAborts)},
	{name: "apply", of: "a file of entries", measure: printed(measureApply)},
	{name: "monitoring", of: "looking after hosts", measure: measureMonitoring},
	{name: "tunnel", of: "tunnels", measure: measureTunnels},
	{name: "files", of: "transfers of files", measure: measureFiles},
	{name: "terminal", of: "terminals", measure: measureTerminals},
	{name: "backup", of: "a backup of the full database", measure: printed(measureBackup), onlyAlone: true},
}

// printed measures what does not print for itself.
func printed[R interface{ printGoals(w io.Writer) }](measure func(ctx context.Context, p plan, binary, dir string) (R, error)) func(context.Context, plan, string, string) error {
	return func(ctx context.Context, p plan, binary, dir string) error {
		result, err := measure(ctx, p, binary, dir)
		if err == nil {
			result.printGoals(os.Stdout)
		}
		return err
	}
}

func (m part) run(ctx context.Context, p plan, binary, dir string) error {
	fmt.Println("measuring " + m.of)
	folder := filepath.Join(dir, m.name)
	if err := os.Mkdir(folder, 0o711); err != nil { //nolint:gosec // G301: PostgreSQL has to pass
		return err
	}
	return m.measure(ctx, p, binary, folder)
}

// partNames are those for the usage.
func partNames() string {
	var names []string
	for _, m := range parts {
		names = append(names, fmt.Sprintf("%s (%s)", m.of, m.name))
	}
	return strings.Join(names, ", ")
}

// measureMonitoring measures what looking after hosts costs, and reading of them.
func measureMonitoring(ctx context.Context, p plan, binary, dir string) error {
	looked, err := measureCycles(ctx, binary, filepath.Join(dir, "cycles"))
	if err != nil {
		return err
	}
	looked.printGoals(os.Stdout)
	read, err := measureOverview(ctx, p, binary, filepath.Join(dir, "overview"))
	if err != nil {
		return err
	}
	printTable(os.Stdout, read.cells)
	read.printGoals(os.Stdout)
	return nil
}

// measureLoad runs both servers over one database and answers the cells, the
// server's resident memory afterwards, in bytes, and what logins cost then.
func measureLoad(ctx context.Context, p plan, binary, dataDir string) (cells []*cell, signing logins, memory int64, err error) {
	pool, closeDatabase, err := openDatabase(ctx, postgres.Options{DataDir: dataDir})
	if err != nil {
		return nil, signing, 0, err
	}
	defer func() { err = errors.Join(err, closeDatabase()) }()
	data, err := seed(ctx, pool)
	if err != nil {
		return nil, signing, 0, fmt.Errorf("seed: %w", err)
	}
	server, bare, err := startBoth(ctx, binary, pool.Config().ConnString())
	if err != nil {
		return nil, signing, 0, err
	}
	defer server.stop()
	defer bare.stop()
	if err := sameAnswers(ctx, server, bare, data, operations); err != nil {
		return nil, signing, 0, err
	}
	cells, err = p.run(ctx, data, server, bare, operations)
	if err != nil {
		return nil, signing, 0, err
	}
	if memory, err = server.residentMemory(); err != nil {
		return nil, signing, 0, err
	}
	fmt.Println("measuring logins")
	signing, err = measureLogins(ctx, server, data)
	return cells, signing, memory, err
}

// openDatabase starts a cluster in a fresh folder and gives it the whole schema.
func openDatabase(ctx context.Context, options postgres.Options) (pool *pgxpool.Pool, closeAll func() error, err error) {
	options.BinDir = os.Getenv("POSTGRES_BIN")
	cluster, err := postgres.Start(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	stop := func() error { return cluster.Stop(context.Background()) }
	if pool, err = pgxpool.New(ctx, cluster.URL()); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	closeAll = func() error { pool.Close(); return stop() }
	if err := migrations.Up(ctx, pool, "bench", nil); err != nil {
		return nil, nil, errors.Join(err, closeAll())
	}
	// The hosts of entries are made up: trying to reach them would be measured, too.
	_, err = pool.Exec(ctx, "update monitoring_settings set status_checker_enabled = false, monitoring_enabled = false")
	if err != nil {
		return nil, nil, errors.Join(err, closeAll())
	}
	return pool, closeAll, nil
}
