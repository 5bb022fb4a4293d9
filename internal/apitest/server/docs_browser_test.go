package server_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testserver/browser"
)

func TestDocumentationInABrowser(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, manyLogins)
	p := statusPage{browser.Start(t), t}
	p.Show(1280, 900, "light")
	p.Open(s.URL + "/api/docs#/entry/createEntry")
	p.wait(`document.querySelector("#createEntry[open] .trial")`)

	var transferred int
	p.Eval(&transferred, `return performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
		.reduce((sum, entry) => sum + entry.encodedBodySize, 0)`)
	assert.Less(t, transferred, 200_000)
	t.Log(transferred, "bytes to load the page")

	// Sending asks who one is, once.
	p.Eval(nil, `document.querySelector("#createEntry .trial").requestSubmit()`)
	p.wait(`document.getElementById("authorize-dialog").open`)
	p.Screenshot("authorize")
	p.submit("authorize-form", object{"username": "owner", "password": "wrong"})
	p.wait(`document.getElementById("authorize-error").checkVisibility()`)
	p.wantQuiet("401")
	p.submit("authorize-form", object{"username": "owner", "password": testserver.Password})
	p.wait(`document.querySelector("#createEntry .output .status")`)
	require.Contains(t, p.text("#createEntry .output"), "Entry got successfully created")
	p.Screenshot("operation")
	p.Eval(nil, `location.hash = "listEntries"`)
	p.wait(`document.querySelector("#listEntries[open] .trial")`)
	p.Eval(nil, `document.querySelector("#listEntries .trial").requestSubmit()`)
	p.wait(`document.querySelector("#listEntries .output .status")`)
	require.Contains(t, p.text("#listEntries .output"), `"name": "web1"`)

	// Every operation has its words, its samples and what it takes.
	p.Eval(nil, `document.querySelectorAll("#reference .operation").forEach(node => { node.open = true; })`)
	p.wait(`document.querySelectorAll("#reference .columns").length === ` + strconv.Itoa(len(allOperations())))
	p.Eval(nil, `document.querySelectorAll("#reference .fields details").forEach(node => { node.open = true; })`)
	p.wait(`[...document.querySelectorAll("#reference details[open]")].every(node => node.children.length > 1)`)
	var bare, broken []string
	p.Eval(&bare, `return [...document.querySelectorAll("#reference .operation")].filter(node => !node.querySelector(".samples pre").textContent).map(node => node.id)`)
	require.Empty(t, bare)
	p.Eval(&broken, `return [...document.querySelectorAll("a[href^='#']")].map(link => link.hash).filter(hash => !document.getElementById(hash.slice(1)))`)
	require.Empty(t, broken)
	p.Eval(nil, `document.querySelector("#createEntry .languages button:nth-child(2)").click()`)
	require.Contains(t, p.text("#listEntries .samples"), "client.Entries.List(ctx)")

	p.Eval(nil, `const search = document.getElementById("search"); search.value = "host key"; search.dispatchEvent(new Event("input"))`)
	require.Equal(t, []string{"Host keys"}, p.texts("#reference h3"))

	p.Show(390, 844, "dark")
	p.Open(s.URL + "/api/docs")
	p.wait(`document.querySelector("#listEntries")`)
	p.Screenshot("phone")
	var width int
	p.Eval(&width, "return document.documentElement.scrollWidth")
	require.Equal(t, 390, width)
	require.Empty(t, p.Console())
}
