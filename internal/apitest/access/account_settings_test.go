package access_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func preferences(t *testing.T, c *testserver.Client) string {
	t.Helper()
	var me struct{ Preferences json.RawMessage }
	c.Get("/api/account/me").Want(200).Into(&me)
	return string(me.Preferences)
}

func TestPreferencesMergeKeyByKey(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	const path = "/api/account/me/preferences"
	ada.Patch(path, body{"terminal": body{"fontSize": "14", "cursorBlink": false, "passwordPromptDetection": true}}).Want(200)
	var answer struct {
		Message     string
		Preferences json.RawMessage
	}
	ada.Patch("/api/accounts/me/preferences", body{
		"terminal": body{"fontSize": 16, "theme": "dark"},
		"theme":    body{"uiScale": 1.3, "accentColor": "#AbCdEf"},
	}).Want(200).Into(&answer)
	require.Equal(t, "Preferences successfully updated.", answer.Message)
	const merged = `{
		"terminal": {"fontSize": 16, "cursorBlink": false, "passwordPromptDetection": true, "theme": "dark"},
		"theme": {"uiScale": 1.3, "accentColor": "#AbCdEf"}}`
	require.JSONEq(t, merged, string(answer.Preferences))
	ada.Patch(path, body{}).Want(200)
	ada.Patch(path, nil).Want(200)
	ada.Patch(path, body{"files": body{}}).Want(200)
	require.JSONEq(t, strings.Replace(merged, `"theme": {"uiScale`, `"files": {}, "theme": {"uiScale`, 1), preferences(t, ada))
	require.Equal(t, "{}", preferences(t, s.NewAccount(t, "eve")))
}

func TestPreferencesPatchedAtOnceAddUp(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	other := ada.On(testserver.Serve(t, s.Pool, s.Vault))
	patches := []body{
		{"terminal": body{"fontSize": 20}}, {"terminal": body{"cursorBlink": true}},
		{"terminal": body{"cursorStyle": "bar"}}, {"theme": body{"mode": "oled"}},
		{"files": body{"defaultViewMode": "grid"}}, {"files": body{"dragDropAction": "ask"}},
		{"general": body{"language": "de"}}, {"terminal": body{"fontFamily": "Hack"}},
	}
	var group sync.WaitGroup
	for i, patch := range patches {
		group.Go(func() { []*testserver.Client{ada, other}[i%2].Patch("/api/account/me/preferences", patch).Want(200) })
	}
	group.Wait()
	require.JSONEq(t, `{
		"terminal": {"fontSize": 20, "cursorBlink": true, "cursorStyle": "bar", "fontFamily": "Hack"},
		"theme": {"mode": "oled"}, "files": {"defaultViewMode": "grid", "dragDropAction": "ask"}, "general": {"language": "de"}}`,
		preferences(t, ada))
}

func TestPreferencesRefuse(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	for message, patch := range map[string]body{
		"terminal.fontSize must be greater than or equal to 10":                    {"terminal": body{"fontSize": 9}},
		"terminal.fontSize must be less than or equal to 32":                       {"terminal": body{"fontSize": 33}},
		"terminal.fontSize must be an integer":                                     {"terminal": body{"fontSize": 10.5}},
		"terminal.cursorStyle must be one of [block, underline, bar]":              {"terminal": body{"cursorStyle": "beam"}},
		"terminal.cursorBlink must be a boolean":                                   {"terminal": body{"cursorBlink": "true"}},
		"terminal.smartCopyPaste must be a boolean":                                {"terminal": body{"smartCopyPaste": nil}},
		"terminal.fontFamily must be a string":                                     {"terminal": body{"fontFamily": 1}},
		"terminal.fontFamily is not allowed to be empty":                           {"terminal": body{"fontFamily": ""}},
		"terminal.theme length must be less than or equal to 50 characters long":   {"terminal": body{"theme": strings.Repeat("x", 51)}},
		"terminal.colour is not allowed":                                           {"terminal": body{"colour": "red"}},
		"terminal must be of type object":                                          {"terminal": nil},
		"theme.mode must be one of [light, dark, auto, oled]":                      {"theme": body{"mode": "grey"}},
		"theme.accentColor fails to match the required pattern":                    {"theme": body{"accentColor": "314BD3"}},
		"theme.uiScale must be greater than or equal to 0.7":                       {"theme": body{"uiScale": 0.69}},
		"theme.uiScale must be less than or equal to 1.3":                          {"theme": body{"uiScale": 1.31}},
		"files.defaultViewMode must be one of [list, grid]":                        {"files": body{"defaultViewMode": "tree"}},
		"files.dragDropAction must be one of [ask, copy, move]":                    {"files": body{"dragDropAction": "link"}},
		"general.language length must be less than or equal to 10 characters long": {"general": body{"language": strings.Repeat("x", 11)}},
		"sound is not allowed":                                                     {"sound": body{}},
	} {
		ada.Patch("/api/account/me/preferences", patch).WantError(400, message)
	}
	require.Equal(t, "{}", preferences(t, ada))
}

func TestSessionSync(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	for _, mode := range []string{"across_devices", "same_tab", "same_browser"} {
		answer := ada.Patch("/api/accounts/session-sync", body{"sessionSync": mode}).Want(200)
		require.Equal(t, "Session synchronization mode has been successfully updated.", answer.Message())
		var me struct{ SessionSync string }
		s.NewAPIKey(t, ada).Get("/api/account/me").Want(200).Into(&me)
		require.Equal(t, mode, me.SessionSync)
	}
	ada.Patch("/api/account/session-sync", body{"sessionSync": "never"}).
		WantError(400, "sessionSync must be one of [across_devices, same_browser, same_tab]")
	ada.Patch("/api/account/session-sync", body{}).WantError(400, "sessionSync is required")
}

func TestAccountSearchFindsAnyPartOfAnyName(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	search := func(text string) []string {
		var found struct {
			Users []struct {
				ID         int64
				Username   string
				FirstName  string
				AvatarHash *string
			}
		}
		ada.Get("/api/accounts/search?search=" + url.QueryEscape(text)).Want(200).Into(&found)
		names := []string{}
		for _, user := range found.Users {
			names = append(names, user.Username)
		}
		return names
	}
	s.Exec(t, `insert into accounts (username, first_name, last_name, password_hash) values
		('zuse', 'Konrad', 'Zuse', ''), ('grace', 'Grace', 'HOPPER', ''), ('pct', '100%_sure', 'x', ''), ('umlaut', 'Jürgen', 'Groß', '')`)
	require.Equal(t, []string{"ada"}, search("ADA"), "the caller is among them")
	require.Equal(t, []string{"grace"}, search(" hopp "))
	require.Equal(t, []string{"zuse"}, search("nRaD"))
	require.Equal(t, []string{"umlaut"}, search("JÜR"))
	require.Equal(t, []string{"pct"}, search("%_s"))
	require.Empty(t, search("%%%"))
	require.Empty(t, search("___"))
	require.Empty(t, search("ad"))
	require.Empty(t, search("  ad  "))
	require.Empty(t, search(""))
	ada.Get("/api/account/search").Want(200)

	for i := range 7 {
		s.Exec(t, `insert into accounts (username, first_name, last_name, password_hash) values ($1, 'Many', '', '')`, fmt.Sprintf("many%d", 7-i))
	}
	require.Equal(t, []string{"many1", "many2", "many3", "many4", "many5"}, search("many"))

	ada.Get("/api/account/search?search="+strings.Repeat("x", 256)).
		WantError(400, "search length must be less than or equal to 255 characters long")
	ada.Get("/api/account/search?search=abc&search=def").WantError(400, "search must be given once")
	s.Anonymous.Get("/api/account/search?search=abc").Want(400)
}
