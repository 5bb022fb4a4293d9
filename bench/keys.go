package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/postgres"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	sealedCount  = 100_000
	rotationTail = 2 // times the p99 of an idle server
)

// rotation is what others notice of a new data key. The samples are medians of p99s.
type rotation struct {
	idle, meanwhile float64 // milliseconds
	took            time.Duration
}

// measureRotation seals many secrets anew while a server answers.
func measureRotation(ctx context.Context, p plan, binary, dir string) (r rotation, err error) {
	pool, closeDatabase, err := openDatabase(ctx, postgres.Options{DataDir: filepath.Join(dir, "data")})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, closeDatabase()) }()
	data := newSeeded(pool)
	if err := errors.Join(data.account(ctx, reader), data.account(ctx, writer), data.identities(ctx)); err != nil {
		return r, err
	}
	var master vault.MasterKey
	_, _ = rand.Read(master[:])
	if err := sealMany(ctx, pool, master); err != nil {
		return r, fmt.Errorf("seal: %w", err)
	}
	env := []string{
		"SERVER_PORT=0", "CONNECTION_LIMIT=0", "QUOTA_IDENTITIES=1000000",
		"DATABASE_URL=" + pool.Config().ConnString(), "ENCRYPTION_KEY=" + hex.EncodeToString(master[:]),
	}
	server, err := start(ctx, nil, binary, "serve", env...)
	if err != nil {
		return r, err
	}
	defer server.stop()
	read := operation{account: reader, method: "GET", path: "/api/account/me"}
	write := operation{
		account: writer, method: "PUT", path: "/api/identity",
		body: `{"name":"Production servers","username":"deploy","type":"password","password":"` + password + `"}`,
	}
	requests := append(read.requests(data), write.requests(data)...)
	command := exec.CommandContext(ctx, binary, "key", "rotate")
	command.Env, command.Stderr = append(env, "PATH="+os.Getenv("PATH")), os.Stderr
	begin := time.Now()
	if err := command.Start(); err != nil {
		return r, err
	}
	defer func() { _ = command.Process.Kill() }()
	time.Sleep(settle) // it starts, and the server takes the key
	var samples [2][]sample
	for range p.rounds {
		// In turn, so that what else happens on the machine meets both.
		for i, signal := range []os.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
			if err := command.Process.Signal(signal); err != nil {
				return r, fmt.Errorf("the rotation has ended before it was measured: %w", err)
			}
			s, err := load(ctx, server, requests, 4, p.measured)
			if err != nil {
				return r, err
			}
			samples[i] = append(samples[i], s)
		}
	}
	var resealing bool
	if err := pool.QueryRow(ctx, `select count(distinct key_id) > 1 from credentials`).Scan(&resealing); err != nil {
		return r, err
	}
	if !resealing {
		return r, errors.New("the rotation was over before it was measured: fewer -rounds or less -time is needed")
	}
	tail := func(s sample) float64 { return s.p99.Seconds() * 1e3 }
	r.idle, r.meanwhile = median(samples[0], tail), median(samples[1], tail)
	err = command.Wait()
	r.took = time.Since(begin) - time.Duration(p.rounds)*(p.measured+warmUp)
	return r, err
}

// sealMany gives the organization identities with a password each.
func sealMany(ctx context.Context, pool *pgxpool.Pool, master vault.MasterKey) error {
	keys, err := vault.Load(ctx, db.New(pool), master)
	if err != nil {
		return err
	}
	rows, err := pool.Query(ctx, `insert into identities (organization_id, name, type)
		select o.id, 'Sealed', 'password' from organizations o, generate_series(1, $1) returning id`, sealedCount)
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	_, err = pool.CopyFrom(ctx, pgx.Identifier{"credentials"}, []string{"identity_id", "kind", "key_id", "ciphertext"},
		pgx.CopyFromSlice(len(ids), func(i int) ([]any, error) {
			sealed, err := keys.Seal("credentials", ids[i], "password", vault.Secret(password))
			return []any{ids[i], "password", sealed.KeyID, sealed.Ciphertext}, err
		}))
	if err == nil {
		_, err = pool.Exec(ctx, "vacuum analyze")
	}
	return err
}

func (r rotation) printGoals(w io.Writer) {
	fmt.Fprintf(w, "%-5s  a new data key for %d secrets in %.0f s: p99 of other requests %.1f ms, idle %.1f ms (at most %d times)\n",
		verdict(r.meanwhile <= rotationTail*r.idle), sealedCount, r.took.Seconds(), r.meanwhile, r.idle, rotationTail)
}
