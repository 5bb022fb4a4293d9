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
	p.choose(values)
	p.click("#choice button")
}

// choose fills in what to connect to.
func (p page) choose(values object) {
	p.t.Helper()
	p.wait(`document.getElementById("choice").checkVisibility()`)
	p.Eval(nil, `const form = document.getElementById("choice");
		for (const [name, value] of Object.entries(arguments[0])) {
			form.elements[name].value = value;
			form.elements[name].dispatchEvent(new Event("change"));
		}`, values)
}

// wantSize waits until the host knows a size of the terminal that is within these bounds.
func (p page) wantSize(within string) {
	p.t.Helper()
	p.wait(`document.querySelector(".xterm-rows")`)
	for end, holds := time.Now().Add(patience), false; !holds; time.Sleep(200 * time.Millisecond) {
		require.True(p.t, time.Now().Before(end), within)
		p.keys("clear; stty size\n")
		p.Eval(&holds, `const shown = /^(\d+)\s(\d+)$/m.exec(document.querySelector(".xterm-rows").innerText);
			if (!shown) return false;
			const [, rows, columns] = shown;
			return `+within)
	}
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
