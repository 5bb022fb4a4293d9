package access_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// A name that shows nothing, or that makes its surroundings look otherwise, is
// somebody else's to trust in.
func TestNamesCanBeSeenAndChangeNothingAroundThem(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const rule = " must have a visible character, and none that controls how text is shown"
	for _, name := range []string{
		" ", "\t", "\u00a0\u2003\u3000", "\u200b", "\u3164", "\u2800", "A\nB", "A\x7fB", "A\u0085B", "\x1b[31mA", "\u202egnirts", "A\u2066B", "A\u200fB", "\u061cA", "A\u2028B",
	} {
		for _, member := range []string{"firstName", "lastName"} {
			s.Owner.Patch("/api/account/name", body{member: name}).WantError(400, member+rule)
			account := body{"username": "grace", "password": testserver.Password, "firstName": "Grace", "lastName": "Hopper"}
			account[member] = name
			s.Admin.Put("/api/users", account).WantError(400, member+rule)
		}
		organization := "name" + rule
		if len(name) == 1 || name == "\u00a0\u2003\u3000" {
			organization = "name is not allowed to be empty"
		}
		s.Owner.Put("/api/organization", body{"name": name}).WantError(400, organization)
		s.Owner.Patch(fmt.Sprintf("/api/organization/%d", s.Organization), body{"name": name}).WantError(400, organization)
	}
	for _, name := range []string{"Ada", "Ångström-Ünal", "O’Neill Jr.", "李", "می\u200cخواهم", "👩\u200d🚀", "नेहा"} {
		s.Owner.Patch("/api/account/name", body{"firstName": name}).Want(200)
		s.Owner.Put("/api/organization", body{"name": name}).Want(201)
	}
	require.Equal(t, 8, s.Count(t, "organizations"))
}
