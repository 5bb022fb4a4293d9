// Package browser drives a Chromium in tests, through WebDriver.
package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type object = map[string]any

// Browser is a Chromium with one window.
type Browser struct {
	t       *testing.T
	session string
}

// Start starts Chromium with a profile of its own. It fails the test where
// Debian's packages chromium and chromium-driver are not installed.
func Start(t *testing.T) *Browser {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	require.NoError(t, err, "apt-get install chromium")
	driver, err := exec.LookPath("chromedriver")
	require.NoError(t, err, "apt-get install chromium-driver")
	// Not the test's own folder: Chromium's processes may outlive the driver for a moment.
	home, err := os.MkdirTemp("", "nexterm-chromium-*")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(home) })

	b := &Browser{t: t, session: "http://127.0.0.1:" + startDriver(t, driver, home) + "/session"}
	var started struct{ SessionID string }
	b.Call(http.MethodPost, "", object{"capabilities": object{"alwaysMatch": object{
		"browserName": "chrome", "goog:loggingPrefs": object{"browser": "ALL"}, "timeouts": object{"script": 60_000},
		"goog:chromeOptions": object{"binary": chromium, "args": []string{
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--user-data-dir=" + home + "/profile",
		}},
	}}}, &started)
	b.session += "/" + started.SessionID
	// Runs before the driver is killed, so that it ends its browser first.
	t.Cleanup(func() { b.Call(http.MethodDelete, "", nil, nil) })
	return b
}

var announcement = regexp.MustCompile(`started successfully on port (\d+)`)

// startDriver returns the port of a driver. It wants one port of IPv4 and IPv6, and
// ends when the one that it has got of the first is taken in the second.
func startDriver(t *testing.T, driver, home string) (port string) {
	t.Helper()
	for range 10 {
		// The cleanup needs the driver, and the test's context has ended by then.
		command := exec.CommandContext(context.WithoutCancel(t.Context()), driver, "--port=0")
		command.Env = append(os.Environ(), "HOME="+home)
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		output, err := command.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, command.Start())
		for lines := bufio.NewScanner(output); port == "" && lines.Scan(); {
			if found := announcement.FindStringSubmatch(lines.Text()); found != nil {
				port = found[1]
			}
		}
		if port == "" {
			_ = command.Wait()
			continue
		}
		go func() { _, _ = io.Copy(io.Discard, output) }()
		t.Cleanup(func() {
			_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
			_ = command.Wait()
		})
		return port
	}
	require.FailNow(t, "chromedriver does not start")
	return ""
}

// Call sends one WebDriver command and reads the member value of its answer.
func (b *Browser) Call(method, path string, parameters object, value any) {
	b.t.Helper()
	var content bytes.Buffer
	if parameters != nil {
		require.NoError(b.t, json.NewEncoder(&content).Encode(parameters))
	}
	request, err := http.NewRequestWithContext(context.WithoutCancel(b.t.Context()), method, b.session+path, &content)
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

// AddAuthenticator plugs in a virtual authenticator that keeps credentials and
// verifies its user, and returns its id.
func (b *Browser) AddAuthenticator() (id string) {
	b.t.Helper()
	b.Call(http.MethodPost, "/webauthn/authenticator", object{
		"protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
		"isUserConsenting": true, "isUserVerified": true,
	}, &id)
	return id
}

func (b *Browser) SetUserVerified(authenticator string, verified bool) {
	b.t.Helper()
	b.Call(http.MethodPost, "/webauthn/authenticator/"+authenticator+"/uv", object{"isUserVerified": verified}, nil)
}

func (b *Browser) Open(url string) {
	b.t.Helper()
	b.Call(http.MethodPost, "/url", object{"url": url}, nil)
}

// Eval runs the body of a function in the page and reads what it returns, or what the promise that
// it returns comes to.
func (b *Browser) Eval(value any, script string, arguments ...any) {
	b.t.Helper()
	if arguments == nil {
		arguments = []any{}
	}
	b.Call(http.MethodPost, "/execute/sync", object{"script": script, "args": arguments}, value)
}

// Show makes the page as large as on a device, in CSS pixels, with colors that are "light" or "dark".
func (b *Browser) Show(width, height int, colors string) {
	b.t.Helper()
	b.devtools("Emulation.setDeviceMetricsOverride", object{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
	b.devtools("Emulation.setEmulatedMedia", object{"features": []object{{"name": "prefers-color-scheme", "value": colors}}})
}

func (b *Browser) devtools(command string, parameters object) {
	b.t.Helper()
	b.Call(http.MethodPost, "/goog/cdp/execute", object{"cmd": command, "params": parameters}, nil)
}

// Screenshot writes what is seen of the page to a PNG among the test's artifacts.
func (b *Browser) Screenshot(name string) {
	b.t.Helper()
	var picture []byte
	b.Call(http.MethodGet, "/screenshot", nil, &picture)
	require.NoError(b.t, os.WriteFile(filepath.Join(b.t.ArtifactDir(), name+".png"), picture, 0o600))
}

// Console returns what has come up in the browser's console since it was last asked, answers with
// an error status among them.
func (b *Browser) Console() (messages []string) {
	b.t.Helper()
	var entries []struct{ Message string }
	b.Call(http.MethodPost, "/se/log", object{"type": "browser"}, &entries)
	for _, entry := range entries {
		messages = append(messages, entry.Message)
	}
	return messages
}
