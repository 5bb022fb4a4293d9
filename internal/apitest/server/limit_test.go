package server_test

import (
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const tooMany = "Too many authentication attempts. Please try again later."

func loginLimit(limit int) func(*server.Options) {
	return func(o *server.Options) { o.LoginLimit = limit }
}

func deviceLimit(limit int) func(*server.Options) {
	return func(o *server.Options) { o.DeviceLimit = limit }
}

// failLogin fails cheaply: a bad body counts like a bad password.
func failLogin(c *testserver.Client) *testserver.Response { return c.Post("/api/auth/login", "{") }

func signIn(c *testserver.Client, username string) *testserver.Response {
	return c.Post("/api/auth/login", map[string]any{"username": username, "password": testserver.Password})
}

func remaining(t *testing.T, r *testserver.Response, limit, left int) {
	t.Helper()
	require.Equal(t, strconv.Itoa(limit)+";w=900", r.Header.Get("RateLimit-Policy"))
	require.Equal(t, strconv.Itoa(limit), r.Header.Get("RateLimit-Limit"))
	require.Equal(t, strconv.Itoa(left), r.Header.Get("RateLimit-Remaining"))
	seconds, err := strconv.Atoi(r.Header.Get("RateLimit-Reset"))
	require.NoError(t, err)
	require.Greater(t, seconds, 800)
	require.LessOrEqual(t, seconds, 900)
}

func TestLoginLimit(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, loginLimit(0)) // the default
	wrong := map[string]any{"username": "owner", "password": "wrong"}
	for attempt := range server.DefaultLoginLimit {
		// Now and then a real one; hashing takes its time.
		body, status := any("{"), 400
		if attempt%5 == 4 {
			body, status = wrong, 401
		}
		failed := s.Anonymous.Post("/api/auth/login", body).Want(status)
		remaining(t, failed, 20, 19-attempt)
		require.Empty(t, failed.Header.Get("Retry-After"))
	}
	answer := signIn(s.Anonymous, "owner")
	answer.WantError(429, tooMany)
	remaining(t, answer, 20, 0)
	require.Equal(t, answer.Header.Get("RateLimit-Reset"), answer.Header.Get("Retry-After"))
	require.Empty(t, answer.Header.Get("X-RateLimit-Limit"))
	failLogin(s.Anonymous).WantError(429, tooMany)
	s.Anonymous.Post("/api/account/register", "{").WantError(429, tooMany)
	s.Owner.Get("/api/account/me").Want(200)
	require.Empty(t, s.Owner.Get("/api/account/me").Header.Get("RateLimit-Limit"))

	s.Exec(t, `update rate_limits set window_ends_at = now()`)
	remaining(t, failLogin(s.Anonymous).Want(400), 20, 19)
}

func TestSuccessIsHandedBack(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, loginLimit(2))
	for range 4 {
		remaining(t, signIn(s.Anonymous, "owner").Want(200), 2, 2)
	}
	remaining(t, failLogin(s.Anonymous).Want(400), 2, 1)
	for range 3 {
		remaining(t, signIn(s.Anonymous, "owner").Want(200), 2, 1)
	}
	remaining(t, failLogin(s.Anonymous).Want(400), 2, 0)
	signIn(s.Anonymous, "owner").WantError(429, tooMany)
	s.Exec(t, `update rate_limits set hits = 1`)
	remaining(t, signIn(s.Anonymous, "owner").Want(200), 2, 1)
}

// Those who sign in at the same time behind one address do not keep each other out,
// not even where hardly a failure is left to them.
func TestCorrectSignInsAtOnce(t *testing.T) {
	t.Parallel()
	one := testserver.New(t, loginLimit(0))
	two := testserver.Serve(t, one.Pool, one.Vault, loginLimit(0))
	signIns := func(count int, servers ...*testserver.Server) []int {
		var requests []func() *testserver.Response
		for i := range count {
			requests = append(requests, func() *testserver.Response { return signIn(servers[i%len(servers)].Anonymous, "owner") })
		}
		return testserver.AtOnce(requests...)
	}
	require.Equal(t, slices.Repeat([]int{200}, 40), signIns(40, one, two))
	for range server.DefaultLoginLimit - 1 {
		failLogin(one.Anonymous).Want(400)
	}
	require.Equal(t, slices.Repeat([]int{200}, 10), signIns(10, one))
	remaining(t, failLogin(one.Anonymous).Want(400), 20, 0)
	signIn(one.Anonymous, "owner").WantError(429, tooMany)
}

// What the server itself could not do is no failure of the network's.
func TestTheServersFailuresDoNotCount(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	served := own(t, s, loginLimit(1))
	locked, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = locked.Exec(t.Context(), `lock table sessions in access exclusive mode`)
	require.NoError(t, err)
	signIn(served.Anonymous, "owner").Want(503)
	require.NoError(t, locked.Rollback(t.Context()))
	remaining(t, signIn(served.Anonymous, "owner").Want(200), 1, 1)
}

func TestRegisterSharesTheCounter(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t, loginLimit(3))
	account := func(name string) map[string]any {
		return map[string]any{"username": name, "password": "secret", "firstName": "A", "lastName": "B"}
	}
	remaining(t, s.Anonymous.Post("/api/account/register", account("first")).Want(200), 3, 3)
	remaining(t, s.Anonymous.Post("/api/account/register", account("second")).Want(403), 3, 2)
	remaining(t, failLogin(s.Anonymous).Want(400), 3, 1)
	remaining(t, s.Anonymous.Post("/api/account/register", "{").Want(400), 3, 0)
	failLogin(s.Anonymous).WantError(429, tooMany)
}

// However many arrive at once, and wherever, no more than the limit pass.
func TestServersShareTheCounter(t *testing.T) {
	t.Parallel()
	one := testserver.New(t, loginLimit(10))
	two := testserver.Serve(t, one.Pool, one.Vault, loginLimit(10))
	var wait sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range 30 {
		wait.Go(func() {
			status := failLogin([]*testserver.Client{one.Anonymous, two.Anonymous}[i%2]).Status
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	wait.Wait()
	require.Equal(t, map[int]int{400: 10, 429: 20}, statuses)
	signIn(two.Anonymous, "owner").WantError(429, tooMany)
}

func TestForwardedAddressesCountOnlyWhenTrusted(t *testing.T) {
	t.Parallel()
	from := func(s *testserver.Server, addresses string) *testserver.Client {
		return s.Anonymous.With("X-Forwarded-For", addresses)
	}
	plain := testserver.New(t, loginLimit(1))
	failLogin(from(plain, "192.0.2.1")).Want(400)
	failLogin(from(plain, "192.0.2.2")).Want(429)

	hop := testserver.Serve(t, plain.Pool, plain.Vault, loginLimit(1), testserver.TrustProxies(t, "1"))
	failLogin(from(hop, "192.0.2.1")).Want(400)
	failLogin(from(hop, "192.0.2.2")).Want(400)
	failLogin(from(hop, "203.0.113.9, 192.0.2.2")).Want(429)
	failLogin(hop.Anonymous).Want(429) // the peer itself, counted above

	named := testserver.Serve(t, plain.Pool, plain.Vault, loginLimit(1), testserver.TrustProxies(t, "loopback, 198.51.100.0/24"))
	failLogin(from(named, "192.0.2.3, 198.51.100.1")).Want(400)
	failLogin(from(named, "192.0.2.3, 198.51.100.2")).Want(429)
	failLogin(from(named, "192.0.2.3, 203.0.113.1")).Want(400)
}

// One subscriber owns a whole /64.
func TestIPv6IsCountedByNetwork(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, loginLimit(1), testserver.TrustProxies(t, "1"))
	failLogin(s.Anonymous.With("X-Forwarded-For", "2001:db8:1:2::1")).Want(400)
	failLogin(s.Anonymous.With("X-Forwarded-For", "2001:db8:1:2:ffff::2")).Want(429)
	failLogin(s.Anonymous.With("X-Forwarded-For", "2001:db8:1:3::1")).Want(400)
	failLogin(s.Anonymous.With("X-Forwarded-For", "::ffff:192.0.2.1")).Want(400)
	failLogin(s.Anonymous.With("X-Forwarded-For", "192.0.2.1")).Want(429)
}
