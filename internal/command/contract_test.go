//go:build linux

package command

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testdb"
)

func TestDeploymentsAreHeldAgainstTheContract(t *testing.T) {
	t.Parallel()
	database := testdb.URL(t)
	address, _ := start(t, database)
	mustRun(t, database, "password", "account", "create", "ada", "--admin", "--password-stdin")
	_, token := signIn(t, address, "ada", "password")
	accounts := mustRun(t, database, "", "account", "list")

	said := mustRun(t, database, token+"\n", "contract", "--url", address, "--token", "-")
	require.Contains(t, said, "ok       200  getMe\n")
	require.Contains(t, said, "refused  404  getEntry                          Entry not found\n", "there is none")
	require.NotContains(t, said, "createEntry")
	require.Regexp(t, `\n\d+ operations: \d+ ok, \d+ refused as the contract says, 0 failed\n$`, said)
	require.Equal(t, accounts, mustRun(t, database, "", "account", "list"))

	said = mustRun(t, database, "", "contract", "--url", address+"/", "--token", token, "--write")
	require.Contains(t, said, "ok       200  createEntry\n")
	require.Contains(t, said, "ok       200  getEntry\n")
	require.Equal(t, accounts, mustRun(t, database, "", "account", "list"), "all that was made is gone")
	require.Contains(t, said, "ok       200  updateMonitoringSettings\n")
	require.NotContains(t, said, "valid origin")
	conn, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	var settings string
	require.NoError(t, conn.QueryRow(t.Context(), `select concat_ws(' ', status_interval, data_retention_hours) from monitoring_settings`).Scan(&settings))
	require.Equal(t, "30 24", settings, "nobody's samples are deleted")

	// One that a proxy has broken.
	target, err := url.Parse(address)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/service/limits" {
			proxy.ServeHTTP(w, r)
			return
		}
		var body bytes.Buffer
		body.WriteString(`{"entries": "many\u001b[2J"}`)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
		_, _ = body.WriteTo(w)
	}))
	t.Cleanup(broken.Close)
	said, err = run(t, database, "", "contract", "--url", broken.URL, "--token", token)
	require.EqualError(t, err, "nexterm: there are answers outside the contract")
	require.Contains(t, said, "FAILED   200  getLimits")
	require.Contains(t, said, ", 1 failed\n")
	require.NotContains(t, said, "\x1b")

	for refused, args := range map[string][]string{
		"the token is not accepted":             {"--url", address, "--token", strings.Repeat("0", 96)},
		"that is no nexterm":                    {"--url", httptest.NewServer(http.NotFoundHandler()).URL, "--token", token},
		"connection refused":                    {"--url", "http://127.0.0.1:1", "--token", token},
		`required flag(s) "token" not set`:      {"--url", address},
		"unsupported protocol scheme \"ftp\"":   {"--url", "ftp://127.0.0.1", "--token", token},
		"unknown command \"now\" for \"nexterm": {"now"},
	} {
		_, err := run(t, database, "", append([]string{"contract"}, args...)...)
		require.ErrorContains(t, err, refused)
	}
}
