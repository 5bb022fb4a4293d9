package backup

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"

	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/job"
)

const (
	queue = "backup"
	// lookInterval is how often it is looked whether a backup is due.
	lookInterval = 10 * time.Minute
	// mostTime bounds one; a server that is killed meanwhile holds up the next for so long.
	mostTime = time.Hour
)

// Schedule says when backups are made without being asked, where, and how many of
// them stay. Without a folder there are none.
type Schedule struct {
	Folder   string
	Interval time.Duration
	// Keep is how many there are at most, and KeepDays how old they get; 0 is for no limit.
	Keep, KeepDays int
	// Keys are asked for each time, as the master key may change.
	Keys func() (Keys, error)
}

// Due is the job of making a backup if it is time for one.
type Due struct{}

// Kind names the job in the database.
func (Due) Kind() string { return "backup" }

// InsertOpts keeps a second one from waiting. A failure is the next one's to mend.
func (Due) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queue, MaxAttempts: 1, UniqueOpts: job.Unique()}
}

// Scheduler makes backups by a schedule.
type Scheduler struct {
	river.WorkerDefaults[Due]
	schedule Schedule
	config   *pgx.ConnConfig
	changes  *change.Changes
	version  string
	log      *slog.Logger

	last, interval prometheus.Gauge
}

// NewScheduler looks for the newest backup that there is.
func NewScheduler(schedule Schedule, config *pgx.ConnConfig, changes *change.Changes, version string, log *slog.Logger) *Scheduler {
	s := &Scheduler{
		schedule: schedule, config: config, changes: changes, version: version, log: log,
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "nexterm_backup_last_success_timestamp_seconds", Help: "When the newest scheduled backup was made, as this server has last seen it.",
		}),
		interval: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "nexterm_backup_interval_seconds", Help: "Time between two scheduled backups; 0 where this server makes none.",
		}),
	}
	if schedule.Folder != "" {
		s.interval.Set(schedule.Interval.Seconds())
		if keys, err := schedule.Keys(); err == nil {
			_, _ = s.look(keys) // whoever makes the next one tells what is wrong
		}
	}
	return s
}

// Collectors are what Prometheus is shown.
func (s *Scheduler) Collectors() []prometheus.Collector {
	return []prometheus.Collector{s.last, s.interval}
}

// Jobs are the one of looking whether a backup is due. Every server that leads has
// it done, and those that have a folder do it.
func (s *Scheduler) Jobs() job.Work {
	work := job.Work{
		Queue:        queue,
		AddWorkers:   func(workers *river.Workers) { river.AddWorker(workers, s) },
		PeriodicJobs: []job.PeriodicJob{{Interval: lookInterval, Args: Due{}}},
	}
	if s.schedule.Folder != "" {
		work.MaxWorkers = 1
	}
	return work
}

// Timeout is longer than that of other jobs.
func (s *Scheduler) Timeout(*river.Job[Due]) time.Duration { return mostTime }

// Work makes a backup if the newest one is old enough, and then removes old ones.
func (s *Scheduler) Work(ctx context.Context, _ *river.Job[Due]) error {
	err := s.work(ctx)
	// A server that stops leaves it to the next look.
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		s.log.ErrorContext(ctx, "the scheduled backup has failed", "folder", s.schedule.Folder, "error", err)
	}
	return err
}

func (s *Scheduler) work(ctx context.Context) error {
	keys, err := s.schedule.Keys()
	if err != nil {
		return err
	}
	newest, err := s.look(keys)
	// Looks are not quite as far from each other as they should be.
	if err != nil || time.Since(newest) < s.schedule.Interval-lookInterval/2 {
		return err
	}
	if err := RecordCreate(ctx, s.changes, s.schedule.Folder, keys); err != nil {
		return err
	}
	began := time.Now()
	path, err := Create(ctx, s.config, s.schedule.Folder, keys, s.version, func(int64, int64) {})
	if err != nil {
		return err
	}
	s.log.InfoContext(ctx, "made the scheduled backup", "file", path, "took", time.Since(began).Round(time.Millisecond))
	_, err = s.look(keys)
	return errors.Join(err, s.prune(keys, filepath.Base(path)))
}

// look finds out when the newest backup was made.
func (s *Scheduler) look(keys Keys) (newest time.Time, err error) {
	found, err := own(s.schedule.Folder, keys)
	switch {
	case err != nil:
		return newest, err
	case len(found) == 0:
		s.last.Set(0)
		return newest, nil
	}
	s.last.Set(float64(found[0].made.Unix()))
	return found[0].made, nil
}

// prune removes what there is too much of, and never the one that was just made.
func (s *Scheduler) prune(keys Keys, made string) error {
	found, err := own(s.schedule.Folder, keys)
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(f file) bool { return f.name == made })
	for i, f := range found {
		tooMany := s.schedule.Keep > 0 && i+1 >= s.schedule.Keep
		tooOld := s.schedule.KeepDays > 0 && time.Since(f.made) > time.Duration(s.schedule.KeepDays)*24*time.Hour
		if tooMany || tooOld {
			err = errors.Join(err, os.Remove(filepath.Join(s.schedule.Folder, f.name)))
		}
	}
	return err
}

// file is a backup by its name.
type file struct {
	name string
	made time.Time
}

var named = regexp.MustCompile(`^nexterm-(\d{8}T\d{6}Z)-([0-9a-f]{16})\.age$`)

// own are the backups of these keys in a folder, the newest first: of two
// deployments that share one, none removes what is the other's.
func own(folder string, keys Keys) (found []file, err error) {
	entries, err := os.ReadDir(folder)
	for _, entry := range entries {
		parts := named.FindStringSubmatch(entry.Name())
		if parts == nil || !entry.Type().IsRegular() {
			continue
		}
		made, err := time.Parse(timeFormat, parts[1])
		if err == nil && slices.ContainsFunc(keys.Masters, is(parts[2])) {
			found = append(found, file{entry.Name(), made})
		}
	}
	slices.SortFunc(found, func(a, b file) int { return b.made.Compare(a.made) })
	return found, err
}
