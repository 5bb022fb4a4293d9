package importing_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/importing"
	"github.com/nexterm-go/nexterm/internal/testserver"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

func server(name, host string, folder ...string) *importing.Row {
	return &importing.Row{File: "f", Line: 7, Name: name, Folder: folder, Config: nexterm.EntryConfig{Protocol: "ssh", IP: host}}
}

func TestBringMakesWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	client := sdk(t, s, s.Owner)
	hop := server("hop", "192.0.2.1")
	web := server("web", "web.example.com", "prod", "eu")
	web.Via = []*importing.Row{hop}
	web.Logins = []importing.Login{{Username: "root", Password: "canary"}}
	twin := server("twin", "twin.example.com", "prod", "eu")
	twin.Logins = web.Logins
	other := server("web", "other.example.com", "prod", "eu")
	other.Logins = []importing.Login{{Username: "root", Password: "another"}}
	// Its jump host comes after it.
	rows := []*importing.Row{web, twin, other, hop}

	before := stored(t, s)
	planned, err := importing.Bring(t.Context(), client, rows, importing.Destination{DryRun: true})
	require.NoError(t, err)
	require.Equal(t, map[string]int{importing.Create: 4}, statuses(planned))
	require.Equal(t, before, stored(t, s), "a dry run writes")

	done, err := importing.Bring(t.Context(), client, rows, importing.Destination{})
	require.NoError(t, err)
	require.Equal(t, map[string]int{importing.Created: 4}, statuses(done))
	require.Equal(t, "prod/eu", done[0].Folder)
	made := entries(t, s.Owner)
	require.Empty(t, made["twin"].Config.JumpHosts)
	require.Equal(t, 1, s.Count(t, "entries where config->'jumpHosts' = to_jsonb(array[$1::bigint])", made["hop"].ID))
	var identities []nexterm.Identity
	s.Owner.Get("/api/identity/list").Want(200).Into(&identities)
	require.Len(t, identities, 2)
	require.Equal(t, "root (prod/eu/web)", identities[0].Name)
	require.Equal(t, "root (prod/eu/web) 2", identities[1].Name)
	require.Equal(t, []int64{identities[0].ID}, made["twin"].Identities)

	after := stored(t, s)
	again, err := importing.Bring(t.Context(), client, rows, importing.Destination{})
	require.NoError(t, err)
	require.Equal(t, map[string]int{importing.Exists: 4}, statuses(again))
	require.Equal(t, after, stored(t, s), "a second run writes")
}

func TestBringToAnOrganization(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Stranger.Put("/api/folder", body{"name": "prod"}).Want(200)
	s.Owner.Put("/api/folder", body{"name": "prod"}).Want(200)
	web := server("web", "web.example.com", "prod")
	web.Logins = []importing.Login{{Username: "root", Password: "canary"}}
	to := importing.Destination{Organization: s.Organization, Folder: []string{"all"}}
	done, err := importing.Bring(t.Context(), sdk(t, s, s.Owner), []*importing.Row{web}, to)
	require.NoError(t, err)
	require.Equal(t, map[string]int{importing.Created: 1}, statuses(done))
	require.Equal(t, 1, s.Count(t, "entries where organization_id = $1", s.Organization))
	require.Equal(t, 1, s.Count(t, "identities where organization_id = $1", s.Organization))
	require.Equal(t, 2, s.Count(t, "folders where organization_id = $1", s.Organization))
	// A colleague finds it there already; a stranger cannot write there, and is told so by row.
	again, err := importing.Bring(t.Context(), sdk(t, s, s.Colleague), []*importing.Row{web}, to)
	require.NoError(t, err)
	require.Equal(t, map[string]int{importing.Exists: 1}, statuses(again))
	before := stored(t, s)
	refused, err := importing.Bring(t.Context(), sdk(t, s, s.Stranger), []*importing.Row{web}, to)
	require.NoError(t, err)
	require.Equal(t, importing.Failed, refused[0].Status)
	require.Contains(t, refused[0].Reason, "permission")
	require.Equal(t, before, stored(t, s))
}

func TestBringTellsWhatIsRefused(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	far := server("far", "far.example.com")
	rows := []*importing.Row{
		server("", "a.example.com"), server("bell\a", "a.example.com"), server("space", "a b"), server("no-host", ""),
		server("long", "a.example.com", fmt.Sprintf("%060d", 1)), server("mac", "a.example.com"), server("short", "a.example.com", "db"),
		far, {Name: "left", Skip: "it is a printer"}, server("over", "b.example.com"), server("same", "c.example.com"), server("same", "C.example.com"),
	}
	rows[5].Config.MACAddress = "canary"
	far.Via = []*importing.Row{rows[5]}
	deep := server("deep", "d.example.com", strings.Split(strings.Repeat("deep ", 32)+"er", " ")...)
	one, two := server("one", "1.example.com"), server("two", "2.example.com")
	one.Via, two.Via = []*importing.Row{two}, []*importing.Row{one}
	rows = append(rows, one, two, deep)
	done, err := importing.Bring(t.Context(), sdk(t, s, s.Owner), rows, importing.Destination{})
	require.NoError(t, err)
	var told []string
	for _, row := range done {
		told = append(told, row.Status+" "+row.Reason)
	}
	require.Equal(t, []string{
		"failed it has no name", "failed the name has control characters or is not UTF-8", `failed "a b" is no host`, "failed it has no host",
		`failed the folder name "000000000000000000000000000000000000000000000000000000000001" is empty or longer than 50 characters`,
		told[5], "created ", `failed its jump host "mac" is ` + "failed: " + done[5].Reason, "skipped it is a printer",
		"created ", "created ", "exists ", told[12], told[13], "failed its folders nest deeper than 32",
	}, told)
	require.Contains(t, told[5], "failed config.macAddress")
	require.Contains(t, told[12], "lead back to itself")
	require.Equal(t, "bell\uFFFD", done[1].Name)
	require.Equal(t, "db", done[6].Folder)
	require.Equal(t, 1, s.Count(t, "folders"))
}

// stopping ends the context after a number of changes.
type stopping struct {
	changes int
	stop    context.CancelFunc
}

func (s *stopping) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut {
		if s.changes--; s.changes < 0 {
			s.stop()
			return nil, context.Canceled
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestBringIsCompletedByTheNextRun(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	rows := make([]*importing.Row, 10)
	for i := range rows {
		rows[i] = server(fmt.Sprint("web", i), "web.example.com", fmt.Sprint("folder", i%3))
		rows[i].Logins = []importing.Login{{Username: fmt.Sprint("root", i), Password: "canary"}}
		if i > 0 {
			rows[i].Via = rows[i-1 : i]
		}
	}
	for runs := 1; ; runs++ {
		ctx, stop := context.WithCancel(t.Context())
		client, err := nexterm.New(s.URL, nexterm.WithToken(s.Owner.Token), nexterm.WithHTTPClient(&http.Client{Transport: &stopping{runs, stop}}))
		require.NoError(t, err)
		_, err = importing.Bring(ctx, client, rows, importing.Destination{})
		stop()
		if err == nil {
			require.Greater(t, runs, 3)
			break
		}
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Equal(t, []int{10, 3, 10, 10}, stored(t, s)[:4])
}

type counting int

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	*c++
	return http.DefaultTransport.RoundTrip(r)
}

func TestBringOfThousand(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	rows := make([]*importing.Row, 1000)
	for i := range rows {
		rows[i] = server(fmt.Sprint("web", i), "web.example.com", fmt.Sprint("folder", i%100))
		rows[i].Logins = []importing.Login{{Username: "root", Password: "canary"}}
	}
	var requests counting
	client, err := nexterm.New(s.URL, nexterm.WithToken(s.Owner.Token), nexterm.WithHTTPClient(&http.Client{Transport: &requests}))
	require.NoError(t, err)
	for _, want := range []counting{3 + 1000 + 100 + 1, 3} {
		requests = 0
		_, err := importing.Bring(t.Context(), client, rows, importing.Destination{})
		require.NoError(t, err)
		require.Equal(t, want, requests)
	}
	require.Equal(t, []int{1000, 100, 1, 1000}, stored(t, s)[:4])
}

func TestBringStopsForWhatConcernsAll(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	client, err := nexterm.New(s.URL, nexterm.WithToken("ended"))
	require.NoError(t, err)
	_, err = importing.Bring(t.Context(), client, []*importing.Row{server("web", "a")}, importing.Destination{})
	require.ErrorIs(t, err, nexterm.ErrUnauthorized)
}
