package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nexterm-go/nexterm/internal/terminal"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// defaultInterval is the service's own, for those who may not read what it is set to.
const defaultInterval = 30 * time.Second

func monitorCommand() *cobra.Command {
	var once bool
	var interval time.Duration
	command := printable(&cobra.Command{
		Use: "monitor", Short: "Watch the hosts that the server looks after", Args: cobra.NoArgs,
		Long: "Watch the hosts that the server looks after, those with a problem first, until Ctrl-C. " +
			"At a terminal, a table is drawn over itself; elsewhere, there is a line for each host that has changed, or with --json one for each reading.",
		RunE: signedIn(func(s *session, _ []string) error {
			switch {
			case once:
				targets, err := s.client.Monitoring.List(s.Context())
				if err != nil {
					return err
				}
				return s.print(targets, targetRows(sorted(targets)))
			case s.format == "yaml":
				return usage("--yaml is for --once")
			case s.Flags().Changed("interval") && interval < time.Second:
				return usage("--interval is a second at least")
			case interval == 0:
				interval = s.interval()
			}
			return s.watch(interval)
		}),
	})
	command.Flags().BoolVar(&once, "once", false, "print the table once and end")
	command.Flags().DurationVar(&interval, "interval", 0, "time from one reading to the next (default: as the service checks)")
	return command
}

// interval is how often the service looks.
func (s *session) interval() time.Duration {
	settings, err := s.client.Monitoring.GetSettings(s.Context())
	if err != nil {
		return defaultInterval
	}
	return time.Duration(max(1, min(settings.StatusInterval, settings.MonitoringInterval))) * time.Second
}

// watch shows the targets again and again, until it is interrupted.
func (s *session) watch(interval time.Duration) error {
	show := s.lines()
	resized := make(chan os.Signal, 1)
	if s.format == "table" && terminal.Is(s.OutOrStdout()) {
		signal.Notify(resized, syscall.SIGWINCH)
		defer signal.Stop(resized)
		// The other screen, without a cursor; what was on this one comes back.
		fmt.Fprint(s.OutOrStdout(), "\x1b[?1049h\x1b[?25l")
		defer fmt.Fprint(s.OutOrStdout(), "\x1b[?25h\x1b[?1049l")
		show = func(targets []nexterm.MonitoredTarget, note string) error {
			return s.draw(targets, fmt.Sprintf("%s, every %s, ended by Ctrl-C", note, interval))
		}
	}
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	var targets []nexterm.MonitoredTarget
	var note string
	for {
		read, err := s.client.Monitoring.List(s.Context())
		away := targets != nil && (errors.Is(err, nexterm.ErrUnavailable) || errors.Is(err, nexterm.ErrTooManyRequests))
		switch {
		case s.Context().Err() != nil:
			return nil
		case away:
			note = "not read since: " + tell(err)
		case err != nil:
			return err
		default:
			targets, note = read, time.Now().Format(time.TimeOnly)
			if s.format == "table" {
				targets = sorted(read)
			}
		}
		for again := true; again; {
			if err := show(targets, note); err != nil {
				return err
			}
			select {
			case <-s.Context().Done():
				return nil
			case <-ticks.C:
				again = false
			case <-resized:
			}
		}
	}
}

// lines is for where there is no terminal: what was not said yet of the targets.
func (s *session) lines() func([]nexterm.MonitoredTarget, string) error {
	said := map[any]string{}
	return func(targets []nexterm.MonitoredTarget, _ string) error {
		if s.format == "json" {
			return s.printJSON(targets, "")
		}
		for i, row := range targetRows(targets)[1:] {
			for x := range row {
				row[x] = terminal.Clean(cmp.Or(row[x], "-"))
			}
			line := strings.Join(row, "  ")
			if said[targets[i].ID] == line {
				continue
			}
			said[targets[i].ID] = line
			if _, err := fmt.Fprintf(s.OutOrStdout(), "%s  %s\n", time.Now().Format(time.RFC3339), line); err != nil {
				return err
			}
		}
		return nil
	}
}

// draw draws a table over what is there, as much of it as fits.
func (s *session) draw(targets []nexterm.MonitoredTarget, note string) error {
	columns, height := 80, 24
	if file, ok := s.OutOrStdout().(*os.File); ok {
		if w, h, err := term.GetSize(int(file.Fd())); err == nil && w > 0 && h > 0 {
			columns, height = w, h
		}
	}
	lines := table(targetRows(targets), columns, colourful(s.OutOrStdout()))
	if fit := height - 1; len(lines) > fit {
		note = fmt.Sprintf("%d more; %s", len(lines)-max(fit, 0), note)
		lines = lines[:max(fit, 0)]
	}
	lines = append(lines, terminal.Cut(terminal.Clean(note), columns))
	_, err := io.WriteString(s.OutOrStdout(), "\x1b[H"+strings.Join(lines, "\x1b[K\n")+"\x1b[K\x1b[J")
	return err
}

// sorted has those with a problem first, and then goes by name.
func sorted(targets []nexterm.MonitoredTarget) []nexterm.MonitoredTarget {
	rank := func(t nexterm.MonitoredTarget) int {
		switch {
		case t.Status == "offline":
			return 0
		case t.Status != "online", t.Monitoring.ErrorMessage.Or("") != "":
			return 1
		}
		return 2
	}
	return slices.SortedStableFunc(slices.Values(targets), func(a, b nexterm.MonitoredTarget) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Name, b.Name))
	})
}

func targetRows(targets []nexterm.MonitoredTarget) [][]string {
	rows := [][]string{{"NAME", "STATUS", "CPU", "MEMORY", "LOAD", "UPTIME", "CHECKED", "PROBLEM"}}
	for _, t := range targets {
		load, uptime, checked := "", "", ""
		if len(t.Monitoring.LoadAverage) > 0 {
			load = strconv.FormatFloat(t.Monitoring.LoadAverage[0], 'f', 2, 64)
		}
		if seconds, known := t.Monitoring.Uptime.Get(); known {
			uptime = (time.Duration(seconds) * time.Second).String()
			if days := seconds / 86400; days > 0 {
				uptime = fmt.Sprintf("%dd %dh", days, seconds%86400/3600)
			}
		}
		if at, known := t.LastChecked.Get(); known {
			checked = at.Local().Format(time.TimeOnly)
		}
		rows = append(rows, []string{
			t.Name, t.Status, percent(t.Monitoring.CPUUsage), percent(t.Monitoring.MemoryUsage), load, uptime, checked, firstLine(t.Monitoring.ErrorMessage.Or("")),
		})
	}
	return rows
}

func percent(value nexterm.Optional[int]) string {
	if value, known := value.Get(); known {
		return strconv.Itoa(value) + " %"
	}
	return ""
}
