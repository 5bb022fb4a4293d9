//go:build linux

package cli_test

import (
	"crypto/md5"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestSourcesAreFetched(t *testing.T) {
	t.Parallel()
	const script = "echo hello\n"
	var away atomic.Bool
	shelf := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case away.Load():
			http.Error(w, "away", http.StatusBadGateway)
		case r.URL.Path == "/NTINDEX":
			fmt.Fprintf(w, "scripts/hello.sh@%x\n", md5.Sum([]byte(script)))
		default:
			fmt.Fprint(w, script)
		}
	}))
	t.Cleanup(shelf.Close)
	s := testserver.New(t, testserver.AllowLoopback)
	u := as(t, s, s.Admin)
	u.run("source", "create", "shelf", "--url", shelf.URL)
	require.Empty(t, u.run("source", "sync"))
	require.Contains(t, u.run("source", "ls"), "shelf  "+shelf.URL)

	bar := u.terminal("source", "sync", "shelf")
	shown, status := bar.end()
	require.Zero(t, status, shown)
	require.Contains(t, shown, "] 0 of 1\r[########################################] 1 of 1\r\n")

	away.Store(true)
	o := u.pipe("", "source", "sync", "shelf")
	require.Equal(t, 2, o.status)
	require.Regexp(t, "^nexterm: shelf: .*\n$", o.err)
	u.run("source", "rm", "shelf", "-y")
	as(t, s, s.Owner).refused(3, "Forbidden: the account may not do this; an administrator can permit it", "source", "sync")
}
