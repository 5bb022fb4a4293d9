package library_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// shelf is an index source with a real server.
type shelf struct {
	url string

	mu    sync.Mutex
	index []string
	files map[string]string
	hits  map[string]int
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{files: map[string]string{}, hits: map[string]int{}}
	listener := httptest.NewServer(s)
	t.Cleanup(listener.Close)
	s.url = listener.URL
	return s
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.TrimPrefix(r.URL.Path, "/")
	s.hits[name]++
	content, found := s.files[name]
	if name == "NTINDEX" {
		content, found = strings.Join(s.index, "\n"), len(s.index) > 0
	}
	if !found {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write([]byte(content))
}

func sum(content string) string {
	hash := md5.Sum([]byte(content))
	return hex.EncodeToString(hash[:])
}

// put lists a file and delivers it.
func (s *shelf) put(name, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = content
	entry := name + "@" + sum(content)
	for i, line := range s.index {
		if strings.HasPrefix(line, name+"@") {
			s.index[i] = entry
			return
		}
	}
	s.index = append(s.index, entry)
}

// list replaces the index.
func (s *shelf) list(lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index = lines
}

func (s *shelf) hit(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits[name]
}

func addSource(c *testserver.Client, name, url string) int64 {
	return c.Post("/api/sources", body{"name": name, "url": url}).Want(201).ID()
}

func sourcePath(id int64) string { return fmt.Sprintf("/api/sources/%d", id) }

func getSource(c *testserver.Client, id int64) body {
	var found body
	c.Get(sourcePath(id)).Want(200).Into(&found)
	return found
}

// delivered lists what the sources deliver of a kind, by name.
func delivered(c *testserver.Client, list string) []string {
	var found []struct{ Name string }
	c.Get(list + "/sources").Want(200).Into(&found)
	names := make([]string, len(found))
	for i, item := range found {
		names[i] = item.Name
	}
	return names
}

const scriptsPath, snippetsPath = "/api/scripts", "/api/snippet"

func TestOnlyHoldersOfThePermissionManageSources(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	id := addSource(s.Admin, "Source", newShelf(t).url)
	operations := []func(*testserver.Client) *testserver.Response{
		func(c *testserver.Client) *testserver.Response { return c.Get("/api/sources") },
		func(c *testserver.Client) *testserver.Response { return c.Get(sourcePath(id)) },
		func(c *testserver.Client) *testserver.Response {
			return c.Post("/api/sources/validate", body{"url": "x"})
		},
		func(c *testserver.Client) *testserver.Response {
			return c.Post("/api/sources", body{"name": "x", "url": newShelf(t).url})
		},
		func(c *testserver.Client) *testserver.Response { return c.Patch(sourcePath(id), body{"name": "x"}) },
		func(c *testserver.Client) *testserver.Response { return c.Post("/api/sources/sync-all", nil) },
		func(c *testserver.Client) *testserver.Response { return c.Post(sourcePath(id)+"/sync", nil) },
		func(c *testserver.Client) *testserver.Response { return c.Delete(sourcePath(id)) },
	}
	for _, operation := range operations {
		operation(s.Owner).WantError(403, "Forbidden")
	}
	s.Grant(t, s.Owner, "settings.sources")
	for _, operation := range operations {
		require.NotEqual(t, 403, operation(s.Owner).Status)
	}
}

func TestSourceListIsByName(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	shelf := newShelf(t)
	shelf.put("a.sh", "echo")
	b := addSource(s.Admin, "B", shelf.url)
	a := addSource(s.Admin, "A", newShelf(t).url+"/")

	var list []body
	s.Admin.Get("/api/sources").Want(200).Into(&list)
	require.Len(t, list, 2)
	require.Equal(t, []any{float64(a), float64(b)}, []any{list[0]["id"], list[1]["id"]})
	require.Equal(t, list[1], getSource(s.Admin, b))
	delete(list[1], "createdAt")
	delete(list[1], "updatedAt")
	require.Equal(t, body{
		"id": float64(b), "name": "B", "url": shelf.url, "enabled": true, "isDefault": false,
		"lastSyncStatus": "success", "snippetCount": 0.0, "scriptCount": 1.0, "themeCount": 0.0,
	}, list[1])
	require.Equal(t, "error", list[0]["lastSyncStatus"])
	s.Admin.Get(sourcePath(987654)).WantError(404, "Source not found")
	s.Admin.Get("/api/sources/x").WantError(400, "Invalid source ID")
}

func TestCreateSourceRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	for message, invalid := range map[string]body{
		"name is required":                {"url": "https://example.org"},
		"url is required":                 {"name": "x"},
		"url is not allowed to be empty":  {"name": "x", "url": ""},
		"name is not allowed to be empty": {"name": "", "url": "https://example.org"},
		"enabled is not allowed":          {"name": "x", "url": "https://example.org", "enabled": true},
		"url length must be less than or equal to 2048 characters long": {"name": "x", "url": "https://example.org/" + strings.Repeat("x", 2048)},
	} {
		s.Admin.Post("/api/sources", invalid).WantError(400, message)
	}
	for _, url := range malformedURLs {
		s.Admin.Post("/api/sources", body{"name": "x", "url": url}).WantError(400, "Invalid source URL: Invalid URL")
	}
	for _, url := range forbiddenURLs {
		s.Admin.Post("/api/sources", body{"name": "x", "url": url}).WantError(400, "Invalid source URL: Blocked private/loopback address")
	}
	var list []body
	s.Admin.Get("/api/sources").Want(200).Into(&list)
	require.Empty(t, list)

	shelf := newShelf(t)
	addSource(s.Admin, "First", shelf.url)
	s.Admin.Post("/api/sources", body{"name": "Second", "url": strings.ToUpper(shelf.url[:4]) + shelf.url[4:] + "//"}).WantError(409, "A source with this URL already exists")
}

var malformedURLs = []string{
	"nonsense", "ftp://example.org", "file:///etc/passwd", "https://", "https:///path", "https://user@example.org", "https://user:secret@example.org",
	"https://example.org:0", "https://example.org:65536", "https://example.org?x=1", "https://example.org#x", "https://exa mple.org", "javascript:alert(1)",
	"https://example.org/" + strings.Repeat("ü", 1000),
}

var forbiddenURLs = []string{
	"http://127.0.0.2", "http://10.0.0.1/x", "http://169.254.169.254/latest", "http://[::1]", "http://[::ffff:10.0.0.1]", "http://100.64.0.1", "http://0.0.0.0",
}

func TestSourcesThatCannotBeReachedAreStored(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	refusing := fmt.Sprint("http://127.0.0.1:", testssh.Refusing(t))
	for _, url := range []string{"https://name.invalid", refusing, newShelf(t).url} {
		require.Equal(t, "error", getSource(s.Admin, addSource(s.Admin, "Source", url))["lastSyncStatus"], url)
	}
}

func TestSourcesCreatedTogetherAreOne(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	shelf := newShelf(t)
	statuses := make([]int, 6)
	var group sync.WaitGroup
	for i := range statuses {
		group.Go(func() {
			statuses[i] = s.Admin.Post("/api/sources", body{"name": "Source", "url": shelf.url}).Status
		})
	}
	group.Wait()
	require.ElementsMatch(t, []int{201, 409, 409, 409, 409, 409}, statuses)
}

func TestUpdateSource(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	first, second := newShelf(t), newShelf(t)
	first.put("first.sh", "echo 1")
	second.put("second.sh", "echo 2")
	id := addSource(s.Admin, "Source", first.url)

	answer := s.Admin.Patch(sourcePath(id), body{"name": "Renamed", "url": first.url + "/", "enabled": true}).Want(200)
	require.Equal(t, "Source updated successfully", answer.Message())
	var updated struct{ Source body }
	answer.Into(&updated)
	require.Equal(t, getSource(s.Admin, id), updated.Source)
	require.Equal(t, "Renamed", updated.Source["name"])
	require.Equal(t, 1, first.hit("NTINDEX"), "an unchanged URL is not tried again")

	s.Admin.Patch(sourcePath(id), body{"url": second.url}).Want(200).Into(&updated)
	require.Equal(t, second.url, updated.Source["url"])
	require.Equal(t, "success", updated.Source["lastSyncStatus"])
	require.Equal(t, []string{"second"}, delivered(s.Stranger, scriptsPath))

	s.Admin.Patch(sourcePath(id), body{"enabled": false}).Want(200)
	require.Empty(t, delivered(s.Stranger, scriptsPath))
	s.Admin.Patch(sourcePath(id), body{"url": first.url}).Want(200)
	require.Equal(t, 1, first.hit("NTINDEX"), "a disabled source is not synchronized")
	s.Admin.Patch(sourcePath(id), body{"enabled": true}).Want(200)
	require.Equal(t, []string{"first"}, delivered(s.Stranger, scriptsPath))
}

func TestUpdateSourceRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	id, taken := addSource(s.Admin, "Source", newShelf(t).url), newShelf(t).url
	addSource(s.Admin, "Other", taken)
	for message, invalid := range map[string]body{
		"At least one field is required":  {},
		"name is not allowed to be empty": {"name": ""},
		"enabled must be a boolean":       {"enabled": "true"},
		"isDefault is not allowed":        {"isDefault": true},
	} {
		s.Admin.Patch(sourcePath(id), invalid).WantError(400, message)
	}
	for _, url := range malformedURLs {
		s.Admin.Patch(sourcePath(id), body{"url": url}).WantError(400, "Invalid source URL: Invalid URL")
	}
	for _, url := range forbiddenURLs {
		s.Admin.Patch(sourcePath(id), body{"url": url}).WantError(400, "Invalid source URL: Blocked private/loopback address")
	}
	s.Admin.Patch(sourcePath(id), body{"url": taken}).WantError(409, "A source with this URL already exists")
	s.Admin.Patch(sourcePath(987654), body{"name": "x"}).WantError(404, "Source not found")
}

func TestTheDefaultSourceStaysWhatItIs(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	shelf := newShelf(t)
	id := addSource(s.Admin, "Official", shelf.url)
	s.Exec(t, `update sources set is_default = true`)
	s.Admin.Patch(sourcePath(id), body{"name": "Mine"}).WantError(403, "Cannot modify the default source")
	s.Admin.Patch(sourcePath(id), body{"url": "https://example.org"}).WantError(403, "Cannot modify the default source")
	s.Admin.Delete(sourcePath(id)).WantError(403, "Cannot delete the default source")
	s.Admin.Patch(sourcePath(id), body{"name": "Official", "url": shelf.url, "enabled": false}).Want(200)
	require.Equal(t, false, getSource(s.Admin, id)["enabled"])
}

func TestDeleteSourceTakesWhatItDelivered(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	shelf := newShelf(t)
	shelf.put("a.sh", "echo")
	shelf.put("b.txt", "ls")
	id := addSource(s.Admin, "Source", shelf.url)
	require.Equal(t, "Source deleted successfully", s.Admin.Delete(sourcePath(id)).Want(200).Message())
	s.Admin.Delete(sourcePath(id)).WantError(404, "Source not found")
	require.Empty(t, delivered(s.Owner, scriptsPath))
	require.Empty(t, delivered(s.Owner, snippetsPath))
}
