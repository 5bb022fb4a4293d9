package inventory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestSessionSettingsAreOffUntilSwitchedOn(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	path := organizationPath(s.Organization, "/session-settings")
	var settings body
	s.Owner.Get("/api/organizations/1/session-settings").Want(200).Into(&settings)
	require.Equal(t, body{"enableLiveSessionSharing": false, "enablePublicShareLinks": true}, settings)

	s.Exec(t, `update organizations set session_settings = '{"fromALaterVersion": 1}'`)
	for _, on := range []bool{true, false} {
		want := body{"enableLiveSessionSharing": on, "enablePublicShareLinks": !on}
		s.Owner.Patch(path, want).Want(200).Into(&settings)
		require.Equal(t, want, settings)
		s.Owner.Get(path).Want(200).Into(&settings)
		require.Equal(t, want, settings)
	}
	s.Owner.Patch(path, body{"enableLiveSessionSharing": true}).Want(200).Into(&settings)
	require.Equal(t, body{"enableLiveSessionSharing": true, "enablePublicShareLinks": true}, settings, "what is left out stays")
	var kept int
	s.Scan(t, &kept, `select session_settings -> 'fromALaterVersion' from organizations`)
	require.Equal(t, 1, kept, "a change is merged into what is stored")
}

func TestSessionSettingsAreChecked(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	path := organizationPath(s.Organization, "/session-settings")
	s.Owner.Patch(path, body{}).WantError(400, "enableLiveSessionSharing is required")
	s.Owner.Patch(path, nil).WantError(400, "enableLiveSessionSharing is required")
	s.Owner.Patch(path, body{"enableLiveSessionSharing": "true"}).WantError(400, "enableLiveSessionSharing must be a boolean")
	s.Owner.Patch(path, body{"enableLiveSessionSharing": nil}).WantError(400, "enableLiveSessionSharing must be a boolean")
	s.Owner.Patch(path, body{"enableLiveSessionSharing": true, "more": true}).WantError(400, "more is not allowed")
	s.Owner.Get("/api/organization/x/session-settings").WantError(400, "Invalid organization ID")
}

func TestSessionSettingsNeedTheRight(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	inviteByOwner(t, s, s.Stranger)
	on := body{"enableLiveSessionSharing": true}
	for _, c := range []*testserver.Client{s.Colleague, s.Stranger} {
		for _, id := range []int64{s.Organization, noOrganization} {
			c.Get(organizationPath(id, "/session-settings")).WantError(403, "Forbidden")
			c.Patch(organizationPath(id, "/session-settings"), on).WantError(403, "Forbidden")
		}
	}
	s.Admin.Get(organizationPath(noOrganization, "/session-settings")).WantError(404, organizationNotFound)
	s.Admin.Patch(organizationPath(noOrganization, "/session-settings"), on).WantError(404, organizationNotFound)
	s.Admin.Patch(organizationPath(s.Organization, "/session-settings"), on).Want(200)
	s.OverrideMember(t, s.Colleague, permission.OrgManage, "allow")
	s.Colleague.Get(organizationPath(s.Organization, "/session-settings")).Want(200)
	s.Colleague.Patch(organizationPath(s.Organization, "/session-settings"), on).Want(200)
}
