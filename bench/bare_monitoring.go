package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/testssh"
	"github.com/nexterm-go/nexterm/internal/timestamp"
)

// chartPoints is how many of a day's samples a chart shows.
const chartPoints = 720

// As with the lists of entries, these are not the server's statements.
const (
	plainTargets = `select e.id, e.name, e.icon, e.monitored, e.config ->> 'ip', (e.config ->> 'port')::integer, s.updated_at, s.last_seen_at,
		s.status, s.cpu_usage, s.memory_usage, s.uptime, s.load_average, s.processes, s.error_message, s.memory_total,
		s.disk, s.network, s.process_list, s.os_info
		from entries e join monitoring_snapshots s on s.entry_id = e.id where `
	plainSamples = `select id, timestamp, cpu_usage, memory_usage, uptime, load_average, processes, error_message from monitoring_samples
		where entry_id = $1 and timestamp > now() - interval '24 hours' and timestamp <= now() order by timestamp desc`
)

// targets reads what is monitored and has been collected, of the entries that meet a
// condition.
func (b *bare) targets(ctx context.Context, condition string, arguments ...any) ([]api.MonitoredTarget, error) {
	rows, err := b.pool.Query(ctx, plainTargets+condition, arguments...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []api.MonitoredTarget{}
	for rows.Next() {
		t := api.MonitoredTarget{Type: api.MonitoredTargetTypeServer, Icon: new(string)}
		s := &t.Monitoring
		var updated, seen time.Time
		var status string
		// pgx would check what goes into a json.RawMessage.
		err := rows.Scan(&t.ID, &t.Name, t.Icon, &t.MonitoringEnabled, &t.IP, &t.Port, &updated, &seen,
			&status, &s.CPUUsage, &s.MemoryUsage, &s.Uptime, &s.LoadAverage, &s.Processes, &s.ErrorMessage, &s.MemoryTotal,
			(*[]byte)(&s.Disk), (*[]byte)(&s.Network), (*[]byte)(&s.ProcessList), (*[]byte)(&s.OsInfo))
		if err != nil {
			return nil, err
		}
		at := timestamp.Format(updated)
		t.ServerID, t.Status, t.LastChecked = &t.ID, api.MonitoredTargetStatus(status), &at
		s.ID, s.EntryID, s.Timestamp, s.UpdatedAt = &t.ID, &t.ID, &at, &at
		s.LastSeen, s.Status = timestamp.FormatOptional(&seen), new(api.MonitoringSampleStatus(status))
		list = append(list, t)
	}
	return list, rows.Err()
}

func (b *bare) chart(r *http.Request, c *caller) (any, error) {
	id, err := strconv.ParseInt(strings.TrimPrefix(r.URL.Path, "/api/monitoring/"), 10, 64)
	if err != nil {
		return nil, err
	}
	found, err := b.targets(r.Context(), "e.id = $1 and e.scope = any($2)", id, c.reach())
	if err != nil {
		return nil, err
	}
	t := &found[0]
	rows, err := b.pool.Query(r.Context(), plainSamples, id)
	if err != nil {
		return nil, err
	}
	samples, err := pgx.CollectRows(rows, pgx.RowToStructByPos[db.ListMonitoringSamplesRow])
	points := make([]api.MonitoringPoint, min(chartPoints, len(samples)))
	for i := range points {
		s := &samples[i*(len(samples)-1)/(chartPoints-1)]
		points[i] = api.MonitoringPoint{
			ID: s.ID, EntryID: &t.ID, Timestamp: timestamp.Format(s.Timestamp), CPUUsage: s.CpuUsage, MemoryUsage: s.MemoryUsage,
			Processes: s.Processes, LoadAverage: s.LoadAverage, Uptime: s.Uptime, ErrorMessage: s.ErrorMessage,
		}
	}
	return api.GetServerMonitoring200JSONResponse{
		Server:    api.MonitoredServer{ID: t.ID, Name: t.Name, IP: t.IP, Port: t.Port, MonitoringEnabled: t.MonitoringEnabled},
		TimeRange: api.TimeRangeN24H, Latest: t.Monitoring, Data: points,
	}, err
}

// collection is what a bare collector does: so many hosts at a time, each sent the
// same command.
type collection struct {
	Ports   []int  `json:"ports"`
	Command string `json:"command"`
}

// collect is a loop over golang.org/x/crypto/ssh, which keeps nothing. It answers
// how many hosts have printed something.
func (b *bare) collect(r *http.Request) (any, error) {
	var body collection
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, err
	}
	var read atomic.Int64
	var group errgroup.Group
	group.SetLimit(hostPlaces)
	for _, port := range body.Ports {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(r.Context(), hostTime)
			defer cancel()
			output, err := runBare(ctx, port, body.Command)
			if ctx.Err() != nil {
				return r.Context().Err()
			}
			if err == nil && len(output) > 0 {
				read.Add(1)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if want := hostCount - hostCount/silentEvery; read.Load() != int64(want) {
		return nil, errors.New("the bare collector has not read " + strconv.Itoa(want) + " hosts")
	}
	return read.Load(), nil
}

func runBare(ctx context.Context, port int, command string) ([]byte, error) {
	var dialer net.Dialer
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c, channels, requests, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: hostUser, Auth: []ssh.AuthMethod{ssh.Password(testssh.Password)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // G106: it is one of ours, on this machine
	})
	if err != nil {
		return nil, err
	}
	client := ssh.NewClient(c, channels, requests)
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	return session.Output(command)
}
