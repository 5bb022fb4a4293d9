package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/nexterm-go/nexterm/internal/postgres"
)

const (
	applied          = 1000 // entries
	appliedFolders   = 100
	applyGoal        = 10 * time.Second
	applyAgainGoal   = 2 * time.Second
	nothingToChange  = "Nothing to change.\n"
	appliedIdentity  = "Deploy key"
	appliedTag       = "fleet"
	appliedReference = "APPLIED_PASSWORD"
)

// application is what a file of entries takes, with the start of the command.
type application struct {
	first, again time.Duration
	// events are those of the second run.
	events int64
}

// measureApply applies a file to an empty account, and once more.
func measureApply(ctx context.Context, _ plan, binary, dir string) (a application, err error) {
	pool, closeDatabase, err := openDatabase(ctx, postgres.Options{DataDir: filepath.Join(dir, "data")})
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, closeDatabase()) }()
	data := newSeeded(pool)
	if err := data.account(ctx, writer); err != nil {
		return a, err
	}
	server, err := startServer(ctx, binary, pool.Config().ConnString())
	if err != nil {
		return a, err
	}
	defer server.stop()
	file := filepath.Join(dir, "team.yaml")
	if err := os.WriteFile(file, []byte(fleet()), 0o600); err != nil {
		return a, err
	}
	run := func() (took time.Duration, printed string, err error) {
		command := exec.CommandContext(ctx, binary, "apply", "-f", file, "--yes")
		command.Env = []string{
			"NEXTERM_URL=http://" + server.address, "NEXTERM_TOKEN=" + data.tokens[writer], "HOME=" + dir, appliedReference + "=" + password,
		}
		command.Stderr = os.Stderr
		begin := time.Now()
		out, err := command.Output()
		return time.Since(begin), string(out), err
	}
	if a.first, _, err = run(); err != nil {
		return a, fmt.Errorf("apply: %w", err)
	}
	const newest = `select count(*) from events`
	var before int64
	if err := pool.QueryRow(ctx, newest).Scan(&before); err != nil {
		return a, err
	}
	took, printed, err := run()
	if err == nil && printed != nothingToChange {
		err = fmt.Errorf("it prints %q", printed)
	}
	if err != nil {
		return a, fmt.Errorf("apply again: %w", err)
	}
	a.again = took
	err = pool.QueryRow(ctx, newest).Scan(&a.events)
	a.events -= before
	return a, err
}

// fleet is a file of entries in folders, with what goes with them.
func fleet() string {
	var text strings.Builder
	fmt.Fprintf(&text, "version: 1\npersonal:\n  tags: [{name: %s, color: '#ff8800'}]\n", appliedTag)
	fmt.Fprintf(&text, "  identities: [{name: %s, type: password, username: deploy, password: {env: %s}}]\n  folders:\n", appliedIdentity, appliedReference)
	for f := range appliedFolders {
		fmt.Fprintf(&text, "    - fleet/folder-%d\n", f)
	}
	text.WriteString("  entries:\n")
	for e := range applied {
		fmt.Fprintf(&text, "    - {name: host-%d, folder: fleet/folder-%d, identities: [%s], config: {protocol: ssh, ip: 10.0.%d.%d, port: 22}}\n",
			e, e%appliedFolders, appliedIdentity, e/250, e%250)
	}
	return text.String()
}

func (a application) printGoals(w io.Writer) {
	fmt.Fprintf(w, "%-5s  a file of %d entries in %d folders is applied in %.1f s (at most %.0f s)\n",
		verdict(a.first <= applyGoal), applied, appliedFolders, a.first.Seconds(), applyGoal.Seconds())
	fmt.Fprintf(w, "%-5s  and again in %.2f s (at most %.0f s), with %d events\n",
		verdict(a.again <= applyAgainGoal && a.events == 0), a.again.Seconds(), applyAgainGoal.Seconds(), a.events)
}
