package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestChromiumShowsHowHostsAre(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	c := s.Owner
	web, down := monitored(t, s, c, "web1.example.com", "online"), monitored(t, s, c, "db1.example.com", "offline")
	refused, fresh, odd := monitored(t, s, c, "mail.example.com", "online"), monitored(t, s, c, "new.example.com", ""), monitored(t, s, c, hostile, "online")
	monitored(t, s, s.Stranger, "foreign.example.com", "offline")
	for minutes := range 60 {
		switch {
		case minutes > 20 && minutes < 27: // nothing was tried
		case minutes > 40 && minutes < 44:
			store(t, s, failed(web, minutes, "offline", "Request timeout"))
		default:
			store(t, s, collected(web, minutes))
		}
	}
	strange := collected(odd, 0)
	strange["os_info"] = object{"hostname": hostile, "name": hostile, "version": hostile, "kernel": hostile, "architecture": hostile}
	for _, member := range []string{"disk", "network", "process_list"} {
		text, err := json.Marshal(strange[member])
		require.NoError(t, err)
		quoted, err := json.Marshal(hostile)
		require.NoError(t, err)
		text = []byte(strings.NewReplacer(`"/srv"`, string(quoted), `"wg0"`, string(quoted), `"root"`, string(quoted), `"/sbin/init"`, string(quoted)).Replace(string(text)))
		strange[member] = json.RawMessage(text)
	}
	store(t, s, strange, collected(down, 90), failed(refused, 0, "offline", "SSH authentication failed"))
	store(t, s, failed(down, 1, "offline", "Failed to connect to SSH host"))

	p := openPage(t, s)
	p.submit("password-form", object{"username": "owner", "password": "wrong"})
	p.wait(`document.getElementById("entrance-error").checkVisibility()`)
	require.Equal(t, "Username or password incorrect", p.text("#entrance-error"))
	p.wantQuiet("401 (Unauthorized)")
	p.signIn(object{"username": "owner", "password": testserver.Password})

	p.wait(`document.querySelectorAll(".card.filled").length === 5`)
	require.Equal(t, []string{"db1.example.com", "mail.example.com", "new.example.com", hostile, "web1.example.com"}, p.texts(".card h2"), "problems first")
	require.Equal(t, []string{"Offline", "Error", "Unknown", "Online", "Online"}, p.texts(".card .state"))
	require.Equal(t, []string{"All 5", "Error 1", "Offline 1", "Unknown 1", "Online 2"}, p.texts("#states .choice"))
	require.Equal(t, []string{"Failed to connect to SSH host. Last seen 1 h 30 min ago.", "SSH authentication failed.", "No monitoring data available."}, p.texts(".card .remark"))
	web1 := p.texts(".card")[4]
	for _, shown := range []string{"192.0.2.10:22 · Debian GNU/Linux 13", "CPU", "40 %", "Memory", "/srv", "61 %", "Load 0.42 0.31 0.25 · Up 11 d", "eth0 ↓ 90.0 GiB ↑ 20.0 GiB"} {
		require.Contains(t, web1, strings.ReplaceAll(shown, "40 %", fmt.Sprintf("%d %%", collected(web, 0)["cpu_usage"])))
	}
	p.Screenshot("overview")

	p.Eval(nil, `document.querySelector("input[value=offline]").click()`)
	require.Equal(t, []string{"db1.example.com"}, p.texts(".card h2"))
	p.Eval(nil, `document.querySelector("input[value=all]").click(); const text = document.getElementById("text"); text.value = "DEBIAN"; text.dispatchEvent(new Event("input", {bubbles: true}))`)
	require.Equal(t, []string{"db1.example.com", "web1.example.com"}, p.texts(".card h2"))
	p.Eval(nil, `const text = document.getElementById("text"); text.value = ""; text.dispatchEvent(new Event("input", {bubbles: true}))`)

	p.Eval(nil, `[...document.querySelectorAll(".card a")].find(link => link.textContent === "web1.example.com").click()`)
	p.wait(`document.querySelectorAll("#detail polyline.cpu").length === 3 && document.querySelectorAll("#detail .gap").length >= 3`)
	require.Equal(t, "web1.example.com", p.text("#detail h2"))
	require.Contains(t, p.text("#detail"), "postgres: checkpointer")
	p.Eval(nil, `document.querySelector("#detail .chart").dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowLeft"}))`)
	require.Regexp(t, `^\d\d:\d\d CPU \d+ %, memory 40 %$`, p.text("#detail .readout"))
	p.Screenshot("detail")
	p.Show(390, 844, "dark")
	p.Screenshot("detail-phone")
	p.Eval(nil, `document.querySelector("input[value='24h']").click()`)
	p.wait(`document.querySelector("#detail .chart").ariaLabel.includes("CPU") && document.querySelectorAll("#detail .axis").length > 4`)
	p.Eval(nil, `document.querySelector("#detail .close").click()`)
	require.Empty(t, p.texts("#detail"))
	p.Screenshot("overview-phone")
	p.Show(1280, 800, "dark")

	p.Eval(nil, `[...document.querySelectorAll(".card a")].find(link => link.textContent.startsWith("<img")).click()`)
	p.wait(`document.querySelectorAll("#detail table").length === 2`)
	require.GreaterOrEqual(t, strings.Count(p.text("#detail"), hostile), 8)
	var harmed any
	p.Eval(&harmed, `return window.harmed ?? document.querySelector("main img, dialog img, main script, dialog script")?.outerHTML ?? null`)
	require.Nil(t, harmed)
	p.Eval(nil, `document.querySelector("#detail .close").click()`)

	s.Exec(t, `update entries set status = 'offline' where id = $1`, web)
	tell(t, s, event.Event{Action: event.EntryOffline, Owner: caller.Account(c.AccountID), ResourceID: web})
	began := time.Now()
	p.wait(`[...document.querySelectorAll(".card")].some(card => card.dataset.state === "offline" && card.innerText.includes("web1"))`)
	require.Less(t, time.Since(began), 10*time.Second, "told by the socket, before the page asks again")

	p.network(false)
	tell(t, s, event.Event{Action: event.EntryOffline, Owner: caller.Account(c.AccountID), ResourceID: web})
	p.wait(`document.getElementById("connection").textContent === "Server away"`)
	require.Equal(t, "The server does not answer.", p.text("#overview-error"))
	require.Len(t, p.texts(".card"), 5, "what was known is still shown")
	p.network(true)
	p.wait(`document.getElementById("connection").textContent === "Live" && !document.getElementById("overview-error").checkVisibility()`)
	require.Contains(t, strings.Join(p.Console(), ""), "ERR_INTERNET_DISCONNECTED")

	c.Delete(fmt.Sprintf("/api/entry/%d", fresh)).Want(200)
	p.wait(`document.querySelectorAll(".card").length === 4`)

	sessions := s.Count(t, `sessions where account_id = $1`, c.AccountID)
	p.Eval(nil, `document.getElementById("sign-out").click()`)
	p.wait(entrance)
	require.Equal(t, sessions-1, s.Count(t, `sessions where account_id = $1`, c.AccountID))
	require.Empty(t, p.texts(".card"))
	p.wantQuiet()
}

func TestChromiumSignsInToTheStatusPage(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	c := s.Owner
	monitored(t, s, c, "web1.example.com", "online")
	sessions := func() int { return s.Count(t, `sessions where account_id = $1`, c.AccountID) }
	before := sessions()
	p := openPage(t, s)

	p.Open(s.URL + "/status#%")
	p.submit("token-form", object{"token": "no token at all"})
	p.wait(`document.getElementById("entrance-error").checkVisibility()`)
	require.Equal(t, "This is not a token.", p.text("#entrance-error"))
	p.submit("token-form", object{"token": s.NewAPIKey(t, c).Token})
	p.wait(`document.querySelectorAll(".card").length === 1`)
	p.wait(`document.querySelector("#connection").textContent === "Every 15 seconds"`)
	p.Open(s.URL + "/status")
	p.wait(entrance)
	p.wantQuiet()

	// A session that nobody else knows ends with the page; one that was brought along does not.
	password := object{"username": "owner", "password": testserver.Password}
	p.signIn(password)
	require.Equal(t, before+1, sessions())
	p.Open("about:blank")
	require.Eventually(t, func() bool { return sessions() == before }, 20*time.Second, 50*time.Millisecond)
	p.Open(s.URL + "/status")
	p.submit("token-form", object{"token": c.Token})
	p.wait(`document.querySelector("#connection").dataset.kind === "live"`)
	p.Eval(nil, `document.getElementById("sign-out").click()`)
	p.wait(entrance)
	require.Equal(t, before, sessions())

	// What is kept is there again, until the session ends.
	p.signIn(object{"username": "owner", "password": testserver.Password, "keep": true})
	p.Open(s.URL + "/status")
	p.wait(`document.querySelectorAll(".card").length === 1`)
	require.Equal(t, before+1, sessions())
	var stored string
	p.Eval(&stored, `return sessionStorage.getItem("nexterm.status") ?? ""`)
	require.Contains(t, stored, `"opened":true`)
	for _, session := range sessionIDs(t, s, c.AccountID)[1:] {
		c.Delete(fmt.Sprintf("/api/session/%d", session)).Want(200)
	}
	p.wait(entrance)
	require.Contains(t, p.text("#entrance-error"), "You are signed out")
	p.Eval(&stored, `return sessionStorage.getItem("nexterm.status") ?? ""`)
	require.Empty(t, stored)

	var secret struct{ Secret string }
	c.Get("/api/account/totp/secret").Want(200).Into(&secret)
	code := func(at time.Time) string {
		made, err := totp.GenerateCode(secret.Secret, at)
		require.NoError(t, err)
		return made
	}
	c.Post("/api/account/totp/enable", object{"code": code(time.Now())}).Want(200)
	p.Open(s.URL + "/status")
	p.submit("password-form", password)
	p.wait(`document.getElementById("code").checkVisibility() && document.activeElement.name === "code"`)
	password["code"] = code(time.Now().Add(30 * time.Second))
	p.signIn(password)

	limited := testserver.Serve(t, s.Pool, s.Vault, func(o *server.Options) { o.LoginLimit = 1 })
	p.Open(limited.URL + "/status")
	for range 2 {
		p.submit("password-form", object{"username": "nobody", "password": "wrong"})
		p.wait(`!document.querySelector("#password-form button").disabled`)
	}
	require.Regexp(t, `^Too many authentication attempts\. .* Next try in 1[45] min\.$`, p.text("#entrance-error"))
}

func sessionIDs(t *testing.T, s *testserver.Server, account int64) (ids []int64) {
	t.Helper()
	s.Scan(t, &ids, `select array_agg(id order by id) from sessions where account_id = $1`, account)
	return ids
}

func TestStatusPageIsServedByTheServer(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	require.Contains(t, string(s.Anonymous.Get("/status").Want(200).Body), "/status/app.js")
	script := s.Anonymous.Get("/status/app.js").Want(200)
	require.Equal(t, "text/javascript; charset=utf-8", script.Header.Get("Content-Type"))
	require.Equal(t, "no-cache", script.Header.Get("Cache-Control"))
	require.Contains(t, script.Header.Get("Content-Security-Policy"), "script-src 'self';")
	s.Anonymous.Get("/status/nothing.js").WantError(404, "Not Found")
	s.Anonymous.Post("/status", object{}).Want(405)
}
