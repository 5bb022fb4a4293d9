package connection_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

const printHostile = `printf '\033]8;;https://evil.example\033\\link\033]8;;\033\\ \033]2;owned\a\033]52;c;b3duZWQ=\a<img src=x onerror="window.harmed=1">\033[38;2;10;200;30mgreen\033[0m done\n'` + "\n"

func TestChromiumOpensTerminals(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, first := openSSH(t, s.Owner, nil, "AcceptEnv NOTHING")
	second := newIdentity(s.Owner, "not used")
	s.Owner.Patch(fmt.Sprint("/api/entry/", entry), object{"identities": []int64{second, first}}).Want(200)
	s.Owner.Put("/api/entry", object{"name": "desktop", "config": object{"protocol": "rdp", "ip": "127.0.0.1", "port": 3389}}).Want(200)

	_, telnet := telnetHost(t, s.Owner, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "\xff\xfb\x01switch login: ")
		_, _ = io.Copy(conn, conn)
	}, nil)
	s.Owner.Patch(fmt.Sprint("/api/entry/", telnet), object{"name": "switch1"}).Want(200)

	url, cut := relay(t, s.URL)
	p := openPage(t, url, "light")
	var hosts, identities []string
	p.Eval(&hosts, `return [...document.querySelectorAll("#choice [name=entry] option")].map(option => option.textContent)`)
	require.Equal(t, []string{"switch1 (127.0.0.1, Telnet)", "web1 (127.0.0.1)"}, hosts, "no desktops")
	p.choose(object{"entry": entry})
	p.Eval(&identities, `return [...document.querySelectorAll("#choice [name=identity] option")].map(option => option.textContent)`)
	require.Len(t, identities, 3)
	require.Equal(t, "password (somebody)", identities[0], "the default is the first")
	p.Screenshot("choice")
	p.connect(object{"identity": fmt.Sprint(first)})
	p.wait(`document.getElementById("connection").dataset.kind === "live"`)
	p.keys("PS1='web1:~$ '; clear; echo hel''lo\n")
	p.see("hello\n")

	p.Eval(nil, `const pasted = new DataTransfer(); pasted.setData("text/plain", "echo pas''ted\n");
		document.activeElement.dispatchEvent(new ClipboardEvent("paste", {clipboardData: pasted, bubbles: true}))`)
	p.keys("\n")
	p.see("pasted\n")

	p.wantSize("rows > 25 && columns > 100")
	p.Show(700, 480, "dark")
	p.wantSize("rows < 25 && columns < 85")
	p.Show(1000, 640, "dark")
	p.wantSize("rows > 25 && columns > 100")

	p.keys("clear; " + printHostile)
	p.see("<img src=x onerror=\"window.harmed=1\">green done")
	p.Screenshot("terminal")
	var harm any
	p.Eval(&harm, `return window.harmed ?? document.querySelector("#screen a, #screen img")?.outerHTML ?? (document.title === "web1 – Nexterm terminal" ? null : document.title)`)
	require.Nil(t, harm)

	// What there was is there again after a reload and after a socket that is lost.
	p.Eval(nil, `location.reload()`)
	p.see("green done")
	var opened string
	p.Eval(&opened, `return location.hash`)
	require.Regexp(t, `^#connection=[0-9a-f-]{36}$`, opened)
	p.keys("\ue009\ue036") // Ctrl+F6
	p.wait(`document.activeElement.id === "end"`)
	p.click("#end")
	p.wait(`document.getElementById("ending").open`)
	p.click("#ending-no")
	cut()
	p.wait(`document.getElementById("connection").innerText === "Server away, trying again …"`)
	p.wait(`document.getElementById("connection").dataset.kind === "live"`)
	p.see("green done")
	p.keys("echo still''here\n")
	p.see("stillhere\n")
	p.Eval(nil, `location.hash = ""`)
	p.wait(`document.getElementById("running").checkVisibility()`)
	p.click("#running a")
	p.see("stillhere\n")
	p.click("#end")
	p.click("#ending-yes")
	p.wait(`document.getElementById("over").checkVisibility()`)
	require.Equal(t, "The connection has ended.", p.text("#words"))
	require.Empty(t, connections(s.Owner))

	// Who logs in there is between the host and the terminal.
	p.click("#other")
	p.choose(object{"entry": telnet})
	p.wait(`!document.querySelector("[name=identity]").checkVisibility()`)
	p.click("#choice .primary")
	p.see("switch login: ")
	p.keys("admin")
	p.see("switch login: admin")
	require.Empty(t, p.Console(), "nothing that the policy forbids")
}

func TestChromiumAnswersQuestions(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	key, file := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	_, hostKey := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	daemon := testssh.StartDaemon(t, hostKey, []xssh.PublicKey{key.PublicKey()}, "PasswordAuthentication yes")
	identity := func() int64 {
		return s.Owner.Put("/api/identity", object{"name": "key", "type": "ssh", "username": daemon.Username, "sshKey": file}).Want(200).ID()
	}
	one, other := identity(), identity()
	entry := newEntry(s.Owner, daemon.Port, nil, one, other)
	asking := testssh.Start(t, twoFactors())
	s.Owner.Put("/api/entry", object{
		"name": "web2", "organizationId": s.Organization, "config": object{"protocol": "ssh", "ip": "127.0.0.1", "port": asking.Port()},
	}).Want(200)
	s.Owner.Patch(fmt.Sprint("/api/audit/organizations/", s.Organization, "/settings"), object{"requireConnectionReason": true}).Want(200)

	// A login that is of no use, then the host's key changes.
	p := openPage(t, s.URL, "dark")
	p.connect(object{"entry": fmt.Sprint(entry), "identity": "another", "username": daemon.Username})
	for range 3 {
		p.see("'s password: ")
		p.keys("hunter2\n")
		p.wait(`!document.querySelector(".xterm-rows").innerText.includes("hunter2")`)
		time.Sleep(100 * time.Millisecond)
	}
	p.wait(`document.getElementById("words").innerText === "The connection has failed. Authentication failed."`)

	_, changed := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	daemon.SetHostKey(changed)
	p.click("#other")
	p.connect(object{"entry": fmt.Sprint(entry), "identity": fmt.Sprint(other)})
	p.see("Type replace to trust the new one: ")
	p.keys("replacX\ue003e\n") // and Backspace
	p.see("the new one: replace")
	p.keys("PS1='web1:~$ '; clear; echo he''re\n")
	p.see("here\n")
	daemon.Close()
	p.wait(`document.getElementById("words").innerText === "The connection has failed. Connection lost."`)

	// A second factor, where the organization wants to know why.
	p.click("#other")
	p.wait(`document.getElementById("choice").checkVisibility()`)
	var second string
	p.Eval(&second, `return [...document.querySelectorAll("#choice [name=entry] option")].find(option => option.textContent.startsWith("web2")).value`)
	p.connect(object{"entry": second, "identity": "another", "username": "somebody"})
	p.wait(`document.activeElement.name === "reason"`)
	p.connect(object{"reason": "maintenance"})
	p.see("Password: ")
	p.keys(testssh.Password + "\n")
	p.see("Code: ")
	p.keys("123456\n")
	p.see("ready$")
	p.keys("typed")
	p.see("ready$ typed")
	require.NotContains(t, p.text(".xterm-rows"), "123456")
	require.Equal(t, 1, s.Count(t, `connections where reason = 'maintenance'`))
	require.Empty(t, p.Console(), "nothing that the policy forbids")
}

func TestChromiumKeepsUpWithTerminals(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, _ := openSSH(t, s.Owner, object{"monitoringEnabled": true})
	p := openPage(t, s.URL, "dark")

	// The dialog of a host leads to a terminal there.
	p.Call(http.MethodPost, "/window", object{"handle": p.status}, nil)
	p.wait(`document.querySelector(".card a")`)
	p.click(".card a")
	p.wait(`document.getElementById("detail").open`)
	p.open("#detail header button")
	p.connect(object{"entry": fmt.Sprint(entry)})
	p.wait(`document.getElementById("connection").dataset.kind === "live"`)

	// A flood is more than a browser can draw; its end is what counts.
	p.keys(`PS1='web1:~$ '; clear; yes "$(printf '\033[31ma\033[32mb\033[0mc')" | head -n 1000000; echo; echo do''ne` + "\n")
	p.see("done\n")
	p.keys("echo af''ter\n")
	p.see("after\n")

	require.Empty(t, p.Console())

	// Terminals end with the sign-in, which is the status page's.
	var terminal string
	p.Call(http.MethodGet, "/window", nil, &terminal)
	p.Call(http.MethodPost, "/window", object{"handle": p.status}, nil)
	p.Eval(nil, `document.getElementById("detail").close(); document.getElementById("sign-out").click()`)
	p.Call(http.MethodPost, "/window", object{"handle": terminal}, nil)
	p.wait(`document.getElementById("words").innerText === "You are signed out, which has ended the connection."`)
	p.Open(s.URL + "/status/terminal.html?alone")
	p.wait(`document.getElementById("signed-out").checkVisibility()`)

	// An API key can open a connection and see none, so none is left of it.
	p.Call(http.MethodPost, "/window", object{"handle": p.status}, nil)
	p.Eval(nil, `const form = document.getElementById("token-form"); form.elements.token.value = arguments[0]; form.requestSubmit()`,
		s.NewAPIKey(t, s.Owner).Token)
	p.wait(`document.getElementById("open-terminal").checkVisibility()`)
	p.open("#open-terminal")
	p.connect(object{"entry": fmt.Sprint(entry)})
	p.wait(`document.getElementById("words").innerText.startsWith("Terminals need a sign-in")`)
	require.Eventually(t, func() bool { return len(connections(s.Owner)) == 0 }, patience, 20*time.Millisecond)
}
