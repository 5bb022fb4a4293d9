package access_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

type keymap struct {
	ID, AccountID        int64
	Action, Key          string
	Enabled              bool
	CreatedAt, UpdatedAt string
}

func keymaps(c *testserver.Client) (all []keymap) {
	c.Get("/api/keymaps").Want(200).Into(&all)
	return all
}

// keys are what a client binds, as action=key, with a ! where it is disabled.
func keys(c *testserver.Client) (all []string) {
	for _, k := range keymaps(c) {
		all = append(all, k.Action+map[bool]string{true: "=", false: "!"}[k.Enabled]+k.Key)
	}
	return all
}

var presetKeys = []string{
	"search=ctrl+s", "quick-action=ctrl+p", "ai-menu=ctrl+k", "ai-accept-tool=ctrl+enter", "ai-command=ctrl+shift+g",
	"snippets=ctrl+shift+s", "keyboard-shortcuts=ctrl+shift+k", "broadcast=ctrl+b", "copy=ctrl+shift+c", "fullscreen=f11",
	"paste-identity-password=ctrl+shift+p",
}

func TestKeymapsHaveDefaults(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	require.Equal(t, presetKeys, keys(s.Owner))
	first := keymaps(s.Owner)
	require.Equal(t, s.Owner.AccountID, first[0].AccountID)
	// What is there is only read.
	version := func() (rows string) {
		s.Scan(t, &rows, `select string_agg(xmin::text || ctid, ' ' order by id) from keymaps`)
		return rows
	}
	before := version()
	require.Equal(t, first, keymaps(s.Owner))
	require.Equal(t, before, version())
	require.Equal(t, 11, s.Count(t, `keymaps`))

	require.Equal(t, "Keymap successfully updated", s.Owner.Patch("/api/keymaps/copy", body{"key": "Ctrl+Alt+É"}).Want(200).Message())
	require.Contains(t, keys(s.Owner), "copy=ctrl+alt+é")
	require.Equal(t, presetKeys, keys(s.Colleague), "everybody has their own")
	require.Zero(t, s.Count(t, `audit_logs where action like 'keymap%'`))
}

func TestUpdateKeymap(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	patch := func(action string, b body) *testserver.Response { return s.Owner.Patch("/api/keymaps/"+action, b) }
	// The first thing that an account does may be to change one.
	patch("search", body{"key": "ctrl+shift+c"}).WantError(409, "Key combination already in use by action: copy")
	patch("search", body{"key": "CTRL+Shift+C", "enabled": true}).WantError(409, "Key combination already in use by action: copy")
	patch("search", body{"key": "ctrl+shift+c", "enabled": false}).Want(200)
	patch("search", body{"enabled": true}).WantError(409, "Key combination already in use by action: copy")
	patch("copy", body{"enabled": false}).Want(200)
	patch("search", body{"enabled": true}).Want(200)
	patch("copy", body{"enabled": true}).WantError(409, "Key combination already in use by action: search")
	patch("copy", body{"key": "f5", "enabled": true}).Want(200)
	patch("copy", body{"key": "f5"}).Want(200) // its own
	require.Equal(t, []string{"search=ctrl+shift+c", "copy=f5"}, []string{keys(s.Owner)[0], keys(s.Owner)[8]})

	patch("nothing", body{"key": "f1"}).WantError(404, "Keymap not found")
	s.Owner.Post("/api/keymaps/nothing/reset", nil).WantError(404, "Keymap not found")
	for _, action := range []string{"Copy", "a_b", "%00", "%FF", "copy%20", strings.Repeat("x", 51)} {
		patch(action, body{"key": "f1"}).WantError(400, "Invalid action")
		s.Owner.Post("/api/keymaps/"+action+"/reset", nil).WantError(400, "Invalid action")
	}
	patch("copy", body{}).WantError(400, "Key or enabled is required")
	for _, key := range []any{"", "+", "ctrl+", "+c", "ctrl++c", "ctrl c", "ctrl+c\n", "<b>", "ctrl+→", strings.Repeat("x", 51), 5, nil} {
		require.Equal(t, http.StatusBadRequest, patch("copy", body{"key": key}).Status, "%q", key)
	}
	patch("copy", body{"enabled": nil}).WantError(400, "enabled must be a boolean")
	patch("copy", body{"action": "search"}).WantError(400, "action is not allowed")
	patch("copy", body{"key": strings.Repeat("İ", 50)}).Want(200)
}

func TestResetKeymaps(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	require.Equal(t, "Keymap has been reset to default", s.Owner.Post("/api/keymaps/copy/reset", nil).Want(200).Message())
	s.Owner.Patch("/api/keymaps/copy", body{"key": "f5", "enabled": false}).Want(200)
	s.Owner.Patch("/api/keymaps/search", body{"key": "ctrl+shift+c"}).Want(200)
	s.Owner.Post("/api/keymaps/copy/reset", nil).WantError(409, "Key combination already in use by action: search")
	require.Contains(t, keys(s.Owner), "copy!f5")
	s.Owner.Post("/api/keymaps/search/reset", nil).Want(200)
	s.Owner.Post("/api/keymaps/copy/reset", nil).Want(200)
	require.Equal(t, presetKeys, keys(s.Owner))

	// Two that have each other's keys, and one that has nobody's.
	s.Owner.Patch("/api/keymaps/copy", body{"key": "f5"}).Want(200)
	s.Owner.Patch("/api/keymaps/search", body{"key": "ctrl+shift+c"}).Want(200)
	s.Owner.Patch("/api/keymaps/copy", body{"key": "ctrl+s"}).Want(200)
	s.Owner.Patch("/api/keymaps/fullscreen", body{"enabled": false}).Want(200)
	require.Equal(t, "All keymaps have been reset to defaults", s.Owner.Post("/api/keymaps/reset", nil).Want(200).Message())
	require.Equal(t, presetKeys, keys(s.Owner))
	s.Colleague.Post("/api/keymaps/reset", nil).Want(200)
	require.Equal(t, presetKeys, keys(s.Colleague))
}

// An action that a new release brings along, with a key that somebody uses already.
func TestNewActionsLeaveKeysAlone(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Owner.Patch("/api/keymaps/copy", body{"key": "f2"}).Want(200)
	s.Exec(t, `insert into keymap_actions (name, position, default_key) values ('rename', 12, 'f2')`)
	require.Equal(t, []string{"copy=f2", "rename!f2"}, slices.DeleteFunc(keys(s.Owner), func(k string) bool { return !strings.HasSuffix(k, "f2") }))
	require.Contains(t, keys(s.Colleague), "rename=f2")
}

// Whatever comes at the same time, a key does one thing, and nothing fails for it.
func TestKeymapsAtTheSameTime(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	statuses := make(chan int, 100)
	var all errgroup.Group
	for i := range 8 {
		all.Go(func() error {
			if got := keys(s.Owner); len(got) != 11 {
				return fmt.Errorf("%d keymaps", len(got))
			}
			for _, action := range []string{"copy", "search", "snippets"} {
				statuses <- s.Owner.Patch("/api/keymaps/"+action, body{"key": fmt.Sprint("f", i%2)}).Status
			}
			statuses <- s.Owner.Post("/api/keymaps/reset", nil).Status
			return nil
		})
	}
	require.NoError(t, all.Wait())
	close(statuses)
	seen := map[int]int{}
	for status := range statuses {
		seen[status]++
	}
	require.Subset(t, []int{200, 409}, slices.Collect(maps.Keys(seen)), "%v", seen)
	require.Equal(t, 11, s.Count(t, `keymaps`))
}
