package inventory_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// Whoever has no right in an organization neither waits for its changes nor makes
// them wait.
func TestOutsidersDoNotQueueForAnOrganizationsTree(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, folder := newEntry(s.Stranger, "own", nil), newFolder(s.Stranger, "Own", nil)
	theirs := newFolder(s.Owner, "Theirs", body{"organizationId": s.Organization})
	there := newEntry(s.Owner, "there", body{"folderId": theirs})
	tx, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	var pid int
	require.NoError(t, tx.QueryRow(t.Context(), `select pg_backend_pid() from pg_advisory_xact_lock(hashtextextended('nexterm.scope', $1))`,
		-s.Organization).Scan(&pid))

	organization, ownFolder := body{"organizationId": s.Organization}, fmt.Sprintf("/api/folder/%d", folder)
	for name, request := range map[string]struct {
		status int
		send   func() *testserver.Response
	}{
		"entry into organization":  {403, func() *testserver.Response { return s.Stranger.Patch(entryPath(entry), organization) }},
		"folder into organization": {403, func() *testserver.Response { return s.Stranger.Patch(ownFolder, organization) }},
		"new entry":                {403, func() *testserver.Response { return s.Stranger.Put("/api/entry", entryNamed("new", organization)) }},
		"new folder": {403, func() *testserver.Response {
			return s.Stranger.Put("/api/folder", body{"name": "New", "organizationId": s.Organization})
		}},
		"entry into their folder":  {404, func() *testserver.Response { return s.Stranger.Patch(entryPath(entry), body{"folderId": theirs}) }},
		"folder into their folder": {404, func() *testserver.Response { return s.Stranger.Patch(ownFolder, body{"parentId": theirs}) }},
		"their entry":              {404, func() *testserver.Response { return s.Stranger.Patch(entryPath(there), body{"folderId": nil}) }},
		"reposition before theirs": {404, func() *testserver.Response {
			return reposition(s.Stranger, entry, body{"targetId": there, "placement": "before"})
		}},
		"reposition into a folder": {404, func() *testserver.Response { return reposition(s.Stranger, entry, body{"folderId": theirs}) }},
		"reposition somewhere else": {403, func() *testserver.Response {
			return reposition(s.Stranger, entry, body{"organizationId": s.Organization})
		}},
	} {
		began := time.Now()
		answer := request.send()
		require.Equal(t, request.status, answer.Status, "%s answered %s", name, answer.Body)
		require.Less(t, time.Since(began), 5*time.Second, name)
	}
	answer := make(chan *testserver.Response)
	go func() {
		answer <- s.Owner.Patch(entryPath(there), body{"folderId": nil, "organizationId": s.Organization})
	}()
	require.Eventually(t, func() bool {
		return s.Count(t, "pg_stat_activity where $1 = any(pg_blocking_pids(pid))", pid) == 1
	}, 10*time.Second, 5*time.Millisecond, "its owner does")
	require.NoError(t, tx.Rollback(t.Context()))
	(<-answer).Want(200)
}
