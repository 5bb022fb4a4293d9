package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/internal/linux"
	"github.com/nexterm-go/nexterm/internal/postgres"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

const (
	// watcher has the hosts, and hostUser is who they let in.
	watcher  = "watcher"
	hostUser = "deploy"

	// cycleRounds repeat what follows the first cycle, in which all hosts are new.
	cycleRounds   = 3
	cyclePatience = time.Minute

	// The goals.
	statusCycleGoal      = 1.2
	collectionCPUGoal    = 2.5
	collectionMemoryGoal = 200 << 20
)

// idealCycle is how long the silent hosts alone take.
const idealCycle = hostTime * hostCount / silentEvery / hostPlaces

// cycles is what it costs to look after many hosts.
type cycles struct {
	// status are the times that the cycles of the status checker have taken.
	status []time.Duration
	// server and bare are the processor times of collecting from all hosts, first
	// those of the first contact, and collection how long the cycles have taken.
	server, bare, collection []time.Duration
	// memory is the greatest resident memory of the server, in bytes.
	memory int64
	// rows are what one cycle of the collector writes.
	rows written
	cpu  shownCPU
}

// watched is a server with hosts to look after.
type watched struct {
	*seeded
	server, bare *process
	identity     int64
}

func measureCycles(ctx context.Context, binary, dataDir string) (result cycles, err error) {
	pool, closeDatabase, err := openDatabase(ctx, postgres.Options{DataDir: dataDir})
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, closeDatabase()) }()
	_, err = pool.Exec(ctx, `update monitoring_settings set status_interval = 300, monitoring_interval = 600, connection_timeout = $1, batch_size = $2`, int(hostTime.Seconds()), hostPlaces)
	if err != nil {
		return result, err
	}
	w := &watched{seeded: newSeeded(pool)}
	if err := w.account(ctx, watcher); err != nil {
		return result, err
	}
	if w.server, w.bare, err = startBoth(ctx, binary, pool.Config().ConnString()); err != nil {
		return result, err
	}
	defer w.server.stop()
	defer w.bare.stop()
	played, err := playHosts()
	if err != nil {
		return result, err
	}
	defer played.close()
	if err := w.addHosts(ctx, played.toReach()); err != nil {
		return result, fmt.Errorf("seed hosts: %w", err)
	}
	for range cycleRounds {
		took, err := w.cycle(ctx, "status", hostCount)
		if err != nil {
			return result, err
		}
		result.status = append(result.status, took)
	}
	if err := w.collections(ctx, played, &result); err != nil {
		return result, err
	}
	result.cpu, err = w.measureCPU(ctx)
	return result, err
}

// addHosts adds an entry for each port, all with one login.
func (w *watched) addHosts(ctx context.Context, ports []int) (err error) {
	w.identity, err = w.addIdentity(ctx, map[string]any{
		"name": "Hosts", "type": "password", "username": hostUser, "password": testssh.Password,
	})
	if err != nil {
		return err
	}
	_, err = w.pool.Exec(ctx, `
		with added as (
			insert into entries (account_id, type, renderer, name, rank, config)
			select $1, 'server', 'terminal', 'host-' || n || '.example.com', n,
			       jsonb_build_object('protocol', 'ssh', 'ip', '127.0.0.1', 'port', port, 'monitoringEnabled', true)
			from unnest($3::integer[]) with ordinality p (port, n)
			returning id)
		insert into entries_identities (entry_id, identity_id, position) select id, $2, 0 from added`, w.ids[watcher], w.identity, ports)
	if err == nil {
		_, err = w.pool.Exec(ctx, "analyze")
	}
	return err
}

// addIdentity asks the server, which seals secrets.
func (w *watched) addIdentity(ctx context.Context, identity map[string]any) (int64, error) {
	var added struct{ ID int64 }
	err := w.call(ctx, watcher, http.MethodPut, "/api/identity", identity, &added)
	return added.ID, err
}

// call has the server do something for an account.
func (w *watched) call(ctx context.Context, account, method, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+w.server.address+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+w.tokens[account])
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if text, err = io.ReadAll(response.Body); err != nil {
		return err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, text)
	}
	return json.Unmarshal(text, answer)
}

// cycle has a service run once, for so many targets, and answers how long it has taken.
func (w *watched) cycle(ctx context.Context, service string, targets int) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, cyclePatience)
	defer cancel()
	var number int64
	// A service that is switched on is due at once.
	err = w.pool.QueryRow(ctx, `
		with switched as (
			update monitoring_settings set status_checker_enabled = $1::text = 'status', monitoring_enabled = $1::text = 'metrics')
		update monitoring_cycles set slot_at = null where service = $1::text returning number`, service).Scan(&number)
	for ended := false; err == nil && !ended; time.Sleep(100 * time.Millisecond) {
		err = w.pool.QueryRow(ctx, `
			select c.number > $2 and not exists (select from monitoring_lanes l where l.service = c.service), coalesce(c.ended_at - c.started_at, '0')
			from monitoring_cycles c where c.service = $1`, service, number).Scan(&ended, &took)
	}
	if err != nil {
		return 0, fmt.Errorf("wait for a cycle of %s: %w", service, err)
	}
	var reached int
	err = w.pool.QueryRow(ctx, `
		with switched as (update monitoring_settings set status_checker_enabled = false, monitoring_enabled = false)
		select count(*) from monitoring_cycles c,
		       (select 'status' as service, checked_at as at from entry_checks union all select 'metrics', updated_at from monitoring_snapshots) r
		where c.service = $1 and r.service = c.service and r.at >= c.started_at`, service).Scan(&reached)
	if err == nil && reached != targets {
		err = fmt.Errorf("a cycle of %s has reached %d targets in %s, not %d", service, reached, took, targets)
	}
	return took, err
}

// collections lets the server and the bare loop collect from all hosts by turns.
func (w *watched) collections(ctx context.Context, played *hosts, result *cycles) error {
	_, err := w.pool.Exec(ctx, `
		update entries set config = jsonb_set(config, '{port}', to_jsonb(port))
		from unnest($1::integer[]) with ordinality p (port, n) where rank = n`, played.toCollect())
	if err != nil {
		return err
	}
	body, err := json.Marshal(collection{
		Ports:   played.toCollect(),
		Command: linux.Script("BARECOLLECTOR", linux.Counters{}),
	})
	if err != nil {
		return err
	}
	collect := operation{account: watcher, method: http.MethodPost, path: "/collect", body: string(body)}.requests(w.seeded)[0]
	bare, err := dial(ctx, w.bare.address)
	if err != nil {
		return err
	}
	defer bare.close()
	if err := w.server.resetPeakMemory(); err != nil {
		return err
	}
	for range cycleRounds + 1 {
		before, err := countWritten(ctx, w.pool)
		if err != nil {
			return err
		}
		var took time.Duration
		cost, err := w.server.cost(func() (err error) { took, err = w.cycle(ctx, "metrics", hostCount); return err })
		if err != nil {
			return err
		}
		result.server, result.collection = append(result.server, cost), append(result.collection, took)
		// By the time it ends, PostgreSQL has counted what the cycle has written.
		if cost, err = w.bare.cost(func() error { return bare.send(collect) }); err != nil {
			return fmt.Errorf("bare collector: %w", err)
		}
		result.bare = append(result.bare, cost)
		after, err := countWritten(ctx, w.pool)
		if err != nil {
			return err
		}
		result.rows = after.since(before)
	}
	var collected int
	err = w.pool.QueryRow(ctx, "select count(*) from monitoring_snapshots where status = 'online' and jsonb_array_length(process_list::jsonb) = 50").Scan(&collected)
	if err == nil && collected != len(played.answering) {
		err = fmt.Errorf("the server has collected from %d hosts, not %d", collected, len(played.answering))
	}
	if err != nil {
		return err
	}
	result.memory, err = w.server.peakMemory()
	return err
}

// cost is the processor time that the process uses while something happens.
func (p *process) cost(do func() error) (time.Duration, error) {
	before, beforeErr := p.cpu()
	err := do()
	after, afterErr := p.cpu()
	return after - before, errors.Join(beforeErr, err, afterErr)
}

// written counts rows of all tables, and of those of the queue of jobs alone.
type written struct{ inserted, changed, queueInserted, queueChanged int64 }

func countWritten(ctx context.Context, pool *pgxpool.Pool) (w written, err error) {
	err = pool.QueryRow(ctx, `
		select sum(n_tup_ins), sum(n_tup_upd + n_tup_del),
		       sum(n_tup_ins) filter (where relname like 'river%'), sum(n_tup_upd + n_tup_del) filter (where relname like 'river%')
		from pg_stat_user_tables`).Scan(&w.inserted, &w.changed, &w.queueInserted, &w.queueChanged)
	return w, err
}

func (w written) since(before written) written {
	return written{
		w.inserted - before.inserted, w.changed - before.changed, w.queueInserted - before.queueInserted, w.queueChanged - before.queueChanged,
	}
}

func (c cycles) printGoals(w io.Writer) {
	seconds := func(d time.Duration) float64 { return d.Seconds() }
	for i, took := range c.status {
		share := took.Seconds() / idealCycle.Seconds()
		fmt.Fprintf(w, "%-5s  status cycle %d of %d targets, every %dth silent: %.2f s, %.2f of the ideal %.0f s (at most %.1f)\n",
			verdict(share <= statusCycleGoal), i+1, hostCount, silentEvery, took.Seconds(), share, idealCycle.Seconds(), statusCycleGoal)
	}
	shares := make([]float64, len(c.server))
	for i := range shares {
		shares[i] = c.server[i].Seconds() / c.bare[i].Seconds()
	}
	share := median(shares[1:], func(f float64) float64 { return f })
	fmt.Fprintf(w, "%-5s  collection cycle of %d targets: %.2f s of CPU in %.2f s, %.2f times the bare loop's %.2f s (at most %.1f); at the first contact %.2f s, %.2f times\n",
		verdict(share <= collectionCPUGoal), hostCount, median(c.server[1:], seconds), median(c.collection[1:], seconds), share, median(c.bare[1:], seconds),
		collectionCPUGoal, c.server[0].Seconds(), shares[0])
	fmt.Fprintf(w, "%-5s  resident memory of the server while collecting: %d MiB (at most %d MiB)\n",
		verdict(c.memory <= collectionMemoryGoal), c.memory>>20, collectionMemoryGoal>>20)
	most := int64(2*hostCount/hostPlaces + hostCount)
	fmt.Fprintf(w, "%-5s  rows that a collection cycle adds: %d, %d of them to the queue (at most %d); rows changed: %d, %d of them of the queue\n",
		verdict(c.rows.inserted <= most), c.rows.inserted, c.rows.queueInserted, most, c.rows.changed, c.rows.queueChanged)
	c.cpu.printGoal(w)
}
