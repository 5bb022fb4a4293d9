package access_test

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/caller"
	writing "github.com/nexterm-go/nexterm/internal/change" // change is a body here
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/recovery"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// trail is what a caller finds in the audit log, the oldest first, as in
// "account.password_reset session by admin on owner from 127.0.0.1". Filters are
// a query.
func trail(t *testing.T, s *testserver.Server, c *testserver.Client, filters string) []string {
	t.Helper()
	var page struct {
		Total int
		Logs  []struct {
			ID                                   int64
			Actor, Action                        string
			AccountID, ImpersonatorID, SubjectID *int64
			OrganizationID                       *int64
			IPAddress, UserAgent                 *string
		}
	}
	c.Get("/api/audit/logs?limit=1000&" + filters).Want(200).Into(&page)
	// A row that somebody sees for two reasons is one row.
	require.Len(t, page.Logs, page.Total)
	seen := map[int64]bool{}
	rows := []string{}
	for _, log := range slices.Backward(page.Logs) {
		require.False(t, seen[log.ID], "%s comes twice", log.Action)
		seen[log.ID] = true
		row := log.Action + " " + log.Actor
		if log.AccountID != nil {
			row += " by " + nameOf(t, s, *log.AccountID)
		}
		if log.ImpersonatorID != nil {
			row += " really " + nameOf(t, s, *log.ImpersonatorID)
		}
		if log.SubjectID != nil {
			require.Nil(t, log.OrganizationID)
			row += " on " + nameOf(t, s, *log.SubjectID)
		}
		if log.OrganizationID != nil {
			row += " in an organization"
		}
		require.Equal(t, log.IPAddress == nil, log.UserAgent == nil, row)
		if log.IPAddress != nil {
			row += " from " + *log.IPAddress
		}
		rows = append(rows, row)
	}
	return rows
}

// nameOf is the account's name; 0 is the server itself.
func nameOf(t *testing.T, s *testserver.Server, id int64) (name string) {
	t.Helper()
	s.Scan(t, &name, `select coalesce((select username from accounts where id = $1), 'the server')`, id)
	return name
}

func TestResetPasswordsAreInTheLogsOfBoth(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Admin.With("User-Agent", "Browser/1.0").Patch(userPath(s.Owner.AccountID)+"/password", body{"password": "another"}).Want(200)
	const reset = "account.password_reset session by admin on owner"
	require.Equal(t, []string{reset}, trail(t, s, s.Owner, ""), "where the administrator was is not told")
	require.Equal(t, []string{reset + " from 127.0.0.1"}, trail(t, s, s.Admin, ""))
	require.Empty(t, trail(t, s, s.Stranger, ""))
	require.Empty(t, trail(t, s, s.Colleague, ""), "an organization in common does not matter")
}

func TestImpersonationIsInTheLogOfTheAccount(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var session struct{ Token string }
	impersonate(s.Admin, s.Owner).Want(200).Into(&session)
	as := s.Anonymous.With("Authorization", "Bearer "+session.Token)
	as.Patch("/api/account/name", body{"firstName": "Augusta"}).Want(200)
	s.Anonymous.Post("/api/auth/logout", body{"token": session.Token}).Want(200)

	begun := "impersonation.begin session by admin on owner"
	require.Equal(t, []string{
		begun,
		"account.update impersonation by owner really admin on owner",
		"impersonation.end impersonation by owner really admin on owner",
	}, trail(t, s, s.Owner, ""), "where the administrator was is not told")
	require.Contains(t, trail(t, s, s.Admin, ""), begun+" from 127.0.0.1")
	require.Empty(t, trail(t, s, s.Stranger, ""))

	// Ended by the account, which then acts for itself.
	impersonate(s.Admin, s.Owner).Want(200)
	var id int64
	s.Scan(t, &id, `select id from sessions where impersonator_id is not null`)
	s.Owner.Delete(fmt.Sprint("/api/session/", id)).Want(200)
	require.Equal(t, []string{begun, "impersonation.end session by owner on owner from 127.0.0.1"},
		trail(t, s, s.Owner, "action=impersonation.*")[2:])
}

func TestWhatAnAPIKeyDoesSaysSo(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.NewAPIKey(t, s.Owner).Put("/api/tag", body{"name": "production", "color": "#fff"}).Want(200)
	require.Equal(t, []string{"tag.create api_key by owner on owner from 127.0.0.1"}, trail(t, s, s.Owner, ""))
	require.Empty(t, trail(t, s, s.Stranger, ""))
}

func TestWhatTheCommandLineDoesIsInTheLogsOfThoseItConcerns(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `update auth_providers set enabled = false where is_internal`)
	changes := writing.New(s.Pool, event.NewLog(s.Pool, slog.New(slog.DiscardHandler)))
	ctx := caller.WithActor(t.Context(), caller.ByOperator)
	require.NoError(t, recovery.SetPassword(ctx, changes, "owner", "another"))
	_, err := recovery.EnablePasswords(ctx, changes)
	require.NoError(t, err)
	require.Equal(t, []string{"account.password_reset operator on owner"}, trail(t, s, s.Owner, ""))
	require.Equal(t, []string{"auth_provider.update operator on the server"}, trail(t, s, s.Admin, ""))
	require.Empty(t, trail(t, s, s.Stranger, ""))
}

func TestWhatAJobDoesIsForAdministrators(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Grant(t, s.Colleague, "settings.sources")
	s.Exec(t, `insert into sources (name, url, is_default, enabled) values ('Official', 'https://source.nexterm.dev', true, false)`)
	s.Exec(t, `insert into sources (name, url) values ('Away', 'http://127.0.0.1:1')`)
	s.Admin.Post("/api/sources/sync-all", nil).Want(200)
	options := server.Options{Pool: s.Pool, Vault: s.Vault, Log: slog.New(slog.DiscardHandler)}
	testserver.AllowLoopback(&options)
	worker, err := app.New(app.Options{Options: options, JobDelay: time.Hour})
	require.NoError(t, err)
	testserver.Run(t, worker)
	require.Eventually(t, func() bool { return s.Count(t, "audit_logs") > 0 }, 20*time.Second, 5*time.Millisecond)
	require.Equal(t, []string{"source.sync_fail job on the server"}, trail(t, s, s.Admin, ""))
	for _, c := range []*testserver.Client{s.Owner, s.Colleague, s.Stranger} {
		require.Empty(t, trail(t, s, c, ""), c.Username)
	}
}

func TestGroupsAreTheServersOwn(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Grant(t, s.Colleague, "permissions.manage")
	id := s.Colleague.Post(groupsPath, body{"name": "Operators"}).Want(200).ID()
	s.Colleague.Patch(groupPath(id, ""), body{"name": "Night operators"}).Want(200)
	s.Colleague.Post(groupPath(id, "/members"), body{"accountId": s.Stranger.AccountID}).Want(200)
	s.Colleague.Delete(groupPath(id, "")).Want(200)
	const from = " from 127.0.0.1"
	created, updated, deleted := "group.create session by colleague on the server", "group.update session by colleague on the server", "group.delete session by colleague on the server"
	added := "group.member_add session by colleague on stranger"
	require.Equal(t, []string{created + from, updated + from, added + from, deleted + from}, trail(t, s, s.Colleague, ""))
	require.Subset(t, trail(t, s, s.Admin, ""), []string{created + from, updated + from, deleted + from})
	require.Equal(t, []string{added}, trail(t, s, s.Stranger, ""), "who has got the group")
	require.Empty(t, trail(t, s, s.Owner, ""))
}

func TestTheTrailByActionResourceAndOwner(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Anonymous.Post("/api/auth/login", body{"username": "owner", "password": testserver.Password}).Want(200)
	s.Anonymous.Post("/api/auth/login", body{"username": "owner", "password": "wrong"}).Want(401)
	s.Owner.Put("/api/snippet", body{"name": "Free space", "command": "df"}).Want(200)
	s.Owner.Patch(fmt.Sprint("/api/organization/", s.Organization), body{"name": "Engines"}).Want(200)
	s.Admin.Patch(userPath(s.Owner.AccountID)+"/password", body{"password": "another"}).Want(200)

	const from = " from 127.0.0.1"
	signedIn, refused := "session.create session by owner on owner"+from, "session.refuse system on owner"+from
	snippet, reset := "snippet.create session by owner on owner"+from, "account.password_reset session by admin on owner"
	engines := "organization.update session by owner in an organization" + from
	for filters, want := range map[string][]string{
		"":                                     {signedIn, refused, snippet, engines, reset},
		"organizationId=personal":              {signedIn, refused, snippet, reset},
		"action=session.*":                     {signedIn, refused},
		"action=session.refuse":                {refused},
		"resource=session":                     {signedIn, refused},
		"resource=account":                     {reset},
		"resource=account&action=session.*":    {},
		"organizationId=personal&action=snip*": nil,
		"organizationId=personal&resource=organization": {},
		fmt.Sprint("organizationId=", s.Organization):   {engines},
	} {
		if want == nil {
			s.Owner.Get("/api/audit/logs?" + filters).Want(400)
			continue
		}
		require.Equal(t, want, trail(t, s, s.Owner, filters), filters)
	}
	// Pages neither repeat nor lose what is somebody's own and done to them.
	var paged []float64
	for offset := range 6 {
		var page struct {
			Total int
			Logs  []body
		}
		s.Owner.Get(fmt.Sprintf("/api/audit/logs?limit=1&offset=%d", offset)).Want(200).Into(&page)
		require.Equal(t, 5, page.Total)
		for _, log := range page.Logs {
			paged = append(paged, log["id"].(float64))
		}
	}
	require.Len(t, paged, 5)
	require.Len(t, slices.Compact(paged), 5)
}
