package access_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// browser is a Chromium that is driven through WebDriver.
type browser struct {
	t       *testing.T
	session string
}

// startBrowser starts Chromium with a profile of its own. It fails the test
// where Debian's packages chromium and chromium-driver are not installed.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	require.NoError(t, err, "apt-get install chromium")
	driver, err := exec.LookPath("chromedriver")
	require.NoError(t, err, "apt-get install chromium-driver")
	// Not the test's own folder: Chromium's processes may outlive the driver for a moment.
	home, err := os.MkdirTemp("", "nexterm-chromium-*")
	require.NoError(t, err)

	command := exec.Command(driver, "--port=0")
	command.Env = append(os.Environ(), "HOME="+home)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		_ = command.Wait()
		_ = os.RemoveAll(home)
	})

	b := &browser{t: t, session: "http://127.0.0.1:" + portFrom(t, output) + "/session"}
	var started struct{ SessionID string }
	b.call(http.MethodPost, "", body{"capabilities": body{"alwaysMatch": body{
		"browserName": "chrome", "timeouts": body{"script": 60_000},
		"goog:chromeOptions": body{"binary": chromium, "args": []string{
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--user-data-dir=" + home + "/profile",
		}},
	}}}, &started)
	b.session += "/" + started.SessionID
	// Runs before the driver is killed, so that it ends its browser first.
	t.Cleanup(func() { b.call(http.MethodDelete, "", nil, nil) })
	return b
}

var announcement = regexp.MustCompile(`started successfully on port (\d+)`)

func portFrom(t *testing.T, output io.Reader) string {
	t.Helper()
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if found := announcement.FindStringSubmatch(lines.Text()); found != nil {
			go func() { _, _ = io.Copy(io.Discard, output) }()
			return found[1]
		}
	}
	require.FailNow(t, "chromedriver has ended without a port")
	return ""
}

// call sends one WebDriver command and reads the member value of its answer.
func (b *browser) call(method, path string, parameters body, value any) {
	b.t.Helper()
	var content bytes.Buffer
	if parameters != nil {
		require.NoError(b.t, json.NewEncoder(&content).Encode(parameters))
	}
	// Cleanups use this too, and the test's context has ended by then.
	request, err := http.NewRequest(method, b.session+path, &content)
	require.NoError(b.t, err)
	client := http.Client{Timeout: 2 * time.Minute}
	answer, err := client.Do(request)
	require.NoError(b.t, err)
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	require.NoError(b.t, err)
	require.Equal(b.t, http.StatusOK, answer.StatusCode, "%s %s: %s", method, path, read)
	if value != nil {
		require.NoError(b.t, json.Unmarshal(read, &struct{ Value any }{value}), "%s", read)
	}
}

// addAuthenticator plugs in a virtual authenticator that keeps credentials and
// verifies its user, and returns its id.
func (b *browser) addAuthenticator() (id string) {
	b.t.Helper()
	b.call(http.MethodPost, "/webauthn/authenticator", body{
		"protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
		"isUserConsenting": true, "isUserVerified": true,
	}, &id)
	return id
}

func (b *browser) setUserVerified(authenticator string, verified bool) {
	b.t.Helper()
	b.call(http.MethodPost, "/webauthn/authenticator/"+authenticator+"/uv", body{"isUserVerified": verified}, nil)
}

func (b *browser) open(url string) {
	b.t.Helper()
	b.call(http.MethodPost, "/url", body{"url": url}, nil)
}

// scriptAnswer is what a function of the page returns of a request.
type scriptAnswer struct {
	Status int
	Body   struct{ Token, Message string }
	Error  string
}

// run calls a function of the page and waits for its promise.
func (b *browser) run(function string, arguments ...any) (a scriptAnswer) {
	b.t.Helper()
	script := fmt.Sprintf(`const done = arguments[arguments.length - 1];
		%s(...Array.from(arguments).slice(0, -1)).then(done, error => done({error: String(error)}));`, function)
	if arguments == nil {
		arguments = []any{}
	}
	b.call(http.MethodPost, "/execute/async", body{"script": script, "args": arguments}, &a)
	return a
}
