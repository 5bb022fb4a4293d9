package access_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestFailedLoginsAreLimitedPerNetworkOverServers(t *testing.T) {
	t.Parallel()
	behindProxy := func(o *server.Options) {
		testserver.TrustProxies(t, "1")(o)
		o.LoginLimit = 3
	}
	s := testserver.NewEmpty(t, behindProxy)
	s.NewAccount(t, "ada")
	servers := []*testserver.Server{s, testserver.Serve(t, s.Pool, s.Vault, behindProxy)}
	right := map[string]any{"username": "ada", "password": testserver.Password}
	wrong := map[string]any{"username": "ada", "password": "wrong"}
	from := func(i int, address string) *testserver.Client {
		return servers[i%2].Anonymous.With("X-Forwarded-For", address)
	}

	began := time.Now()
	for i := range 4 {
		answer := from(i, "2001:db8::1").Post("/api/auth/login", right).Want(200)
		require.Equal(t, "3", answer.Header.Get("RateLimit-Remaining"), "what ends well is handed back")
	}
	from(0, "2001:db8::1").Post("/api/auth/login", wrong).Want(401)
	from(1, "2001:db8::2").Post("/api/auth/login", map[string]any{}).Want(400)
	options := from(0, "2001:db8:0:0:ffff::1").Post("/api/auth/passkey/options", map[string]any{"origin": s.URL}).Want(200)
	require.Equal(t, "14", options.Header.Get("RateLimit-Remaining"), "options always count, but as beginnings")
	require.Equal(t, "15;w=900", options.Header.Get("RateLimit-Policy"))
	from(0, "2001:db8:0:0:ffff::1").Post("/api/auth/login", wrong).Want(401)
	for i, path := range []string{"/api/auth/login", "/api/auth/passkey/verify", "/api/account/register"} {
		answer := from(i, "2001:db8::3").Post(path, right)
		answer.WantError(429, "Too many authentication attempts. Please try again later.")
		seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
		require.NoError(t, err)
		require.LessOrEqual(t, seconds, 900)
		require.GreaterOrEqual(t, seconds, 899-int(time.Since(began).Seconds()))
	}
	from(0, "2001:db8:0:1::1").Post("/api/auth/login", right).Want(200)
	from(0, "192.0.2.1").Post("/api/auth/login", right).Want(200)
	s.Exec(t, `update rate_limits set window_ends_at = now()`)
	from(1, "2001:db8::1").Post("/api/auth/login", right).Want(200)
}

// Two hundred refusals in random order: if it took another time to refuse an
// unknown name, its times would gather at one end of the sorted list.
func TestUnknownNamesTakeAsLongAsWrongPasswords(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	s.NewAccount(t, "ada")
	type try struct {
		unknown bool
		took    time.Duration
	}
	tries := make([]try, 60)
	for i := range tries {
		tries[i].unknown = i%2 == 0
	}
	rand.Shuffle(len(tries), func(i, j int) { tries[i], tries[j] = tries[j], tries[i] })
	refuse := func(tries []try) {
		for i := range tries {
			name := "ada"
			if tries[i].unknown {
				name = "eve"
			}
			start := time.Now()
			answer := s.Anonymous.Post("/api/auth/login", map[string]any{"username": name, "password": "wrong"})
			tries[i].took = time.Since(start)
			answer.WantError(401, "Username or password incorrect")
		}
	}
	var group sync.WaitGroup
	for half := range slices.Chunk(tries, len(tries)/2) {
		group.Go(func() { refuse(half) })
	}
	group.Wait()
	slices.SortFunc(tries, func(a, b try) int { return cmp.Compare(a.took, b.took) })
	ranks := 0
	for rank, try := range tries {
		if try.unknown {
			ranks += rank
		}
	}
	// How often a random unknown name takes longer than a random wrong password
	// (Mann and Whitney): half of the time, give or take 0.075. A missing hash
	// makes it never.
	n := len(tries) / 2
	longer := float64(ranks-n*(n-1)/2) / float64(n*n)
	require.InDelta(t, 0.5, longer, 0.3)
}

func TestSignInMeetsTheEndOfItsAccount(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	s.WhileDeleting(t, ada, func() *testserver.Response {
		return s.Anonymous.Post("/api/auth/login", map[string]any{"username": "ada", "password": testserver.Password})
	}).WantError(401, "Username or password incorrect")
}
