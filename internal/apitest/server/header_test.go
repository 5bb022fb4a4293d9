package server_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// wantPrivate expects what every answer keeps to: nobody stores it, and it neither
// sets cookies that its contract does not name nor lets pages of other origins read it.
func wantPrivate(t *testing.T, r *testserver.Response, o operation) {
	t.Helper()
	if o.OperationID != "getAvatar" || r.Status != http.StatusOK {
		assert.Equal(t, "no-store", r.Header.Get("Cache-Control"), "%s answered %d", o, r.Status)
	}
	assert.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"), "%s", o)
	if declared := o.Responses.Status(r.Status); declared == nil || declared.Value.Headers["Set-Cookie"] == nil {
		assert.NotContains(t, r.Header, "Set-Cookie", "%s", o)
	}
	for name := range r.Header {
		assert.False(t, strings.HasPrefix(name, "Access-Control-"), "%s answered with %s", o, name)
		assert.False(t, strings.HasPrefix(name, "X-Ratelimit"), "%s answered with %s", o, name)
	}
}

func TestAnswersAreForNobodyElse(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, manyLogins)
	from := func(c *testserver.Client) *testserver.Client {
		return c.With("Origin", "https://elsewhere.example").With("Cookie", "token="+s.Owner.Token+"; sessionToken="+s.Owner.Token)
	}
	for _, o := range contractOperations() {
		path := o.ownersPath(t, s)
		anonymous := o.send(from(s.Anonymous), path, "{")
		wantPrivate(t, anonymous, o)
		if !o.public() && !o.inQuery() {
			anonymous.WantError(400, o.withoutCredential()) // cookies are not read
		}
		query := ""
		if o.inQuery() {
			query = "?token=" + s.Owner.Token
		}
		wantPrivate(t, o.send(from(o.caller(s)), path+query, o.example(t)), o)

		preflight, _ := raw(t, http.MethodOptions, s.URL+path, http.Header{
			"Origin": {"https://elsewhere.example"}, "Access-Control-Request-Method": {o.method}, "Access-Control-Request-Headers": {"authorization"},
		}, "")
		wantPrivate(t, &testserver.Response{Status: preflight.StatusCode, Header: preflight.Header}, o)
	}
}

// wantStanding expects the four headers of a limit, and the fifth beyond it.
func wantStanding(t *testing.T, r *testserver.Response, policy string) {
	t.Helper()
	limit, window, _ := strings.Cut(policy, ";w=")
	require.Equal(t, policy, r.Header.Get("RateLimit-Policy"), r.Status)
	require.Equal(t, limit, r.Header.Get("RateLimit-Limit"))
	require.Regexp(t, "^[0-9]+$", r.Header.Get("RateLimit-Remaining"))
	reset, err := strconv.Atoi(r.Header.Get("RateLimit-Reset"))
	require.NoError(t, err)
	longest, err := strconv.Atoi(window)
	require.NoError(t, err)
	require.InDelta(t, longest, reset, 120)
	retry := ""
	if r.Status == http.StatusTooManyRequests {
		retry = r.Header.Get("RateLimit-Reset")
		require.Equal(t, "0", r.Header.Get("RateLimit-Remaining"))
	}
	require.Equal(t, retry, r.Header.Get("Retry-After"), r.Status)
}

func TestEveryAnswerOfALimitedOperationTellsHowItStands(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	strict := testserver.Serve(t, s.Pool, s.Vault, loginLimit(0), deviceLimit(0))
	policies := map[string]string{"login": "20;w=900", "begin": "100;w=900", "device": "10;w=3600", "share": "60;w=60"}
	var limited []string
	for _, o := range contractOperations() {
		name, is := o.Extensions["x-rate-limit"].(string)
		if !is {
			continue
		}
		limited = append(limited, o.OperationID)
		require.True(t, o.answers(http.StatusTooManyRequests), o)
		s.Exec(t, `delete from rate_limits`)
		for _, answer := range []*testserver.Response{
			o.send(strict.Anonymous, o.path, o.example(t)),
			o.send(strict.Anonymous, o.path, "{"),
			o.send(strict.Anonymous, o.path, map[string]any{"unknown": 1}),
			o.send(strict.Anonymous.With("Content-Type", "text/plain"), o.path, "x"),
			o.send(strict.Anonymous, o.path, strings.Repeat(" ", 100<<10+1)),
		} {
			require.NotEqual(t, http.StatusTooManyRequests, answer.Status)
			wantStanding(t, answer, policies[name])
		}
		s.Exec(t, `update rate_limits set hits = 1000`)
		beyond := o.send(strict.Anonymous, o.path, o.example(t)).Want(http.StatusTooManyRequests)
		wantStanding(t, beyond, policies[name])
	}
	slices.Sort(limited)
	require.Equal(t, []string{"beginOidcLogin", "beginPasskeyLogin", "createDeviceCode", "finishPasskeyLogin", "getSharedConnection", "login", "registerAccount"}, limited)
}
