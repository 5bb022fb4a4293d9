package connection_test

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testserver/browser"
	"github.com/nexterm-go/nexterm/internal/webclient"
)

// playerPage is a web client that plays the recording in its address.
var playerPage = map[string]string{
	"index.html": `<!doctype html><title>Player</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/asciinema-player.css"><body>
<script src="/asciinema-player.min.js"></script><script type="module" src="/index.js"></script>`,
	"index.js": `
const asked = new URLSearchParams(location.hash.slice(1))
const source = { url: asked.get("recording"), fetchOpts: { headers: { authorization: "Bearer " + asked.get("token") } } }
const player = AsciinemaPlayer.create(source, document.body, { autoPlay: true, idleTimeLimit: 0.5, fit: "none" })
player.addEventListener("ended", () => { window.ended = true })`,
}

func TestChromiumPlaysRecordings(t *testing.T) {
	t.Parallel()
	const packages = "../../../tools/asciinema"
	install := exec.CommandContext(t.Context(), "sh", "-c",
		"test node_modules/.package-lock.json -nt package-lock.json || npm ci --ignore-scripts --no-audit --no-fund")
	install.Dir = packages
	output, err := install.CombinedOutput()
	require.NoError(t, err, "apt-get install npm: %s", output)
	client := t.TempDir()
	require.NoError(t, os.CopyFS(client, os.DirFS(packages+"/node_modules/asciinema-player/dist/bundle")))
	for name, content := range playerPage {
		require.NoError(t, os.WriteFile(filepath.Join(client, name), []byte(content), 0o600))
	}

	s := testserver.New(t, func(o *server.Options) { o.Web = webclient.Folder(client) })
	entry, identity := openSSH(t, s.Owner, nil)
	recorded(t, s, entry)
	id := open(s.Owner, entry, object{"identityId": identity})
	shell := attach(t, s.Owner, "sessionId", id)
	shell.Send("\x0180,24")
	shell.Send("PS1='web1:~$ '; echo gone; clear\r")
	shell.see("gone\r\n")
	shell.see("web1:~$ ")
	shell.Send("\x0160,12")
	shell.Send("clear; printf '┌─ grüße ─┐ 日本 \\033[1;37;44m bold \\033[0m\\n'; " + strings.ReplaceAll(printHostile, "\n", "\r"))
	shell.see("done\r\n")
	shell.see("web1:~$ ")
	shell.Send("exit\r")
	shell.closed(1000, "Session terminated")
	isRecorded(t, s.Owner)

	_, path := auditLog(t, s, id)
	p := page{Browser: browser.Start(t), t: t}
	p.Show(800, 480, "dark")
	p.Open(s.URL + "/#" + url.Values{"recording": {path}, "token": {s.Owner.Token}}.Encode())
	p.wait("window.ended")
	p.Screenshot("player")
	var lines []string
	p.Eval(&lines, `return [...document.querySelector(".ap-term-text").children].map(line => line.textContent.trimEnd())`)
	require.Equal(t, []string{
		"┌─ grüße ─┐ 日本  bold", `link <img src=x onerror="window.harmed=1">green done`, "web1:~$ exit", "logout",
	}, lines[:4])
	require.Len(t, lines, 12, "as many as the terminal had at its end")
	var harm any
	p.Eval(&harm, `return window.harmed ?? (document.title === "Player" ? null : document.title)`)
	require.Nil(t, harm)
	require.Empty(t, p.Console(), "nothing that the policy forbids")
}
