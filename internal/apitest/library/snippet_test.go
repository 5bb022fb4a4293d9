package library_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// What scripts and snippets have in common is tested in library_test.go.

func snippetPath(id int64) string { return fmt.Sprintf("/api/snippet/%d", id) }

func newSnippet(c *testserver.Client, name string, organization any) int64 {
	return c.Put("/api/snippet", body{"name": name, "command": "ls", "organizationId": organization}).Want(200).ID()
}

func TestSnippetCommandIsBounded(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newSnippet(s.Owner, "Snippet", nil)
	const characters, bytes = "command length must be less than or equal to 65536 characters long", "command length must be less than or equal to 65536 bytes long"
	for command, message := range map[string]string{
		strings.Repeat("x", 64<<10+1): characters, strings.Repeat("ü", 32<<10+1): bytes,
		strings.Repeat("x", 64<<10): "", strings.Repeat("ü", 32<<10): "",
	} {
		created := s.Owner.Put("/api/snippet", body{"name": "x", "command": command})
		updated := s.Owner.Patch(snippetPath(id), body{"command": command})
		if message == "" {
			created.Want(200)
			updated.Want(200)
			continue
		}
		created.WantError(400, message)
		updated.WantError(400, message)
	}
}

func TestSnippetChangesTellWhoSeesThem(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	next := s.Events(t)
	organization := fmt.Sprintf("?organizationId=%d", s.Organization)
	told := func(owner caller.Owner, action event.Action) {
		t.Helper()
		e := next()
		require.Equal(t, action, e.Action)
		require.Equal(t, owner, e.Owner)
		require.Equal(t, []event.List{event.Snippets}, e.Lists)
	}
	personal, shared := caller.Account(s.Owner.AccountID), caller.Organization(s.Organization)

	id := newSnippet(s.Owner, "Personal", nil)
	told(personal, event.SnippetCreate)
	other := newSnippet(s.Owner, "Other", nil)
	told(personal, event.SnippetCreate)
	s.Owner.Patch(snippetPath(id), body{"name": "Changed"}).Want(200)
	told(personal, event.SnippetUpdate)
	s.Owner.Patch(snippetPath(id)+"/reposition", body{"targetId": other}).Want(200)
	told(personal, event.SnippetUpdate)
	s.Owner.Delete(snippetPath(id)).Want(200)
	told(personal, event.SnippetDelete)
	id = newSnippet(s.Colleague, "Shared", s.Organization)
	told(shared, event.SnippetCreate)
	s.Colleague.Patch(snippetPath(id)+organization, body{"name": "Changed"}).Want(200)
	told(shared, event.SnippetUpdate)
	s.Admin.Patch(snippetPath(id)+organization, body{"name": "Again"}).Want(200)
	told(shared, event.SnippetUpdate)
	s.Colleague.Delete(snippetPath(id) + organization).Want(200)
	told(shared, event.SnippetDelete)
}
