package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/internal/linux"
	"github.com/nexterm-go/nexterm/internal/postgres"
)

// historyGoal is how many times as long the slowest answers may take with the
// history of a day as with that of an hour.
const historyGoal = 1.3

// historyCalls are the calls that tell.
const historyCalls = 300

// overview is what it costs to read of many hosts, with the history of a day, and the
// p99 of all of them with that of a day and of an hour.
type overview struct {
	cells     []*cell
	day, hour time.Duration
}

func measureOverview(ctx context.Context, p plan, binary, dir string) (result overview, err error) {
	var sides [2]side
	for i, hours := range []int{24, 1} {
		pool, closeDatabase, err := openDatabase(ctx, postgres.Options{DataDir: filepath.Join(dir, fmt.Sprint(hours))})
		if err != nil {
			return result, err
		}
		defer func() { err = errors.Join(err, closeDatabase()) }()
		sides[i].data = newSeeded(pool)
		if err := sides[i].data.history(ctx, hours); err != nil {
			return result, fmt.Errorf("seed the history of hosts: %w", err)
		}
	}
	day, hour := &sides[0], &sides[1]
	var bare *process
	if day.process, bare, err = startBoth(ctx, binary, day.data.pool.Config().ConnString()); err != nil {
		return result, err
	}
	defer day.stop()
	defer bare.stop()
	if hour.process, err = startServer(ctx, binary, hour.data.pool.Config().ConnString()); err != nil {
		return result, err
	}
	defer hour.stop()
	var entry int64
	if err := day.data.pool.QueryRow(ctx, "select id from entries order by id offset $1 limit 1", hostCount/2).Scan(&entry); err != nil {
		return result, err
	}
	operations := []operation{
		{name: "GET monitoring", account: watcher, method: "GET", path: "/api/monitoring", connections: few, rate: 0.80},
		{name: "GET monitoring/{id}", account: watcher, method: "GET", path: fmt.Sprintf("/api/monitoring/%d?timeRange=24h", entry), connections: few, rate: 0.50},
	}
	if err := sameAnswers(ctx, day.process, bare, day.data, operations); err != nil {
		return result, err
	}
	p.only = ""
	if result.cells, err = p.run(ctx, day.data, day.process, bare, operations); err != nil {
		return result, err
	}
	result.day, result.hour, err = compareHistories(ctx, operations[0], sides)
	return result, err
}

// compareHistories calls both servers by turns, so that what else happens on the
// machine meets both, and answers the p99 of each.
func compareHistories(ctx context.Context, o operation, sides [2]side) (day, hour time.Duration, err error) {
	var took [2][]time.Duration
	var connections [2]*connection
	for i, s := range sides {
		if connections[i], err = dial(ctx, s.address); err != nil {
			return 0, 0, err
		}
		defer connections[i].close()
	}
	for n := range 2 * historyCalls {
		i := (n + n/2) % 2 // who begins alternates
		begin := time.Now()
		if err := connections[i].send(o.requests(sides[i].data)[0]); err != nil {
			return 0, 0, err
		}
		took[i] = append(took[i], time.Since(begin))
	}
	for i := range took {
		slices.Sort(took[i])
	}
	return took[0][historyCalls*99/100], took[1][historyCalls*99/100], nil
}

// history adds hosts of which so many hours of samples are kept, one for each minute.
func (s *seeded) history(ctx context.Context, hours int) error {
	if err := s.account(ctx, watcher); err != nil {
		return err
	}
	output, err := os.ReadFile(hostOutput)
	if err != nil {
		return err
	}
	read := linux.Parse(output, "MARKER", linux.Counters{})
	newest, err := json.Marshal(map[string]any{
		"disk": read.Disks, "network": read.Interfaces, "process_list": read.ProcessList, "os_info": read.OSInfo, "memory_total": read.MemoryTotal,
		"uptime": read.Uptime, "load_average": read.LoadAverage, "processes": read.Processes,
	})
	if err != nil {
		return err
	}
	arguments := pgx.NamedArgs{"account": s.ids[watcher], "hosts": hostCount, "newest": newest, "samples": hours * 60}
	for i, step := range []string{
		`insert into entries (account_id, type, renderer, name, icon, rank, config)
		select @account, 'server', 'terminal', 'host-' || n || '.example.com', 'server', n,
		       jsonb_build_object('protocol', 'ssh', 'ip', '10.0.' || n / 200 || '.' || n % 200, 'port', 22, 'monitoringEnabled', true)
		from generate_series(1, @hosts::integer) n`,

		`insert into monitoring_snapshots (entry_id, updated_at, status, cpu_usage, memory_usage, uptime, load_average, processes, last_seen_at,
		                                   memory_total, disk, network, process_list, os_info, took_ms)
		select e.id, now(), 'online', 7, 42, r.uptime, r.load_average, r.processes, now(), r.memory_total, r.disk, r.network, r.process_list, r.os_info, 5
		from entries e
		         cross join json_to_record(@newest::json) as r (uptime bigint, load_average double precision[], processes integer, memory_total bigint,
		                                                        disk json, network json, process_list json, os_info json)`,

		"select make_partitions('monitoring_samples', interval '3 hours', now() - interval '27 hours', now() + interval '1 day')",

		// As they come: of all hosts, minute by minute.
		`insert into monitoring_samples (entry_id, timestamp, status, cpu_usage, memory_usage, uptime, load_average, processes)
		select e.id, now() - n * interval '1 minute' - interval '30 seconds', 'online', n % 100, 42, 1000000 - n, array [0.79, 0.49, 0.53], 188
		from generate_series(@samples::integer - 1, 0, -1) n
		         cross join entries e
		order by n desc`,

		"vacuum analyze",
	} {
		if _, err := s.pool.Exec(ctx, step, arguments); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

func (o overview) printGoals(w io.Writer) {
	for _, c := range o.cells {
		c.printGoals(w)
	}
	growth := o.day.Seconds() / o.hour.Seconds()
	fmt.Fprintf(w, "%-5s  GET monitoring of %d targets: p99 with the history of a day, %d samples, is %.2f times that with an hour's (at most %.1f)\n",
		verdict(growth <= historyGoal), hostCount, hostCount*24*60, growth, historyGoal)
}
