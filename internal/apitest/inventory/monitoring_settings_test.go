package inventory_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const globalSettings = "/api/monitoring/settings/global"

func settings(c *testserver.Client) (all body) {
	c.Get(globalSettings).Want(200).Into(&all)
	return all
}

func TestMonitoringSettings(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := testserver.Serve(t, s.Pool, s.Vault)
	all := body{
		"statusCheckerEnabled": true, "statusInterval": 30.0, "monitoringEnabled": true, "monitoringInterval": 60.0,
		"dataRetentionHours": 24.0, "connectionTimeout": 30.0, "batchSize": 10.0,
	}
	require.Equal(t, all, settings(s.Admin))
	for _, c := range []*testserver.Client{s.Owner, s.Stranger} {
		c.Get(globalSettings).WantError(403, "Forbidden")
		c.Patch(globalSettings, body{"batchSize": 20}).WantError(403, "Forbidden")
	}
	s.Grant(t, s.Owner, permission.SettingsMonitoring)
	var answer body
	s.Owner.Patch(globalSettings, body{"monitoringEnabled": false, "statusInterval": "10", "batchSize": 50}).Want(200).Into(&answer)
	merge(all, body{"monitoringEnabled": false, "statusInterval": 10.0, "batchSize": 50.0})
	require.Equal(t, all, answer)
	require.Equal(t, all, settings(s.Admin.On(other)))
	s.Admin.Patch(globalSettings, all).Want(200) // as it was read
	s.Admin.Patch(globalSettings, body{}).Want(200)
	for message, wrong := range map[string]body{
		"statusInterval must be greater than or equal to 10":   {"statusInterval": 9},
		"monitoringInterval must be less than or equal to 600": {"monitoringInterval": 601},
		"dataRetentionHours must be less than or equal to 24":  {"dataRetentionHours": 25},
		"connectionTimeout must be greater than or equal to 5": {"connectionTimeout": 4},
		"batchSize must be an integer":                         {"batchSize": 1.5},
		"statusCheckerEnabled must be a boolean":               {"statusCheckerEnabled": "true"},
		"monitoringEnabled must be a boolean":                  {"monitoringEnabled": nil},
		"id is not allowed":                                    {"id": 1},
	} {
		require.Equal(t, message, s.Admin.Patch(globalSettings, wrong).Want(400).Message())
	}
	require.Equal(t, all, settings(s.Admin))
}

func TestMonitoringSettingsAreToldOnTheServersOwnTrail(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	next := s.Events(t)
	s.Admin.Patch(globalSettings, body{"monitoringInterval": 30, "batchSize": 50}).Want(200)
	told := next()
	require.Equal(t, []any{event.MonitoringSettingsUpdate, caller.Owner(0), s.Admin.AccountID}, []any{told.Action, told.Owner, told.AccountID})
	require.Empty(t, told.Lists)
	var logs struct{ Logs []body }
	s.Admin.Get("/api/audit/logs?action=monitoring.*").Want(200).Into(&logs)
	require.Len(t, logs.Logs, 1)
	require.Equal(t, []any{"monitoring", body{"updatedFields": []any{"monitoringInterval", "batchSize"}}, 0.0},
		[]any{logs.Logs[0]["resource"], logs.Logs[0]["details"], logs.Logs[0]["subjectId"]})
}

// With the checker off nothing is greyed out for lack of news.
func TestServersCountAsOnlineOnceTheCheckerIsOff(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	down, up := newEntry(s.Owner, "down", nil), newEntry(s.Owner, "up", nil)
	shared, fresh := newEntry(s.Owner, "shared", body{"organizationId": s.Organization}), newEntry(s.Colleague, "fresh", nil)
	_, _, guest := newIntegration(t, s, s.Owner)
	s.Exec(t, `update entries set status = case when id = $1 then 'online' else 'offline' end where id = any($2)`, up, []int64{down, up, shared, guest})
	newTarget(s.Stranger, "up all the time", nil)
	s.Exec(t, `update entries set status = 'online' where account_id = $1`, s.Stranger.AccountID)

	next := s.Events(t)
	s.Admin.Patch(globalSettings, body{"statusCheckerEnabled": false}).Want(200)
	require.Equal(t, event.MonitoringSettingsUpdate, next().Action)
	for _, owner := range []caller.Owner{caller.Organization(s.Organization), caller.Account(s.Owner.AccountID), caller.Account(s.Colleague.AccountID)} {
		told := next()
		require.Equal(t, []any{event.EntryUnchecked, owner, []event.List{event.Entries}}, []any{told.Action, told.Owner, told.Lists})
	}
	for _, id := range []int64{down, up, shared} {
		require.Equal(t, "online", getEntry(s.Owner, id)["status"])
	}
	require.Equal(t, "online", getEntry(s.Colleague, fresh)["status"])
	require.Equal(t, "offline", getEntry(s.Owner, guest)["status"], "guests keep theirs")
	require.Empty(t, s.Audits(t, "entry.unchecked"))

	s.Exec(t, `update entries set status = 'offline' where id = $1`, down)
	s.Admin.Patch(globalSettings, body{"statusCheckerEnabled": false}).Want(200)
	require.Equal(t, "offline", getEntry(s.Owner, down)["status"], "once")
}

func TestAShorterRetentionDropsWhatIsOlder(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newTarget(s.Owner, "web", nil)
	history(t, s, id, 60, 9*time.Hour) // before there are partitions
	s.Exec(t, `select make_partitions('monitoring_samples', '3 hours', now() - interval '7 hours', now() + interval '1 day')`)
	history(t, s, id, 8*60, 0)
	partitions := func() int { return s.Count(t, `pg_inherits where inhparent = 'monitoring_samples'::regclass`) }
	before := partitions()
	s.Admin.Patch(globalSettings, body{"dataRetentionHours": 24}).Want(200)
	require.Equal(t, before, partitions())
	s.Admin.Patch(globalSettings, body{"dataRetentionHours": 1}).Want(200)
	require.Less(t, partitions(), before)
	var oldest time.Time
	s.Scan(t, &oldest, `select min(timestamp) from monitoring_samples`)
	require.WithinRange(t, oldest, time.Now().Add(-4*time.Hour-time.Minute), time.Now().Add(-time.Hour+time.Minute))
	require.Zero(t, s.Count(t, `monitoring_samples_rest where timestamp < now() - interval '1 hour'`))
	require.Len(t, getChart(s.Owner, id, "?timeRange=24h").Data, 60)
}
