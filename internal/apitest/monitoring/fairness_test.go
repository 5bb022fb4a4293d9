package monitoring_test

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// silent takes connections and never says a word.
func silent(t *testing.T) int {
	t.Helper()
	return testssh.Start(t, &testssh.Server{Play: func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }}).Port()
}

// copies adds so many more entries like one, with its identity.
func copies(t *testing.T, s *testserver.Server, id int64, more int) {
	t.Helper()
	s.Exec(t, `with copied as (
			insert into entries (account_id, type, name, rank, config)
			select account_id, type, name || '/' || n, rank + n, config from entries, generate_series(1, $2) n where id = $1 returning id)
		insert into entries_identities (entry_id, identity_id, position, route)
		select c.id, i.identity_id, 0, i.route from copied c, entries_identities i where i.entry_id = $1`, id, more)
}

// A host that takes all the time that there is between two cycles does not cost the
// others every second one.
func TestASilentHostCostsNoCycles(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	hurry(t, s, 10)
	s.Exec(t, `update monitoring_settings set connection_timeout = 10, status_checker_enabled = false`)
	password := newIdentity(s.Owner, body{"type": "password", "username": "root", "password": testssh.Password})
	good := newServer(s.Owner, testssh.Start(t, &testssh.Server{}).Port(), nil, password)
	bad := newServer(s.Owner, silent(t), nil, password)
	work(t, s)
	require.Equal(t, "offline: Request timeout", message(t, s.Owner, bad))
	require.Eventually(t, func() bool { return samples(t, s, good) >= 4 }, patience, pause)
}

// Hosts that were quick until now and are silent together cost their owner's time.
func TestHostsThatTurnSilentStarveNobody(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	hurry(t, s, 5)
	s.Exec(t, `update monitoring_settings set batch_size = 4, status_checker_enabled = false`)
	login := func(c *testserver.Client) int64 {
		return newIdentity(c, body{"type": "password", "username": "root", "password": testssh.Password})
	}
	copies(t, s, newServer(s.Stranger, silent(t), nil, login(s.Stranger)), 999)
	copies(t, s, newServer(s.Owner, testssh.Start(t, &testssh.Server{}).Port(), nil, login(s.Owner)), 99)
	s.Exec(t, `insert into monitoring_snapshots (entry_id, updated_at, status, took_ms)
		select id, now() - interval '1 minute', 'online', 5 from entries`)
	work(t, s)
	require.Eventually(t, func() bool {
		var sampled int
		s.Scan(t, &sampled, `select count(distinct entry_id) from monitoring_samples where status = 'online'`)
		return sampled == 100
	}, patience, pause)
}
