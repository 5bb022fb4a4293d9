package library_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestSyncReadsFilesByTheirExtensions(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	shelf := newShelf(t)
	script := "#!/bin/bash\n# @Name:  Update \n#@description: Brings all up to date\n# @OS: Debian, Ubuntu ,,\necho\n# @name: late\n"
	snippet := "# @name: Free space\r\n# a remark\r\n\r\ndf -h\r\n# @description: Shows it\r\n# kept\r\ndu -s\r\n\r\n"
	shelf.put("tools/up@date.SH", script)
	shelf.put("a b%20c.snippet", snippet)
	shelf.put("plain.v2.ps1", "Get-Date")
	shelf.put("dark.theme.css", "/* @name: Dark */")
	shelf.put("README.md", "ignored")
	shelf.index = append([]string{"# remark", "", "no separator", "a.cmd @ " + sum("x")}, shelf.index...)
	id := addSource(s.Admin, "Source", shelf.url)

	source := getSource(s.Admin, id)
	require.Equal(t, []any{"success", 2.0, 1.0, 1.0},
		[]any{source["lastSyncStatus"], source["scriptCount"], source["snippetCount"], source["themeCount"]}, "a.cmd cannot be fetched")
	var list []body
	s.Stranger.Get("/api/scripts/sources").Want(200).Into(&list)
	for _, item := range list {
		delete(item, "id")
	}
	require.Equal(t, []body{
		{"name": "Update", "content": script, "description": "Brings all up to date", "osFilter": []any{"Debian", "Ubuntu"}, "accountId": nil, "organizationId": nil, "sourceId": float64(id), "sortOrder": 0.0},
		{"name": "plain.v2", "content": "Get-Date", "description": nil, "osFilter": nil, "accountId": nil, "organizationId": nil, "sourceId": float64(id), "sortOrder": 1.0},
	}, list)
	list = nil
	s.Stranger.Get("/api/snippet/sources").Want(200).Into(&list)
	delete(list[0], "id")
	require.Equal(t, []body{
		{"name": "Free space", "command": "df -h\r\n# kept\r\ndu -s", "description": "Shows it", "osFilter": nil, "accountId": nil, "organizationId": nil, "sourceId": float64(id), "sortOrder": 1.0},
	}, list)
	require.Zero(t, shelf.hit("dark.theme.css"), "themes are counted, not kept")
}

func TestSyncFollowsTheIndex(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	shelf := newShelf(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		shelf.put(name+".sh", "# @name: same\necho "+name)
		shelf.put(name+".txt", "echo "+name)
	}
	id := addSource(s.Admin, "Source", shelf.url)
	sync := func() {
		require.Equal(t, "Source synced successfully", s.Admin.Post(sourcePath(id)+"/sync", nil).Want(200).Message())
	}
	contents := func() map[string]float64 {
		var list []struct {
			ID      float64
			Content string
		}
		s.Stranger.Get("/api/scripts/sources").Want(200).Into(&list)
		found := map[string]float64{}
		for _, script := range list {
			found[strings.TrimPrefix(script.Content, "# @name: same\necho ")] = script.ID
		}
		return found
	}
	before := contents()
	require.Len(t, before, 4, "equal names do not matter")

	shelf.put("a.sh", "# @name: same\necho A")
	sync()
	require.Equal(t, []int{2, 1}, []int{shelf.hit("a.sh"), shelf.hit("b.sh")}, "what has not changed is not fetched")
	after := contents()
	require.Equal(t, before["a"], after["A"], "a changed file stays the same script")

	shelf.list("d.sh@"+sum("# @name: same\necho d"), "b.sh@"+sum("lost"), "a.sh@"+sum("# @name: same\necho A"))
	sync()
	var list []struct{ Content string }
	s.Stranger.Get("/api/scripts/sources").Want(200).Into(&list)
	require.Equal(t, "d b A", strings.TrimPrefix(strings.ReplaceAll(list[0].Content+list[1].Content+list[2].Content, "# @name: same\necho ", " "), " "),
		"in the order of the index; what does not match its hash keeps its version")
	require.Empty(t, delivered(s.Owner, snippetsPath), "what is no longer listed goes")
	source := getSource(s.Admin, id)
	require.Equal(t, []any{3.0, 0.0}, []any{source["scriptCount"], source["snippetCount"]})
}

func TestFailedSyncsChangeNothing(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	shelf := newShelf(t)
	shelf.put("a.sh", "echo")
	id := addSource(s.Admin, "Source", shelf.url)
	listed := shelf.index
	for reason, index := range map[string][]string{
		"Failed to fetch NTINDEX: HTTP 404":   nil,
		"NTINDEX is empty or invalid":         {"# nothing"},
		"NTINDEX is too large":                {strings.Repeat("# remark\n", 1<<17)},
		"The source has more than 2000 files": many(2001),
	} {
		shelf.list(index...)
		s.Admin.Post(sourcePath(id)+"/sync", nil).WantError(400, reason)
		source := getSource(s.Admin, id)
		require.Equal(t, []any{"error", 1.0}, []any{source["lastSyncStatus"], source["scriptCount"]})
		require.Equal(t, []string{"a"}, delivered(s.Owner, scriptsPath))
	}
	for _, climbing := range []string{"../a.sh", "a/../../b.sh", "/etc/a.sh", "https://example.org/a.sh", "a//b.sh", "./a.sh", `..\a.sh`, "a\x01.sh", "\xff.sh", "c:a.sh"} {
		shelf.list(append([]string{climbing + "@" + sum("x")}, listed...)...)
		s.Admin.Post(sourcePath(id)+"/sync", nil).WantError(400, "NTINDEX is empty or invalid")
	}
	shelf.list(listed...)
	s.Admin.Post(sourcePath(id)+"/sync", nil).Want(200)
	require.Equal(t, "success", getSource(s.Admin, id)["lastSyncStatus"])

	s.Admin.Patch(sourcePath(id), body{"enabled": false}).Want(200)
	s.Admin.Post(sourcePath(id)+"/sync", nil).WantError(400, "Source is disabled")
	s.Admin.Post(sourcePath(987654)+"/sync", nil).WantError(404, "Source not found")
}

func many(count int) []string {
	lines := make([]string, count)
	for i := range lines {
		lines[i] = fmt.Sprintf("%d.sh@%s", i, sum("x"))
	}
	return lines
}

func TestFilesThatCannotBeKeptAreSkipped(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	shelf := newShelf(t)
	shelf.put("huge.sh", strings.Repeat("x", 1<<20+1))
	shelf.put("largest.sh", strings.Repeat("x", 1<<20))
	shelf.put("long.txt", strings.Repeat("x", 1<<16+1))
	shelf.put("binary.sh", "echo \x00")
	shelf.put("latin1.sh", "echo \xe4")
	shelf.put("empty.sh", "")
	shelf.put("empty.txt", "# @name: nothing\n\n")
	shelf.put("names.sh", "# @name: "+strings.Repeat("ü", 300)+"\n# @description: "+strings.Repeat("ü", 6000)+"\n# @os: "+strings.Repeat("ü,", 60))
	id := addSource(s.Admin, "Source", shelf.url)
	require.Equal(t, []string{"largest", strings.Repeat("ü", 255)}, delivered(s.Owner, scriptsPath))
	require.Empty(t, delivered(s.Owner, snippetsPath))
	source := getSource(s.Admin, id)
	require.Equal(t, []any{"success", 2.0, 0.0}, []any{source["lastSyncStatus"], source["scriptCount"], source["snippetCount"]})
}

// What is listed whole to every account must not grow with each synchronization.
func TestWhatIsKeptOfASourceIsBounded(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	shelf := newShelf(t)
	shelf.put("new.sh", "echo")
	id := addSource(s.Admin, "Source", shelf.url)
	lines := shelf.index
	for i := range 8 {
		lines = append(lines, fmt.Sprintf("%d.sh@kept", i))
	}
	shelf.list(lines...)
	s.Exec(t, `insert into scripts (source_id, path, hash, name, content)
		select $1, n || '.sh', 'kept', n, repeat('x', 1 << 20) from generate_series(0, 7) n`, id)
	shelf.put("newer.sh", "echo")
	s.Admin.Post(sourcePath(id)+"/sync", nil).Want(200)
	require.Equal(t, 9.0, getSource(s.Admin, id)["scriptCount"], "one more is too much")
	shelf.list(append(lines[:4], "newer.sh@"+sum("echo"))...)
	s.Admin.Post(sourcePath(id)+"/sync", nil).Want(200)
	require.Equal(t, 5.0, getSource(s.Admin, id)["scriptCount"])
}

func TestAllSourcesTogetherAreBounded(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback, func(o *server.Options) { o.SourceBytes, o.SourcesBytes = 3000, 5000 })
	counts := make([]any, 3)
	var group sync.WaitGroup
	for i := range counts {
		shelf := newShelf(t)
		// The same content under many names counts each time.
		for n := range 20 {
			shelf.put(fmt.Sprintf("%d.sh", n), strings.Repeat("x", 1000))
		}
		group.Go(func() {
			id := addSource(s.Admin, fmt.Sprint("Source ", i), shelf.url)
			counts[i] = getSource(s.Admin, id)["scriptCount"]
		})
	}
	group.Wait()
	sum := 0.0
	for _, count := range counts {
		require.LessOrEqual(t, count, 3.0)
		sum += count.(float64)
	}
	require.Equal(t, 5.0, sum)
}

func TestSyncsOfOneSourceDoNotOverlap(t *testing.T) {
	t.Parallel()
	one := testserver.New(t, testserver.AllowLoopback)
	other := testserver.Serve(t, one.Pool, one.Vault, testserver.AllowLoopback)
	shelf := newShelf(t)
	shelf.put("z.sh", "echo")
	id := addSource(one.Admin, "Source", shelf.url)
	for i := range 50 {
		shelf.put(fmt.Sprintf("%d.sh", i), fmt.Sprint("echo ", i))
	}
	var group sync.WaitGroup
	for i := range 6 {
		c := one.Admin
		if i%2 == 1 {
			c = c.On(other)
		}
		group.Go(func() { c.Post(sourcePath(id)+"/sync", nil).Want(200) })
	}
	group.Wait()
	require.Len(t, delivered(one.Owner, scriptsPath), 51)
	for i := range 50 {
		require.Equal(t, 1, shelf.hit(fmt.Sprintf("%d.sh", i)), "the others find it done")
	}
	require.Equal(t, 7, shelf.hit("NTINDEX"))
}

func TestSourceThatGoesAwayDuringItsSync(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	arrived, leave := make(chan struct{}), make(chan struct{})
	content := "echo"
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/NTINDEX" {
			_, _ = fmt.Fprintln(w, "a.sh@"+sum(content))
			return
		}
		close(arrived)
		<-leave
		_, _ = fmt.Fprint(w, content)
	}))
	t.Cleanup(listener.Close)
	var id int64
	s.Scan(t, &id, `insert into sources (name, url) values ('Source', $1) returning id`, listener.URL)
	done := make(chan *testserver.Response)
	go func() { done <- s.Admin.Post(sourcePath(id)+"/sync", nil) }()
	<-arrived
	s.Admin.Delete(sourcePath(id)).Want(200)
	close(leave)
	(<-done).WantError(404, "Source not found")
	require.Empty(t, delivered(s.Owner, scriptsPath))
}
