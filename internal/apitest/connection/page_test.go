package connection_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testserver/browser"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// page is the terminal of /status in a browser, whose window is opened by the status page.
type page struct {
	*browser.Browser
	t      *testing.T
	status string
}

func openPage(t *testing.T, url, colors string) page {
	t.Helper()
	p := page{Browser: browser.Start(t), t: t}
	p.Open(url + "/status")
	p.Eval(nil, `const form = document.getElementById("password-form");
		form.elements.username.value = "owner"; form.elements.password.value = arguments[0]; form.requestSubmit()`, testserver.Password)
	p.wait(`document.getElementById("open-terminal").checkVisibility()`)
	p.Call(http.MethodGet, "/window", nil, &p.status)
	p.open("#open-terminal")
	p.Show(1000, 640, colors)
	p.wait(`document.querySelector("#choice select").options.length > 0`)
	return p
}

// open clicks on what opens a terminal, and goes to its window.
func (p page) open(selector string) {
	p.t.Helper()
	p.Call(http.MethodPost, "/window", object{"handle": p.status}, nil)
	var before, after []string
	p.Call(http.MethodGet, "/window/handles", nil, &before)
	p.click(selector)
	require.Eventually(p.t, func() bool {
		p.Call(http.MethodGet, "/window/handles", nil, &after)
		return len(after) == len(before)+1
	}, patience, 20*time.Millisecond)
	for _, handle := range after {
		if !strings.Contains(strings.Join(before, " "), handle) {
			p.Call(http.MethodPost, "/window", object{"handle": handle}, nil)
		}
	}
}

func (p page) wait(expression string, arguments ...any) {
	p.t.Helper()
	holds := false
	for end := time.Now().Add(patience); !holds && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		p.Eval(&holds, "return Boolean("+expression+")", arguments...)
	}
	if !holds {
		p.Screenshot("stuck")
		require.Fail(p.t, expression, "%q, shown: %s", arguments, p.text("body"))
	}
}

func (p page) text(selector string) (text string) {
	p.t.Helper()
	p.Eval(&text, `return document.querySelector(arguments[0]).innerText.replaceAll("\u00a0", " ")`, selector)
	return text
}

func (p page) element(method, path string, body object) string {
	p.t.Helper()
	var found map[string]string
	p.Call(method, path, body, &found)
	for _, id := range found {
		return "/element/" + id
	}
	return ""
}

// click is one of a person's, who may open windows.
func (p page) click(selector string) {
	p.t.Helper()
	p.Call(http.MethodPost, p.element(http.MethodPost, "/element", object{"using": "css selector", "value": selector})+"/click", object{}, nil)
}

// keys presses keys where the focus is.
func (p page) keys(text string) {
	p.t.Helper()
	p.Call(http.MethodPost, p.element(http.MethodGet, "/element/active", nil)+"/value", object{"text": text}, nil)
}

// see waits until the terminal shows a text.
func (p page) see(text string) {
	p.t.Helper()
	p.wait(`document.querySelector(".xterm-rows")?.innerText.replaceAll("\u00a0", " ").includes(arguments[0])`, text)
}

// connect chooses from the form and sends it.
func (p page) connect(values object) {
	p.t.Helper()
	p.wait(`document.getElementById("choice").checkVisibility()`)
	p.Eval(nil, `const form = document.getElementById("choice");
		for (const [name, value] of Object.entries(arguments[0])) {
			form.elements[name].value = value;
			form.elements[name].dispatchEvent(new Event("change"));
		}`, values)
	p.click("#choice button")
}

// wantSize waits until the host knows a size of the terminal that is within these bounds.
func (p page) wantSize(within string) {
	p.t.Helper()
	p.keys("clear; while sleep .1; do echo; stty size; done\n")
	p.wait(`[...document.querySelector(".xterm-rows").innerText.matchAll(/^(\d+)\s(\d+)$/mg)].slice(-1).some(([, rows, columns]) => ` + within + `)`)
	p.keys("\ue009c\ue000") // Ctrl+C
}

// relay stands between the browser and a server, and cuts all that goes through it.
func relay(t *testing.T, url string) (at string, cut func()) {
	t.Helper()
	var mu sync.Mutex
	var through []net.Conn
	between := testssh.Start(t, &testssh.Server{Play: func(conn net.Conn) {
		to, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			return
		}
		mu.Lock()
		through = append(through, conn, to)
		mu.Unlock()
		go func() {
			_, _ = io.Copy(to, conn)
			to.Close()
		}()
		_, _ = io.Copy(conn, to)
	}})
	return fmt.Sprint("http://127.0.0.1:", between.Port()), func() {
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range through {
			conn.Close()
		}
	}
}

const printHostile = `printf '\033]8;;https://evil.example\033\\link\033]8;;\033\\ \033]2;owned\a\033]52;c;b3duZWQ=\a<img src=x onerror="window.harmed=1">\033[38;2;10;200;30mgreen\033[0m done\n'` + "\n"

func TestChromiumOpensTerminals(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, first := openSSH(t, s.Owner, nil, "AcceptEnv NOTHING")
	second := newIdentity(s.Owner, "not used")
	s.Owner.Patch(fmt.Sprint("/api/entry/", entry), object{"identities": []int64{second, first}}).Want(200)
	s.Owner.Put("/api/entry", object{"name": "desktop", "config": object{"protocol": "rdp", "ip": "127.0.0.1", "port": 3389}}).Want(200)

	url, cut := relay(t, s.URL)
	p := openPage(t, url, "light")
	var hosts, identities []string
	p.Eval(&hosts, `return [...document.querySelectorAll("#choice [name=entry] option")].map(option => option.textContent)`)
	require.Equal(t, []string{"web1 (127.0.0.1)"}, hosts, "nothing but SSH")
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
