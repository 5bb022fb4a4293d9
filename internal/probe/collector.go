package probe

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/linux"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/target"
)

// collector signs in to Linux hosts and reads how they are.
type collector struct{ *Prober }

func (collector) name() string { return "metrics" }

// sample is what has become of one target. Its message says why there is nothing.
type sample struct {
	status, message string
	linux.Sample
}

func (c collector) load(ctx context.Context, ids []int64) ([]probe, error) {
	targets, sightings, err := c.targets(ctx, ids, true)
	if err != nil {
		return nil, err
	}
	rows, err := c.queries.ListCounters(ctx, ids)
	if err != nil {
		return nil, err
	}
	counters := make(map[int64]linux.Counters, len(rows))
	for _, row := range rows {
		counters[row.EntryID] = linux.Counters{BootID: row.BootID, Total: row.CpuTotal, Idle: row.CpuIdle}
	}
	probes := make([]probe, len(targets))
	for i, t := range targets {
		probes[i] = probe{t.EntryID, func(ctx context.Context) any {
			defer c.save(ctx, sightings)
			s := c.collect(ctx, t, counters[t.EntryID])
			c.results.WithLabelValues(c.name(), s.status, reason(s.message)).Inc()
			return s
		}}
	}
	return probes, nil
}

func (c collector) collect(ctx context.Context, t target.Target, previous linux.Counters) sample {
	if t.Problem != nil {
		return sample{status: t.Problem.Status(), message: t.Problem.String()}
	}
	login, err := c.dialer.Dial(ctx, t.Way)
	if errors.Is(err, ssh.ErrTooOften) {
		return sample{} // nothing is known, and it is the first of the next cycle
	}
	if err != nil {
		return failed(ctx, err)
	}
	defer login.Close()
	marker := rand.Text()
	output, _, err := login.Run(ctx, linux.Script(marker, previous), linux.MaxOutput)
	read := linux.Parse(output, marker, previous)
	// Not every host says how a command has ended.
	if err != nil && (!read.Complete || !errors.Is(err, ssh.ErrLost)) {
		return failed(ctx, err)
	}
	return sample{status: online, Sample: read}
}

const unreachable = "Failed to connect to SSH host"

// reasons are what is said of failures, in the words that people read.
var reasons = []struct {
	err             error
	status, message string
}{
	{context.DeadlineExceeded, offline, "Request timeout"},
	{ssh.ErrDenied, failing, "Target address is not allowed"},
	{ssh.ErrRefused, offline, "SSH authentication failed"},
	{ssh.ErrPrivateKey, failing, "The private key could not be read"},
	{ssh.ErrHostKeyChanged, failing, "Host key has changed"},
	{ssh.ErrHostKeyUnknown, failing, "Host key is not known"},
}

// failed is the sample that an error stands for. What fails on the way counts as a
// host that is not there.
func failed(ctx context.Context, err error) sample {
	if ctx.Err() != nil {
		err = context.DeadlineExceeded
	}
	s := sample{status: offline, message: unreachable}
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			s = sample{status: r.status, message: r.message}
			break
		}
	}
	var hop *ssh.HopError
	if errors.As(err, &hop) {
		return sample{status: offline, message: fmt.Sprintf("Jump host %d: %s", hop.Hop, s.message)}
	}
	return s
}

// row is a sample as the database reads it.
type row struct {
	EntryID      int64           `json:"entry_id"`
	AgeMS        int64           `json:"age_ms"`
	TookMS       int32           `json:"took_ms"`
	Status       string          `json:"status"`
	ErrorMessage *string         `json:"error_message"`
	CPUUsage     *int            `json:"cpu_usage"`
	MemoryUsage  *int            `json:"memory_usage"`
	Uptime       *int64          `json:"uptime"`
	LoadAverage  []float64       `json:"load_average"`
	Processes    *int            `json:"processes"`
	MemoryTotal  *int64          `json:"memory_total"`
	Disk         json.RawMessage `json:"disk"`
	Network      json.RawMessage `json:"network"`
	ProcessList  json.RawMessage `json:"process_list"`
	OSInfo       *linux.OSInfo   `json:"os_info"`
	BootID       *string         `json:"boot_id"`
	CPUTotal     *int64          `json:"cpu_total"`
	CPUIdle      *int64          `json:"cpu_idle"`
}

func (c collector) store(ctx context.Context, tx *change.Tx, found []finding) error {
	rows := make([]row, 0, len(found))
	for _, f := range found {
		s, whole := f.result.(sample)
		if !whole || s.status == undecided {
			continue
		}
		r := row{EntryID: f.entryID, AgeMS: f.ageMilliseconds(), TookMS: f.tookMilliseconds(), Status: s.status}
		if s.message != "" {
			r.ErrorMessage = &s.message
		}
		if s.status == online {
			r.CPUUsage, r.MemoryUsage, r.Uptime, r.LoadAverage, r.Processes = s.CPUUsage, s.MemoryUsage, s.Uptime, s.LoadAverage, s.Processes
			r.MemoryTotal, r.OSInfo = s.MemoryTotal, s.OSInfo
			r.Disk, r.Network, r.ProcessList = fitting(s.Disks), fitting(s.Interfaces), fitting(s.ProcessList)
			r.BootID, r.CPUTotal, r.CPUIdle = &s.Counters.BootID, &s.Counters.Total, &s.Counters.Idle
		}
		rows = append(rows, r)
	}
	encoded, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	return tx.StoreSamples(ctx, encoded)
}

// listBytes is how long a list of a host may be as JSON. Real ones stay below, those
// of hosts with hundreds of interfaces and of programs with long command lines too.
const listBytes = 64 << 10

// fitting is a list as JSON, without the end that does not fit: one account can have
// thousands of hosts that print all they can.
func fitting[T any](list []T) json.RawMessage {
	for {
		encoded, err := json.Marshal(list)
		if err != nil {
			return nil // numbers that are none, which are not read in the first place
		}
		if len(encoded) <= listBytes {
			return encoded
		}
		list = list[:len(list)*listBytes/len(encoded)]
	}
}

// reason is what is counted of a message: a few words, whatever hosts say.
func reason(message string) string {
	if strings.HasPrefix(message, "Jump host ") {
		return "Jump host"
	}
	return message
}
