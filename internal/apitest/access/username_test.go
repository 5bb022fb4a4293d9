package access_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func newcomer(username string) body {
	return body{"username": username, "password": testserver.Password, "firstName": "Grace", "lastName": "Hopper"}
}

func TestUsernamesAreOneInEverySpelling(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Admin.Put("/api/users", newcomer("Owner")).WantError(409, "This account already exists")
	s.Admin.Put("/api/users", newcomer("Grace")).Want(200)
	s.Admin.Put("/api/users", newcomer("graCE")).WantError(409, "This account already exists")
	s.Exec(t, `update auth_providers set allow_registration = true where is_internal`)
	s.Anonymous.Post("/api/account/register", newcomer("GRACE")).WantError(409, "This account already exists")

	for _, spelling := range []string{"Grace", "grace", "GRACE", "ｇrace"} {
		s.Anonymous.Post("/api/auth/login", body{"username": spelling, "password": testserver.Password}).Want(200)
	}
	s.Anonymous.Post("/api/auth/login", body{"username": "gráce", "password": testserver.Password}).Want(401)
	s.Owner.Post(fmt.Sprintf("/api/organization/%d/invite", s.Organization), body{"username": "STRANGER"}).Want(200)
	require.Equal(t, "stranger", s.Audits(t, "organization.invite")[0]["details"].(map[string]any)["username"])
}

func TestLookAlikesFromProvidersAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Admin.Put("/api/users", newcomer("Grace")).Want(200)
	for username, message := range map[string]string{
		"Admin": refusedDuplicate, "ADMIN": refusedDuplicate, "ａｄｍｉｎ": refusedDuplicate, "𝐚dmin": refusedDuplicate,
		"grace": refusedDuplicate,
		// A Cyrillic a, a Greek o, and what shows as nothing.
		"\u0430dmin": refusedUsername, "\u03bfwner": refusedUsername,
		"ad\u3164min": refusedUsername, "ad\ufe0fmin": refusedUsername, "ad\u034fmin": refusedUsername, "ad\u00admin": refusedUsername,
	} {
		s.issuer.person["preferred_username"] = username
		s.refuses(message)
	}
	s.issuer.person["preferred_username"] = "Ame\u0301lie"
	s.me()
	s.issuer.person["sub"], s.issuer.person["preferred_username"] = "2", "am\u00e9lie"
	s.refuses(refusedDuplicate)
	for i, username := range []string{"администратор", "李ming", "ひらがなカタカナ", "ada.lovelace+1@example.com", "Straße"} {
		s.issuer.person["sub"], s.issuer.person["preferred_username"] = fmt.Sprint("person ", i), username
		require.Equal(t, username, s.me()["username"])
	}
	s.issuer.person["sub"], s.issuer.person["preferred_username"] = "3", "STRASSE"
	s.refuses(refusedDuplicate)
}
