//go:build unix

package testdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/db/migrations"
	"github.com/nexterm-go/nexterm/internal/postgres"
)

const (
	folderPrefix = "nexterm-testdb-"
	lockName     = "lock"
	// youngest is the age at which a folder without a lock is no longer about to get one.
	youngest = time.Minute
)

// janitor outlives the test binary, however that ends, and removes its folder: its input
// closes when the binary is gone. PostgreSQL need not end in order, its data is thrown away.
const janitor = `
cat >/dev/null
file=$1/postgres/data/postmaster.pid
pid=$(head -n 1 "$file" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
tries=0
while [ -e "$file" ] && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries+1)); done
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
`

// held keeps the folder's lock and the janitor's input open until the process ends.
var (
	holding sync.Mutex
	held    []io.Closer
)

// startCluster starts a private cluster with a migrated database, which becomes the template.
func startCluster() (*source, error) {
	ctx := context.Background()
	dir, err := makeFolder()
	if err != nil {
		return nil, err
	}
	if err := makeCluster(ctx, dir); err != nil {
		return nil, err
	}
	c, err := start(ctx, dir)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(c.URL())
	if err != nil {
		return nil, err
	}
	admin, err := pgxpool.New(ctx, c.AdminURL())
	if err != nil {
		return nil, err
	}
	options := " owner " + quote(base.User.Username())
	var choice bool
	if err := admin.QueryRow(ctx, "select current_setting('server_version_num')::int >= 150000").Scan(&choice); err != nil {
		return nil, err
	}
	if choice {
		// Four times as quick here as the default, which spares a synced server its checkpoints.
		options += " strategy file_copy"
	}
	return &source{admin: admin, base: *base, template: base.Path[1:], options: options, prefix: "test", kept: kept}, nil
}

// makeCluster leaves a stopped, migrated cluster in the folder: a copy of the image, or the
// one that becomes the image.
func makeCluster(ctx context.Context, dir string) error {
	image, err := image(ctx, os.Getenv("POSTGRES_BIN"))
	if err != nil {
		return err
	}
	data, err := makeDataFolder(dir)
	if err != nil {
		return err
	}
	if err := restoreImage(ctx, image, data); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c, err := start(ctx, dir)
	if err != nil {
		return err
	}
	if err := errors.Join(migrateTemplate(ctx, c.URL()), c.Stop(ctx)); err != nil {
		return err
	}
	return keepImage(ctx, data, image)
}

// makeDataFolder makes what holds the cluster's data and returns where that goes.
func makeDataFolder(dir string) (data string, err error) {
	data = filepath.Join(dir, "postgres", "data")
	// As the launcher makes it: the cluster's account has to get through.
	return data, os.Mkdir(filepath.Dir(data), 0o711) //nolint:gosec // as said
}

func start(ctx context.Context, dir string) (*postgres.Cluster, error) {
	return postgres.Start(ctx, postgres.Options{
		DataDir: dir,
		BinDir:  os.Getenv("POSTGRES_BIN"),
		Log:     slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Settings: map[string]string{
			"fsync":              "off",
			"synchronous_commit": "off",
			"full_page_writes":   "off",
			"autovacuum":         "off",
			"wal_level":          "minimal",
			"max_wal_senders":    "0",
			"min_wal_size":       "32MB",
			"max_wal_size":       "128MB",
			// As many tests run at a time as there are processors, each with a pool or two.
			"max_connections": strconv.Itoa(300 + 2*poolSize*runtime.GOMAXPROCS(0)),
		},
	})
}

func migrateTemplate(ctx context.Context, address string) error {
	pool, err := pgxpool.New(ctx, address)
	if err != nil {
		return err
	}
	defer pool.Close()
	return migrations.Up(ctx, pool, "test", nil)
}

// makeFolder makes a folder for the cluster, locks it for as long as this process lives,
// leaves its removal to a janitor, and removes what earlier janitors could not.
func makeFolder() (string, error) {
	parent := os.TempDir()
	if inMemory(memory) {
		parent = memory
	}
	removeStale(parent)
	dir, err := os.MkdirTemp(parent, folderPrefix)
	if err != nil {
		return "", err
	}
	// For root, PostgreSQL runs as another account, which has to pass.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // the cluster's account has to get through
		return "", err
	}
	// The lock gets its name when it is held, so that a lock that anybody sees and can take
	// belongs to nobody.
	unnamed := filepath.Join(dir, "unnamed")
	file, err := os.OpenFile(unnamed, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	if err := errors.Join(lock(file), os.Rename(unnamed, filepath.Join(dir, lockName))); err != nil {
		return "", err
	}
	cmd := exec.Command("sh", "-c", janitor, "sh", dir) //nolint:noctx // it outlives every context, on purpose
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C ends the tests, not the janitor
	input, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start the process that removes %s: %w", dir, err)
	}
	holding.Lock()
	defer holding.Unlock()
	held = append(held, file, input)
	return dir, nil
}

// removeStale removes the folders of test binaries that are gone without their janitor.
func removeStale(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, folderPrefix+"*"))
	for _, dir := range dirs {
		file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
		if err != nil {
			if info, err := os.Lstat(dir); err == nil && time.Since(info.ModTime()) > youngest {
				_ = os.RemoveAll(dir)
			}
			continue
		}
		if lock(file) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = file.Close()
	}
}

func lock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
