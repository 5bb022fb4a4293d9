package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/internal/postgres"
)

const (
	// scaleGoal is how many times as long an account may wait for what is its own
	// when others have filled the database.
	scaleGoal = 1.3
	// scaleCalls are the calls of an operation in each round, to each server.
	scaleCalls = 15
)

// scaleOperation is a call of an account that is of the same size in both
// databases.
type scaleOperation struct {
	name, account, method, path, body string
	// each is a query for the numbers that go into the path, one for each call.
	each string
}

const (
	anEntry  = "select e.id from entries e join organization_members m using (organization_id) where m.account_id = @account order by e.id limit @calls"
	doomed   = "insert into %s select @account, 'Doomed' || n%s from generate_series(1, @calls::integer) n returning id"
	identity = `{"name":"Production","username":"deploy","type":"password","password":"` + password + `"}`
)

var scaleOperations = []scaleOperation{
	{name: "account/me", path: "/api/account/me"},
	{name: "session/list", path: "/api/session/list"},
	{name: "account/api-keys", path: "/api/account/api-keys"},
	{name: "organization", path: "/api/organization"},
	{name: "invitations", path: "/api/organization/invitations/pending"},
	{name: "identity/list", path: "/api/identity/list"},
	{name: "entry/list", path: "/api/entry/list"},
	{name: "entries/list", path: "/api/entries/list"},
	{name: "entry/recent", path: "/api/entry/recent"},
	{name: "entry/{id}", path: "/api/entry/%d", each: anEntry},
	{name: "folder/list", path: "/api/folder/list"},
	{name: "folders/list", path: "/api/folders/list"},
	{name: "tag/list", path: "/api/tag/list"},
	{name: "scripts/all", path: "/api/scripts/all"},
	{name: "scripts?search", path: "/api/scripts?search=script-1"},
	{name: "snippet/all", path: "/api/snippet/all"},
	{name: "account/search", path: "/api/account/search?search=overseer"},
	{name: "users/list", account: overseer, path: "/api/users/list?limit=2"},
	{name: "users/list?search", account: overseer, path: "/api/users/list?limit=2&search=overseer"},
	{name: "audit/logs", path: "/api/audit/logs"},
	{name: "audit/logs, one organization", path: "/api/audit/logs?organizationId=%d", each: "select organization_id from organization_members, generate_series(1, @calls) where account_id = @account"},
	{name: "audit/logs, personal", path: "/api/audit/logs?organizationId=personal"},
	{name: "audit/logs, action", path: "/api/audit/logs?action=identity.create"},
	{name: "audit/logs, rare action", path: "/api/audit/logs?action=organization.delete"},
	{name: "audit/logs, category", path: "/api/audit/logs?action=identity.*"},
	{name: "audit/logs, resource", path: "/api/audit/logs?resource=entry"},
	{name: "audit/logs, time", path: "/api/audit/logs?startDate=2020-01-01&endDate=2099-01-01"},
	{name: "audit/logs, offset", path: "/api/audit/logs?offset=1500"},
	{name: "audit/logs, cursor", path: "/api/audit/logs?cursor=%d_0", each: "select (extract(epoch from now() - interval '200 days') * 1e6)::bigint from generate_series(1, @calls)"},
	{name: "PATCH account/name", method: "PATCH", path: "/api/account/name", body: `{"firstName":"Ada","lastName":"Lovelace"}`},
	{name: "PATCH preferences", method: "PATCH", path: "/api/account/me/preferences", body: `{"terminal":{"fontSize":14}}`},
	{name: "PUT identity", method: "PUT", path: "/api/identity", body: identity},
	{name: "PATCH identity", method: "PATCH", path: "/api/identity/%d", body: identity, each: fmt.Sprintf(doomed, "identities (account_id, name, type)", ", 'ssh'")},
	{name: "DELETE identity", method: "DELETE", path: "/api/identity/%d", each: fmt.Sprintf(doomed, "identities (account_id, name, type)", ", 'ssh'")},
	{name: "PUT entry", method: "PUT", path: "/api/entry", body: `{"name":"web1","config":{"protocol":"ssh","ip":"web1.example.com","port":22}}`},
	{name: "PATCH entry", method: "PATCH", path: "/api/entry/%d", body: `{"name":"web2"}`, each: anEntry},
	{name: "PATCH entry/reposition", method: "PATCH", path: "/api/entry/%d/reposition", body: `{"placement":"after","targetId":null}`, each: anEntry},
	{name: "DELETE entry", method: "DELETE", path: "/api/entry/%d", each: fmt.Sprintf(doomed, "entries (account_id, name, type, rank)", ", 'server', n")},
	{name: "PUT folder", method: "PUT", path: "/api/folder", body: `{"name":"Web"}`},
	{name: "DELETE folder", method: "DELETE", path: "/api/folder/%d", each: fmt.Sprintf(doomed, "folders (account_id, name, position)", ", n")},
	{name: "PATCH tag", method: "PATCH", path: "/api/tag/%d", body: `{"color":"#ff8800"}`, each: "select id from tags, generate_series(1, @calls) where account_id = @account limit @calls"},
	{name: "ws/state, opened"},
}

// scaleRow is what an operation takes in the full database and in the empty one.
type scaleRow struct {
	name        string
	full, empty []time.Duration
}

func (r scaleRow) ratio() float64 {
	seconds := func(d time.Duration) float64 { return d.Seconds() }
	return median(r.full, seconds) / median(r.empty, seconds)
}

// side is one of the two servers with its database.
type side struct {
	*process
	data *seeded
}

// measureScale compares a server whose database others have filled with one that
// holds nothing but the measured accounts.
func measureScale(ctx context.Context, p plan, binary, dir string) (rows []*scaleRow, err error) {
	full, empty := filepath.Join(dir, "full"), filepath.Join(dir, "empty")
	if err := restoreScale(ctx, full); err != nil {
		return nil, err
	}
	var sides [2]side
	for i, data := range []string{full, empty} {
		// Waiting for the disk takes the same time in both, and hides the rest.
		pool, closeDatabase, err := openDatabase(ctx, postgres.Options{DataDir: data, Settings: map[string]string{"fsync": "off"}})
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, closeDatabase()) }()
		s := side{data: newSeeded(pool)}
		if err := s.data.ordinary(ctx); err != nil {
			return nil, fmt.Errorf("seed the measured accounts: %w", err)
		}
		if s.process, err = startServer(ctx, binary, pool.Config().ConnString()); err != nil {
			return nil, err
		}
		defer s.stop()
		sides[i] = s
	}
	for _, o := range scaleOperations {
		if strings.Contains(o.name, p.only) {
			rows = append(rows, &scaleRow{name: o.name})
		}
	}
	for round := range p.rounds {
		fmt.Printf("round %d of %d\n", round+1, p.rounds)
		row := 0
		for _, o := range scaleOperations {
			if !strings.Contains(o.name, p.only) {
				continue
			}
			if err := o.compare(ctx, sides, rows[row]); err != nil {
				return nil, fmt.Errorf("%s: %w", o.name, err)
			}
			row++
		}
	}
	return rows, nil
}

// compare calls both servers by turns, so that what else happens on the machine
// meets both.
func (o scaleOperation) compare(ctx context.Context, sides [2]side, row *scaleRow) error {
	var calls [2]func(int) error
	for i, s := range sides {
		if o.path == "" {
			calls[i] = func(int) error {
				open, err := openSockets(ctx, s.process, []string{s.data.tokens[clerk]})
				if err == nil {
					err = open[0].CloseNow()
				}
				return err
			}
			continue
		}
		requests, err := o.requests(ctx, s.data)
		if err != nil {
			return err
		}
		c, err := dial(ctx, s.address)
		if err != nil {
			return err
		}
		defer c.close()
		calls[i] = func(n int) error { return c.send(requests[n]) }
	}
	// The first call reads what lies on the disk, and is not measured.
	for n := range scaleCalls {
		var took [2]time.Duration
		for i := range calls {
			i := (i + n) % len(calls)
			begin := time.Now()
			if err := calls[i](n); err != nil {
				return err
			}
			took[i] = time.Since(begin)
		}
		if n > 0 {
			row.full, row.empty = append(row.full, took[0]), append(row.empty, took[1])
		}
	}
	for _, s := range sides {
		if err := s.data.clearOrdinary(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (o scaleOperation) requests(ctx context.Context, data *seeded) ([][]byte, error) {
	call := operation{account: o.account, method: o.method, path: o.path, body: o.body}
	if call.account == "" {
		call.account = clerk
	}
	if call.method == "" {
		call.method = "GET"
	}
	if o.each == "" {
		return slices.Repeat(call.requests(data), scaleCalls), nil
	}
	rows, err := data.pool.Query(ctx, o.each, pgx.NamedArgs{"account": data.ids[call.account], "calls": scaleCalls})
	if err != nil {
		return nil, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	var all [][]byte
	for _, id := range ids {
		all = append(all, call.request(data, call.account, fmt.Sprintf(o.path, id), o.body))
	}
	return all, err
}

func printScale(w io.Writer, rows []*scaleRow) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	milliseconds := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	fmt.Fprintln(table, "\nempty ms\tfull ms\tratio\tgoal\t  operation")
	for _, r := range rows {
		fmt.Fprintf(table, "%.2f\t%.2f\t%.2f\t%s\t  %s\n",
			median(r.empty, milliseconds), median(r.full, milliseconds), r.ratio(), verdict(r.ratio() <= scaleGoal), r.name)
	}
	_ = table.Flush()
}
