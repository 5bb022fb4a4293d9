//go:build linux

package cli_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestSignInWithPasswordAndCode(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var setup struct{ Secret string }
	s.Owner.Get("/api/account/totp/secret").Want(200).Into(&setup)
	now, err := totp.GenerateCode(setup.Secret, time.Now())
	require.NoError(t, err)
	s.Owner.Post("/api/account/totp/enable", map[string]any{"code": now}).Want(200)

	u := nobody(t)
	screen := u.terminal("login", s.URL, "-u", "owner")
	screen.awaitSecret("Password: ", testserver.Password+"\n")
	screen.awaitSecret("Code: ", now+"\n")
	shown, status := screen.end()
	require.Zero(t, status, shown)
	require.Equal(t, fmt.Sprintf("Password: \r\nCode: \r\nSigned in to %s as owner.\r\n", s.URL), shown)
	info, err := os.Stat(u.credentials())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.Equal(t, "[]\n", u.run("entry", "ls", "--json"))

	u.run("logout")
	require.NoFileExists(t, u.credentials())
	require.Equal(t, 1, s.Count(t, "sessions where account_id = $1", s.Owner.AccountID), "the seeded one")
	u.refused(3, "not signed in: run `nexterm login URL`, or set NEXTERM_URL and NEXTERM_TOKEN", "entry", "ls")
	u.refused(3, "not signed in: run `nexterm login URL`, or set NEXTERM_URL and NEXTERM_TOKEN", "logout")
}

func TestScriptsSignInByStdin(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := nobody(t)
	require.Zero(t, u.pipe(testserver.Password+"\r\n", "login", s.URL, "-u", "owner", "--password-stdin").status)
	require.Equal(t, outcome{"", "nexterm: Username or password incorrect\n", 3}, u.pipe("wrong\n", "login", "-u", "owner", "--password-stdin"))
	require.Equal(t, "[]\n", u.run("entry", "ls", "--json"), "the session of before")
	require.Equal(t, 1, s.Count(t, "sessions where account_id = $1 and user_agent like 'nexterm-cli/%'", s.Owner.AccountID))
	u.refused(2, "there is no terminal to ask at; use --password-stdin, or set NEXTERM_URL and NEXTERM_TOKEN to an API key", "login", "-u", "owner")
	u.refused(2, "--password-stdin needs --username", "login", "--password-stdin")
	nobody(t).refused(2, "which server? run `nexterm login URL`", "login")

	// Another sign-in ends the session that it takes the place of.
	require.Zero(t, u.pipe(testserver.Password, "login", "-u", "colleague", "--password-stdin").status)
	require.Zero(t, s.Count(t, "sessions where account_id = $1 and user_agent like 'nexterm-cli/%'", s.Owner.AccountID))
	s.Colleague.Get("/api/account/totp/secret").Want(200)
	s.Exec(t, `update accounts set totp_enabled = true where id = $1`, s.Colleague.AccountID)
	require.Equal(t, outcome{"", "nexterm: the account needs a TOTP code; give it in the second line\n", 2},
		u.pipe(testserver.Password, "login", "-u", "colleague", "--password-stdin"))
}

func TestSignInByApproval(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := nobody(t)
	screen := u.terminal("login", s.URL)
	screen.await("\n", "")
	code := regexp.MustCompile(`\w{4}-\w{4}`).FindString(screen.text())
	owner := as(t, s, s.Owner)
	owner.refused(4, "Invalid or expired device code", "approve", "AAAA-AAAA")
	require.Equal(t, 2, owner.pipe("", "approve", code).status, "not without being asked")
	approval := owner.terminal("approve", strings.ToLower(code))
	approval.await("Approve? [y/N] ", "y\n")
	shown, status := approval.end()
	require.Zero(t, status, shown)
	require.Contains(t, shown, "nexterm-cli/0.0.0-test at 127.0.0.1 asks to be signed in as you.")
	shown, status = screen.end()
	require.Zero(t, status, shown)
	require.Contains(t, shown, "as owner.")
	require.Equal(t, "[]\n", u.run("entry", "ls", "--json"))
}

func TestPipelinesSignInByAnAPIKey(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := as(t, s, s.Owner)
	token := strings.TrimSpace(u.run("api-key", "create", "pipeline", "--expires-at", "2099-01-31"))
	require.Regexp(t, "pipeline  "+token[:10]+"…  never  2099-01-3", u.run("api-key", "ls"))
	require.NotContains(t, u.run("api-key", "ls", "--json"), token)
	pipeline := u.with("NEXTERM_TOKEN=" + token)
	pipeline.run("entry", "ls")
	pipeline.refused(3, "API keys cannot manage API keys", "api-key", "ls")
	u.run("api-key", "rm", "pipeline", "-y")
	pipeline.refused(3, "The provided API key is not valid; does NEXTERM_TOKEN still hold?", "entry", "ls")
}

func TestInterruptedSignInGivesTheTerminalBack(t *testing.T) {
	t.Parallel()
	screen := nobody(t).terminal("login", "http://127.0.0.1:1", "-u", "owner")
	screen.awaitSecret("Password: ", "half\x03")
	shown, status := screen.end()
	require.Equal(t, 130, status)
	require.Equal(t, "Password: \r\nnexterm: interrupted\r\n", strings.ReplaceAll(shown, "^C", ""))
}

func TestCredentialsThatOthersCanReadAreMended(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := nobody(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(u.credentials()), 0o755))
	require.NoError(t, os.WriteFile(u.credentials(), fmt.Appendf(nil, `{"url":%q,"token":%q}`, s.URL, s.Owner.Token), 0o644))
	o := u.pipe("", "entry", "ls", "--json")
	require.Equal(t, outcome{"[]\n", "warning: others could read " + u.credentials() + " until now; if they may have, run `nexterm logout` and sign in again\n", 0}, o)
	require.Empty(t, u.pipe("", "entry", "ls").err)
	require.NoError(t, os.WriteFile(u.credentials(), []byte(`{"url":`), 0o600))
	u.refused(1, u.credentials()+" is damaged: run `nexterm login URL` again", "entry", "ls")
}

// A file system that takes nothing more has the old file stay, and no session be left.
func TestCredentialsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := nobody(t)
	require.Zero(t, u.pipe(testserver.Password, "login", s.URL, "-u", "owner", "--password-stdin").status)
	before, err := os.ReadFile(u.credentials())
	require.NoError(t, err)
	full := exec.Command("sh", "-c", `ulimit -f 0; exec "$0" login -u colleague --password-stdin`, u.program().Path)
	full.Env, full.Stdin = u.env, strings.NewReader(testserver.Password)
	said, err := full.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(said), "nexterm: the session cannot be kept: write ")
	after, err := os.ReadFile(u.credentials())
	require.NoError(t, err)
	require.Equal(t, before, after)
	files, err := os.ReadDir(filepath.Dir(u.credentials()))
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.Zero(t, s.Count(t, "sessions where account_id = $1 and user_agent like 'nexterm-cli/%'", s.Colleague.AccountID))
}

func TestWhatDoesNotFitIsSaid(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := as(t, s, s.Owner)
	u.with("NEXTERM_TOKEN=").refused(3, "not signed in: run `nexterm login URL`, or set NEXTERM_URL and NEXTERM_TOKEN", "entry", "ls")
	u.with("NEXTERM_URL=").refused(2, "NEXTERM_TOKEN is set, and NEXTERM_URL is not, which says whose it is", "entry", "ls")
	u.with("NEXTERM_TOKEN=gone").refused(3, "The provided token is not valid; does NEXTERM_TOKEN still hold?", "entry", "ls")
	u.with("NEXTERM_URL=ftp://host").refused(2, `the address of the server, "ftp://host", is not like https://nexterm.example.com`, "entry", "ls")
	u.refused(2, "--json and --yaml exclude each other", "entry", "ls", "--json", "--yaml")
	u.refused(2, "unknown flag: --nope; see `nexterm entry ls --help`", "entry", "ls", "--nope")

	o := u.with("NEXTERM_URL=http://127.0.0.1:1").pipe("", "entry", "ls")
	require.Equal(t, outcome{"", "nexterm: http://127.0.0.1:1: the server does not answer: dial tcp 127.0.0.1:1: connect: connection refused\n", 6}, o)

	// A session that has expired.
	signed := nobody(t)
	require.Zero(t, signed.pipe(testserver.Password, "login", s.URL, "-u", "owner", "--password-stdin").status)
	signed.with("NEXTERM_URL="+s.URL).run("entry", "ls")
	signed.with("NEXTERM_URL=https://192.0.2.1").refused(2, "NEXTERM_URL is https://192.0.2.1, and the session is of "+s.URL+": run `nexterm login`, or set NEXTERM_TOKEN", "entry", "ls")
	s.Exec(t, `delete from sessions where user_agent like 'nexterm-cli/%'`)
	signed.refused(3, "The provided token is not valid; sign in again with `nexterm login`", "entry", "ls")
	require.Zero(t, signed.pipe("", "logout").status)

	// A server that is away has the session be forgotten here all the same.
	away := nobody(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(away.credentials()), 0o700))
	require.NoError(t, os.WriteFile(away.credentials(), []byte(`{"url":"http://127.0.0.1:1","token":"token"}`), 0o600))
	away.refused(6, "the session is forgotten here, and goes on at the server: the server does not answer: dial tcp 127.0.0.1:1: connect: connection refused", "logout")
	require.NoFileExists(t, away.credentials())

	other := nobody(t).with(asNexterm + "=0.7.3")
	said := other.pipe(testserver.Password, "login", s.URL, "-u", "owner", "--password-stdin")
	require.Equal(t, "warning: The server is of version 0.0.0-test and this command of 0.7.3: what only one of them knows does not work until the older one is updated.\n"+
		"Signed in to "+s.URL+" as owner.\n", said.err)
}

func TestWhatIsNoServerIsSaid(t *testing.T) {
	t.Parallel()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/old/api/service/version":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"version":"0.9.1\u001b[2J"}`)
		case strings.HasPrefix(path, "/old/"):
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"code":404,"message":"There is nothing at this path"}`)
		case strings.HasPrefix(path, "/broken/"):
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Request-Id", "0123")
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, `{"code":500,"message":"Something\u001b]0;evil\u0007 went wrong"}`)
		default:
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>Welcome</html>")
		}
	}))
	t.Cleanup(page.Close)
	u := nobody(t).with("NEXTERM_TOKEN=token")
	u.with("NEXTERM_URL="+page.URL).refused(1, page.URL+": the answer is text/html, not JSON; is this the address of a nexterm server?", "entry", "ls")
	u.with("NEXTERM_URL="+page.URL+"/old").refused(4, "There is nothing at this path\nThe server is of version 0.9.1�[2J and this command of 0.0.0-test: what only one of them knows does not work until the older one is updated.", "entry", "ls")
	u.with("NEXTERM_URL="+page.URL+"/broken").refused(1, "Something�]0;evil� went wrong (request 0123)", "entry", "ls")
	u.refused(1, page.URL+": the answer is text/html, not JSON; is this the address of a nexterm server?", "login", page.URL)
	u.refused(2, "the address of the server has more to it than scheme, host and path", "login", "http://ada:secret@192.0.2.1")
	o := u.pipe("x", "login", "http://192.0.2.1:1/\x1b", "-u", "owner", "--password-stdin")
	require.Equal(t, 2, o.status)
	require.NotContains(t, o.err, "\x1b")
}

func TestCertificatesOfOnesOwn(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	to, err := url.Parse(s.URL)
	require.NoError(t, err)
	proxy := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(to))
	proxy.Config.ErrorLog = log.New(io.Discard, "", 0)
	proxy.StartTLS()
	t.Cleanup(proxy.Close)
	u := as(t, s, s.Owner).with("NEXTERM_URL=" + proxy.URL)
	o := u.pipe("", "entry", "ls")
	require.Equal(t, 6, o.status)
	require.Regexp(t, `^nexterm: https://\S+: the server's certificate is not to be trusted: .*; SSL_CERT_FILE can name the certificate of an authority of your own\n$`, o.err)
	file := filepath.Join(u.home, "authority.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw}), 0o600))
	u.with("SSL_CERT_FILE="+file).run("entry", "ls")
}

func TestOpenConnectionsAreWarnedOf(t *testing.T) {
	t.Parallel()
	u := nobody(t)
	for address, warned := range map[string]bool{
		"http://127.0.0.2:1": false, "http://localhost:1": false, "http://[::1]:1": false, "http://no.such.host.invalid": true, "https://127.0.0.1:1": false, "127.0.0.1:1": false,
	} {
		o := u.pipe("x", "login", address, "-u", "owner", "--password-stdin")
		require.Equal(t, 6, o.status, o.err)
		require.Equal(t, warned, strings.HasPrefix(o.err, "warning: nothing is encrypted on the way to "+address), o.err)
	}
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = full.Close() })
	for _, format := range []string{"--json", "--yaml", "--json=false"} {
		program := as(t, s, s.Owner).program("org", "ls", format)
		var errs strings.Builder
		program.Stdout, program.Stderr = full, &errs
		require.Error(t, program.Run())
		require.Equal(t, "nexterm: write /dev/stdout: no space left on device\n", errs.String())
	}
}

// Whoever reads only the beginning, as head does, ends the command without a word.
func TestNobodyReadsOn(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	program := as(t, s, s.Owner).program("entry", "ls")
	out, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, out.Close())
	var errs strings.Builder
	program.Stderr = &errs
	require.Error(t, program.Run())
	require.Equal(t, syscall.SIGPIPE, program.ProcessState.Sys().(syscall.WaitStatus).Signal())
	require.Empty(t, errs.String())
}
