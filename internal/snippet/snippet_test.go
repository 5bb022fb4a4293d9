package snippet_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

type body = map[string]any

// What scripts and snippets have in common is tested in package library.

func path(id int64) string { return fmt.Sprintf("/api/snippet/%d", id) }

func create(c *testserver.Client, name string, organization any) int64 {
	return c.Put("/api/snippet", body{"name": name, "command": "ls", "organizationId": organization}).Want(200).ID()
}

func TestCommandIsBounded(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := create(s.Owner, "Snippet", nil)
	const characters, bytes = "command length must be less than or equal to 65536 characters long", "command length must be less than or equal to 65536 bytes long"
	for command, message := range map[string]string{
		strings.Repeat("x", 64<<10+1): characters, strings.Repeat("ü", 32<<10+1): bytes,
		strings.Repeat("x", 64<<10): "", strings.Repeat("ü", 32<<10): "",
	} {
		created := s.Owner.Put("/api/snippet", body{"name": "x", "command": command})
		updated := s.Owner.Patch(path(id), body{"command": command})
		if message == "" {
			created.Want(200)
			updated.Want(200)
			continue
		}
		created.WantError(400, message)
		updated.WantError(400, message)
	}
}

func TestChangesArePublished(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	next := s.Changes(t)
	organization := fmt.Sprintf("?organizationId=%d", s.Organization)
	personal := event.Change{Topics: []event.Topic{event.Snippets}, Accounts: []int64{s.Owner.AccountID}}
	shared := event.Change{Topics: []event.Topic{event.Snippets}, Accounts: []int64{s.Colleague.AccountID}, Organizations: []int64{s.Organization}}

	id := create(s.Owner, "Personal", nil)
	require.Equal(t, personal, next())
	other := create(s.Owner, "Other", nil)
	require.Equal(t, personal, next())
	s.Owner.Patch(path(id), body{"name": "Changed"}).Want(200)
	require.Equal(t, personal, next())
	s.Owner.Patch(path(id)+"/reposition", body{"targetId": other}).Want(200)
	require.Equal(t, personal, next())
	s.Owner.Delete(path(id)).Want(200)
	require.Equal(t, personal, next())
	id = create(s.Colleague, "Shared", s.Organization)
	require.Equal(t, shared, next())
	s.Colleague.Patch(path(id)+organization, body{"name": "Changed"}).Want(200)
	require.Equal(t, shared, next())
	s.Admin.Patch(path(id)+organization, body{"name": "Again"}).Want(200)
	require.Equal(t, event.Change{
		Topics: []event.Topic{event.Snippets}, Accounts: []int64{s.Admin.AccountID}, Organizations: []int64{s.Organization},
	}, next())
	s.Colleague.Delete(path(id) + organization).Want(200)
	require.Equal(t, shared, next())
}
