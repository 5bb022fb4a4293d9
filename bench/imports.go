package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/goccy/go-json"

	"github.com/nexterm-go/nexterm/internal/postgres"
)

const (
	importCount         = 1000
	importStatementGoal = 10 // for 100 items
)

// statementCounter reads PostgreSQL's log of statements.
type statementCounter struct {
	slog.Handler
	count atomic.Int64
}

func (*statementCounter) Enabled(context.Context, slog.Level) bool { return true }

func (s *statementCounter) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "execute ") || strings.HasPrefix(r.Message, "statement: ") {
		s.count.Add(1)
	}
	return nil
}

// measureImport counts the statements of a large import, and with them the few
// that the server's background work sends meanwhile.
func measureImport(ctx context.Context, binary, dataDir string) (statements int64, err error) {
	counter := &statementCounter{}
	pool, closeDatabase, err := openDatabase(ctx, postgres.Options{
		DataDir: dataDir, Settings: map[string]string{"log_statement": "all"}, Log: slog.New(counter),
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, closeDatabase()) }()
	data := newSeeded(pool)
	if err := data.account(ctx, mover); err != nil {
		return 0, err
	}
	var folder int64
	err = pool.QueryRow(ctx, "insert into folders (account_id, name, position) values ($1, 'Imported', 0) returning id", data.ids[mover]).Scan(&folder)
	if err != nil {
		return 0, err
	}
	server, err := startServer(ctx, binary, pool.Config().ConnString())
	if err != nil {
		return 0, err
	}
	defer server.stop()
	type host struct {
		Name string `json:"name"`
		IP   string `json:"ip"`
	}
	hosts := make([]host, importCount)
	for i := range hosts {
		hosts[i] = host{fmt.Sprint("host-", i), fmt.Sprintf("10.0.%d.%d", i/250, i%250)}
	}
	body, err := json.Marshal(map[string]any{"folderId": folder, "servers": hosts})
	if err != nil {
		return 0, err
	}
	c, err := dial(ctx, server.address)
	if err != nil {
		return 0, err
	}
	defer c.close()
	time.Sleep(settle)
	before := counter.count.Load()
	request := operation{account: mover, method: "POST", path: "/api/entry/import/ssh-config", body: string(body)}.requests(data)
	if err := c.send(request[0]); err != nil {
		return 0, fmt.Errorf("import: %w", err)
	}
	time.Sleep(settle) // the log comes through a pipe
	statements = counter.count.Load() - before
	var imported int
	if err := pool.QueryRow(ctx, "select count(*) from entries where folder_id = $1", folder).Scan(&imported); err != nil {
		return 0, err
	}
	if imported != importCount {
		return 0, fmt.Errorf("imported %d servers, not %d", imported, importCount)
	}
	return statements, nil
}

func printImportGoal(w io.Writer, statements int64) {
	each := float64(statements) * 100 / importCount
	fmt.Fprintf(w, "%-5s  an import of %d servers: %d statements, %.1f for 100 of them (at most %d)\n",
		verdict(each <= importStatementGoal), importCount, statements, each, importStatementGoal)
}
