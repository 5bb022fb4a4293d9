package server_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testserver/browser"
	"github.com/nexterm-go/nexterm/internal/webclient"
)

// withClient serves a web client of these files.
func withClient(t *testing.T, files map[string]string) (webclient.Folder, func(*server.Options)) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	return webclient.Folder(dir), func(o *server.Options) { o.Web = webclient.Folder(dir) }
}

func TestWebClientIsBesideTheAPI(t *testing.T) {
	t.Parallel()
	folder, with := withClient(t, map[string]string{"index.html": "<title>Client</title>", "api/x": "SECRET", "assets/a-Bc3dEf_1.js": "1", "healthz": "no"})
	s := testserver.New(t, with)
	for path, want := range map[string]string{
		"/": "<title>Client</title>", "/servers": "<title>Client</title>", "/servers/": "<title>Client</title>", "/apis": "<title>Client</title>",
		"/assets/a-Bc3dEf_1.js": "1", "/healthz": "ok\n",
	} {
		response, body := raw(t, http.MethodGet, s.URL+path, nil, "")
		require.Equal(t, http.StatusOK, response.StatusCode, path)
		require.Equal(t, want, body, path)
		head, body := raw(t, http.MethodHead, s.URL+path, nil, "")
		require.Equal(t, http.StatusOK, head.StatusCode, path)
		require.Empty(t, body)
		require.Equal(t, response.Header.Get("Content-Length"), head.Header.Get("Content-Length"), path)
	}
	for _, path := range []string{
		"/api", "/api/", "/api/x", "/api/nothing", "/api/identity/1/nothing", "/assets/b.js", "/assets", "/.env", "//x", "/..%2F..%2Fetc%2Fpasswd.txt",
		"/assets/..%2f..%2fx.js", "/%00.js", "/assets%5C..%5Cx.js", "/healthz/x.js",
	} {
		response, body := raw(t, http.MethodGet, s.URL+path, nil, "")
		wantShape(t, response, body, http.StatusNotFound)
		require.Equal(t, "no-store", response.Header.Get("Cache-Control"), path)
		require.Empty(t, response.Header.Get("Content-Security-Policy"), path)
	}
	for _, method := range []string{"PUT", "POST", "DELETE", "PATCH", "PROPFIND"} {
		response, body := raw(t, method, s.URL+"/servers", nil, "")
		wantShape(t, response, body, http.StatusNotFound)
	}
	response, body := raw(t, http.MethodPost, s.URL+"/api/identity/list", nil, "")
	wantShape(t, response, body, http.StatusMethodNotAllowed)
	response, body = raw(t, http.MethodGet, s.URL+"/", http.Header{"Range": {"bytes=99-"}}, "")
	wantShape(t, response, body, http.StatusRequestedRangeNotSatisfiable)

	require.NoError(t, os.Rename(string(folder), string(folder)+".old"))
	response, body = raw(t, http.MethodGet, s.URL+"/servers", nil, "")
	wantShape(t, response, body, http.StatusServiceUnavailable)
	require.NotEmpty(t, response.Header.Get("Retry-After"))
	require.NoError(t, os.Rename(string(folder)+".old", string(folder)))
	response, _ = raw(t, http.MethodGet, s.URL+"/servers", nil, "")
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// The client does what the stock one and its libraries do; then what no client may.
var smallClient = map[string]string{
	"index.html": `<!doctype html><title>Client</title><link rel="stylesheet" href="/assets/index-CwE6fTYl.css">
<script type="module" src="/assets/index-BxK3d9_a.js"></script><body><p id="text">text</p><script>window.inline = true</script>`,
	"assets/index-CwE6fTYl.css": `@font-face { font-family: File; src: url(/assets/font-D127hMxv.woff2) }
@font-face { font-family: Inline; src: url(data:font/woff2;base64,AAAA) } #text { color: rgb(1, 2, 3) }`,
	"assets/font-D127hMxv.woff2": "no font",
	"assets/chunk-Q1w2E3r4.js":   `export const lazy = true`,
	"assets/worker-Zx9yXw8v.js":  `onmessage = async event => { await WebAssembly.compile(event.data); postMessage("compiled") }`,
	"assets/index-BxK3d9_a.js": `
const violations = []
document.addEventListener("securitypolicyviolation", event => violations.push(event.effectiveDirective))
const picture = url => new Promise(resolve => { const image = new Image(); image.onload = () => resolve(true); image.onerror = () => resolve(false); image.src = url })
const pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
const bytes = Uint8Array.from(atob(pixel.split(",")[1]), letter => letter.charCodeAt(0))
const empty = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])
window.use = async token => {
  localStorage.setItem("sessionToken", token)
  const style = document.createElement("style")
  style.textContent = "#text { font-weight: 900 }"
  document.head.append(style)
  document.getElementById("text").setAttribute("style", "margin-left: 7px")
  for (const family of ["File", "Inline"]) await document.fonts.load("12px " + family).catch(() => {})
  const worker = new Worker(new URL("/assets/worker-Zx9yXw8v.js", location.href), { type: "module" })
  const feed = new WebSocket(location.origin.replace("http", "ws") + "/api/ws/state?sessionToken=" + localStorage.getItem("sessionToken"))
  const heard = new Promise(resolve => { feed.onmessage = event => resolve(JSON.parse(event.data).type); feed.onclose = () => resolve("closed") })
  const { color, fontWeight, marginLeft } = getComputedStyle(document.getElementById("text"))
  return {
    looks: [color, fontWeight, marginLeft].join(" "),
    lazy: (await import("/assets/chunk-Q1w2E3r4.js")).lazy,
    worker: await new Promise(resolve => { worker.onmessage = event => resolve(event.data); worker.postMessage(empty) }),
    wasm: (await WebAssembly.instantiate(empty)).instance instanceof WebAssembly.Instance,
    pictures: [await picture(pixel), await picture(URL.createObjectURL(new Blob([bytes], { type: "image/gif" })))].join(" "),
    username: (await (await fetch("/api/accounts/me", { headers: { authorization: "Bearer " + token } })).json()).username,
    feed: await heard,
    font: performance.getEntriesByName(location.origin + "/assets/font-D127hMxv.woff2").length,
    violations: violations.join(" "),
  }
}
window.misuse = async elsewhere => {
  violations.length = 0
  const outcome = { inline: window.inline === true, fetched: await fetch(elsewhere).then(() => true, () => false), picture: await picture(elsewhere + "/x.png") }
  try { outcome.evaluated = eval("1") === 1 } catch { outcome.evaluated = false }
  try { new Worker(URL.createObjectURL(new Blob([""]))) } catch {}
  const script = document.createElement("script")
  script.src = elsewhere + "/x.js"
  const tried = new Promise(resolve => { script.onload = () => resolve(true); script.onerror = () => resolve(false) })
  document.head.append(script)
  outcome.script = await tried
  const frame = document.createElement("iframe")
  frame.src = "/"
  document.body.append(frame)
  await new Promise(resolve => { frame.onload = resolve })
  outcome.framed = frame.contentDocument !== null && frame.contentDocument.title === "Client"
  outcome.violations = [...new Set(violations)].sort().join(" ")
  return outcome
}
window.ready = true`,
}

func TestWebClientInABrowser(t *testing.T) {
	t.Parallel()
	_, with := withClient(t, smallClient)
	s := testserver.New(t, with)
	elsewhere := testserver.Serve(t, s.Pool, s.Vault)
	p := statusPage{browser.Start(t), t}
	p.Open(s.URL + "/servers/7")
	p.wait("window.ready")
	var used, misused map[string]any
	p.Eval(&used, "return window.use(arguments[0])", s.Owner.Token)
	require.Equal(t, map[string]any{
		"looks": "rgb(1, 2, 3) 900 7px", "lazy": true, "worker": "compiled", "wasm": true, "pictures": "true true", "username": "owner",
		"feed": "ENTRIES", "font": 1.0, "violations": "",
	}, used)
	p.Eval(&misused, "return window.misuse(arguments[0])", elsewhere.URL)
	require.Equal(t, map[string]any{
		"inline": false, "fetched": false, "picture": false, "evaluated": false, "script": false, "framed": false,
		"violations": "connect-src img-src script-src script-src-elem worker-src",
	}, misused)
}

func TestBigFilesOfTheWebClient(t *testing.T) {
	t.Parallel()
	folder, with := withClient(t, map[string]string{"index.html": ""})
	require.NoError(t, os.WriteFile(filepath.Join(string(folder), "big.wasm"), bytes.Repeat([]byte{1}, 64<<20), 0o644))
	s := testserver.New(t, with)
	response, body := raw(t, http.MethodGet, s.URL+"/big.wasm", nil, "")
	require.Equal(t, http.StatusOK, response.StatusCode)
	assert.Len(t, body, 64<<20)
	assert.Equal(t, "application/wasm", response.Header.Get("Content-Type"))
	part, body := raw(t, http.MethodGet, s.URL+"/big.wasm", http.Header{"Range": {"bytes=5-9"}, "If-Range": {response.Header.Get("ETag")}}, "")
	require.Equal(t, http.StatusPartialContent, part.StatusCode)
	assert.Equal(t, strings.Repeat("\x01", 5), body)
}
