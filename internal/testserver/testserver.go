// Package testserver owns a whole server for a test: a database of its own,
// accounts that may and may not, and clients that check every answer against
// the contract. It mocks nothing.
package testserver

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testdb"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// Password opens every seeded account.
const Password = "correct horse battery staple"

// passwordHash is Password's, made once: hashing is slow on purpose.
var passwordHash = sync.OnceValue(func() string {
	hash, err := vault.HashPassword(context.Background(), 0, Password)
	if err != nil {
		panic(err)
	}
	return hash
})

// Server is a running server with seeded callers.
type Server struct {
	URL   string
	Pool  *pgxpool.Pool
	Vault *vault.Vault
	// Log holds what the server has logged, every level of it.
	Log *Log
	// Organization belongs to Owner; Colleague is an active member of it.
	Organization int64
	// Owner and Colleague share Organization, Stranger is in none, and Admin is
	// an administrator without any membership.
	Owner, Colleague, Stranger, Admin *Client
	// Anonymous has no credential.
	Anonymous *Client

	events *event.Log
}

// New starts a server on a fresh database for the duration of the test.
func New(t testing.TB, changes ...func(*server.Options)) *Server {
	t.Helper()
	s := NewEmpty(t, changes...)
	s.Admin = s.NewAccount(t, "admin")
	s.Promote(t, s.Admin)
	s.Owner = s.NewAccount(t, "owner")
	s.Colleague = s.NewAccount(t, "colleague")
	s.Stranger = s.NewAccount(t, "stranger")
	s.Organization = s.NewOrganization(t, s.Owner, s.Colleague)
	return s
}

// NewEmpty is New without any account.
func NewEmpty(t testing.TB, changes ...func(*server.Options)) *Server {
	t.Helper()
	pool := testdb.New(t)
	keys, err := vault.Load(t.Context(), db.New(pool), vault.MasterKey{1, 2, 3})
	require.NoError(t, err)
	return Serve(t, pool, keys, changes...)
}

// Serve starts one more server on an existing database, as behind a proxy.
func Serve(t testing.TB, pool *pgxpool.Pool, keys *vault.Vault, changes ...func(*server.Options)) *Server {
	t.Helper()
	log := &Log{}
	options := server.Options{
		Pool: pool, Vault: keys, Version: "0.0.0-test", LoginLimit: 1000, DeviceLimit: 1000,
		Log: slog.New(server.NewLogHandler(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
	}
	listener := httptest.NewUnstartedServer(nil)
	options.Connections.NodeURL = "http://" + listener.Listener.Addr().String()
	for _, change := range changes {
		change(&options)
	}
	a, err := app.New(app.Options{Options: options, InsertOnly: true})
	require.NoError(t, err)
	listener.Config.Handler = a.Server
	listener.Start()
	t.Cleanup(listener.Close)
	Run(t, a)
	s := &Server{URL: listener.URL, Pool: pool, Vault: keys, Log: log, events: a.Events}
	s.Anonymous = s.client(t, 0, "", "")
	return s
}

// Run does what goes on besides an app's requests for the rest of the test, and
// returns when it has begun.
func Run(t testing.TB, a *app.App) {
	var background sync.WaitGroup
	t.Cleanup(background.Wait)
	begun := make(chan struct{})
	background.Go(func() {
		assert.NoError(t, a.Run(t.Context(), func(ctx context.Context) error {
			close(begun)
			<-ctx.Done()
			return nil
		}))
	})
	<-begun
}

// follow returns what is committed from now on.
func follow(t testing.TB, log *event.Log) <-chan event.Committed {
	t.Helper()
	seen, ready := make(chan event.Committed, 10_000), make(chan struct{})
	var reading sync.WaitGroup
	t.Cleanup(reading.Wait)
	reading.Go(func() {
		log.Follow(t.Context(), func(events []event.Committed, missed bool) {
			if missed {
				close(ready)
			}
			for _, e := range events {
				seen <- e
			}
		})
	})
	<-ready
	return seen
}

// NewAccount adds an account with Password and a session, and returns its client.
func (s *Server) NewAccount(t testing.TB, username string) *Client {
	t.Helper()
	var id int64
	token := vault.NewSessionToken()
	s.Scan(t, &id, `with created as (
			insert into accounts (username, first_name, last_name, password_hash)
				values ($1, initcap($1), 'Test', $2) returning id)
		insert into sessions (account_id, token_hash, ip, user_agent)
		select id, $3, '127.0.0.1', 'seed' from created returning account_id`, username, passwordHash(), vault.HashToken(token))
	return s.client(t, id, username, token)
}

// NewAPIKey adds an API key of the account and returns a client that uses it.
func (s *Server) NewAPIKey(t testing.TB, c *Client) *Client {
	t.Helper()
	key := vault.NewAPIKey()
	s.Exec(t, `insert into api_keys (account_id, name, token_hash, prefix) values ($1, 'test', $2, 'nxt_')`,
		c.AccountID, vault.HashToken(key))
	return s.client(t, c.AccountID, c.Username, key)
}

// NewOrganization adds an organization with its owner and active members.
func (s *Server) NewOrganization(t testing.TB, owner *Client, members ...*Client) int64 {
	t.Helper()
	var id int64
	s.Scan(t, &id, `insert into organizations (name) values ($1) returning id`, owner.Username+"'s organization")
	s.Exec(t, `insert into organization_members (organization_id, account_id, role, status, invited_by)
		values ($1, $2, 'owner', 'active', $2)`, id, owner.AccountID)
	for _, member := range members {
		s.Exec(t, `insert into organization_members (organization_id, account_id, status, invited_by)
			values ($1, $2, 'active', $3)`, id, member.AccountID, owner.AccountID)
	}
	return id
}

// Events returns a function that waits for the next event that somebody is told
// of, from now on.
func (s *Server) Events(t testing.TB) func() event.Committed {
	t.Helper()
	seen := follow(t, s.events)
	// Who follows may not have come to what was there before.
	var before []int64
	s.Scan(t, &before, `select coalesce(array_agg(id), '{}') from events`)
	return func() event.Committed {
		t.Helper()
		for {
			select {
			case e := <-seen:
				if slices.Contains(before, e.ID) {
					continue
				}
				return e
			case <-time.After(patience):
				require.Fail(t, "nothing is told")
				return event.Committed{}
			}
		}
	}
}

// Exec runs a statement that prepares or breaks something.
func (s *Server) Exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	_, err := s.Pool.Exec(t.Context(), statement, args...)
	require.NoError(t, err)
}

// Scan reads one value from the database.
func (s *Server) Scan(t testing.TB, into any, query string, args ...any) {
	t.Helper()
	require.NoError(t, s.Pool.QueryRow(t.Context(), query, args...).Scan(into))
}

// Log collects log lines.
type Log struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(line)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.String()
}
