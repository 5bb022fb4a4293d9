// Package monitoring_test tests looking after hosts, with servers that do so and
// hosts that speak SSH, real ones and such as play their part.
package monitoring_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/vault"
)

type body = map[string]any

const (
	patience = 40 * time.Second
	pause    = 20 * time.Millisecond
	// late is what busy machines may add to what takes a number of intervals.
	late = 10 * time.Second
)

// workVariable makes this program a server that looks after the hosts of the
// database that it names, for tests that kill one.
const workVariable = "NEXTERM_TEST_WORK"

func TestMain(m *testing.M) {
	if url := os.Getenv(workVariable); url != "" {
		if err := workUntilKilled(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	testserver.Main(m)
}

func workUntilKilled(url string) error {
	ctx := context.Background()
	pool, err := app.OpenPool(ctx, url)
	if err != nil {
		return err
	}
	keys, err := vault.Load(ctx, db.New(pool), vault.MasterKey{1, 2, 3})
	if err != nil {
		return err
	}
	a, err := app.New(app.Options{
		Options: server.Options{Pool: pool, Vault: keys, Log: slog.New(slog.DiscardHandler)}, JobDelay: time.Hour,
	})
	if err != nil {
		return err
	}
	return a.Run(ctx, func(ctx context.Context) error {
		fmt.Println(a.Jobs.ID())
		<-ctx.Done()
		return nil
	})
}

// work starts one more server, which looks after hosts.
func work(t *testing.T, s *testserver.Server, changes ...func(*app.Options)) *app.App {
	t.Helper()
	options := app.Options{
		Options:  server.Options{Pool: s.Pool, Vault: s.Vault, Log: slog.New(slog.NewTextHandler(s.Log, nil))},
		JobDelay: time.Hour,
	}
	for _, change := range changes {
		change(&options)
	}
	a, err := app.New(options)
	require.NoError(t, err)
	testserver.Run(t, a)
	return a
}

// hurry lets cycles come more often than settings can, for tests that see several.
func hurry(t *testing.T, s *testserver.Server, seconds int) {
	t.Helper()
	s.Exec(t, `alter table monitoring_settings drop constraint monitoring_settings_status_interval,
		drop constraint monitoring_settings_monitoring_interval`)
	s.Exec(t, `update monitoring_settings set status_interval = $1, monitoring_interval = $1, connection_timeout = 5`, seconds)
}

// newServer adds an entry with the configuration of an SSH server on this machine.
func newServer(c *testserver.Client, port int, more body, identities ...int64) int64 {
	config := body{"protocol": "ssh", "ip": "127.0.0.1", "port": port, "monitoringEnabled": true}
	for key, value := range more {
		config[key] = value
	}
	entry := body{"name": fmt.Sprint("host-", port), "config": config}
	if len(identities) > 0 {
		entry["identities"] = identities
	}
	return c.Put("/api/entry", entry).Want(200).ID()
}

func newIdentity(c *testserver.Client, members body) int64 {
	b := body{"name": "Login"}
	for key, value := range members {
		b[key] = value
	}
	return c.Put("/api/identity", b).Want(200).ID()
}

// target is an entry of the overview.
type target struct {
	ServerID    int64   `json:"serverId"`
	Name        string  `json:"name"`
	Status      string  `json:"status"`
	LastChecked *string `json:"lastChecked"`
	Monitoring  struct {
		Timestamp    *string          `json:"timestamp"`
		Status       *string          `json:"status"`
		ErrorMessage *string          `json:"errorMessage"`
		CPUUsage     *float64         `json:"cpuUsage"`
		MemoryUsage  *float64         `json:"memoryUsage"`
		MemoryTotal  *float64         `json:"memoryTotal"`
		Uptime       *float64         `json:"uptime"`
		LoadAverage  []float64        `json:"loadAverage"`
		Processes    *float64         `json:"processes"`
		Network      []map[string]any `json:"network"`
		Disk         []map[string]any `json:"disk"`
		ProcessList  []map[string]any `json:"processList"`
		OSInfo       map[string]any   `json:"osInfo"`
		LastSeen     *string          `json:"lastSeen"`
	} `json:"monitoring"`
}

func overview(c *testserver.Client) map[int64]target {
	var list []target
	c.Get("/api/monitoring").Want(200).Into(&list)
	found := map[int64]target{}
	for _, t := range list {
		found[t.ServerID] = t
	}
	return found
}

// samples counts what was collected of an entry.
func samples(t *testing.T, s *testserver.Server, id int64) (n int) {
	t.Helper()
	s.Scan(t, &n, `select count(*) from monitoring_samples where entry_id = $1`, id)
	return n
}

// await waits for the overview of an entry to be as wanted.
func await(t *testing.T, c *testserver.Client, id int64, wanted func(target) bool) target {
	t.Helper()
	var seen target
	require.Eventually(t, func() bool {
		seen = overview(c)[id]
		return wanted(seen)
	}, patience, 100*time.Millisecond, "%+v", &seen)
	return seen
}

// message waits for a failure of an entry, and returns it with the sample's status.
func message(t *testing.T, c *testserver.Client, id int64) string {
	t.Helper()
	seen := await(t, c, id, func(seen target) bool { return seen.Monitoring.Timestamp != nil })
	text := ""
	if seen.Monitoring.ErrorMessage != nil {
		text = ": " + *seen.Monitoring.ErrorMessage
	}
	return *seen.Monitoring.Status + text
}
