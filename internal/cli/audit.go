package cli

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/terminal"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

const (
	// pollInterval is how often new rows are looked for.
	pollInterval = 2 * time.Second
	// lateness is how much longer a change may take than others that began after it, and
	// still have its rows followed: rows bear the time at which their change began.
	lateness = 2 * time.Minute
)

func auditCommand() *cobra.Command {
	var query nexterm.ListAuditLogsQuery
	var since, until string
	var limit int
	var follow bool
	command := printable(&cobra.Command{
		Use: "audit", Short: "Search the audit log", Args: cobra.NoArgs,
		Long: "Search the audit log: the newest rows first, 50 unless --limit or --since say another number. With --follow, the oldest first, and what comes, until Ctrl-C.",
		RunE: signedIn(func(s *session, _ []string) error {
			var err error
			if query.StartDate, err = moment(since); err != nil {
				return fmt.Errorf("--since: %w", err)
			}
			if query.EndDate, err = moment(until); err != nil {
				return fmt.Errorf("--until: %w", err)
			}
			organization, given, err := s.organization()
			switch {
			case err != nil:
				return err
			case organization != 0:
				query.OrganizationID = text64(organization)
			case given:
				query.OrganizationID = "personal"
			}
			switch {
			case follow && until != "", follow && s.format == "yaml":
				return usage("--follow goes neither with --until nor with --yaml")
			case limit < 0:
				return usage("--limit is a number of rows, and 0 for all")
			case since != "" && !s.Flags().Changed("limit"):
				limit = 0
			}
			if follow {
				return s.follow(query, limit)
			}
			logs, err := s.logs(query, limit)
			if err != nil {
				return err
			}
			rows := [][]string{{"ID", "TIME", "ACTOR", "ACTION", "RESOURCE", "ORGANIZATION", "ADDRESS"}}
			for _, log := range logs {
				rows = append(rows, logRow(log))
			}
			return s.print(logs, rows)
		}),
	})
	flags := command.Flags()
	flags.String("org", "", "only of this `organization`, by name or id, or personal")
	completeFlag(command, "org", organizationReference)
	flags.StringVar(&query.Action, "action", "", "only this action, such as entry.create, or all of entry.*")
	flags.StringVar(&query.Resource, "resource", "", "only what concerns this type of resource, such as entry")
	flags.StringVar(&since, "since", "", "only from this `time` on: 2026-01-31, 2026-01-31T12:00Z, or 2h for two hours ago")
	flags.StringVar(&until, "until", "", "only up to this `time`")
	flags.IntVar(&limit, "limit", 50, "how many rows, 0 for all")
	flags.BoolVarP(&follow, "follow", "f", false, "go on with what comes")
	return command
}

// moment is a time for the API, which reads all but durations.
func moment(text string) (string, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago < 0 {
		return "", usage("%s is in the future", text)
	} else if err == nil {
		text = at(time.Now().Add(-ago))
	}
	return text, nil
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// logs are the newest rows of a query, so many or, for 0, all of them.
func (s *session) logs(query nexterm.ListAuditLogsQuery, limit int) ([]nexterm.AuditLog, error) {
	query.Limit = 1000
	if limit > 0 {
		query.Limit = min(limit, 1000)
	}
	logs := []nexterm.AuditLog{}
	for log, err := range s.client.Audit.AllLogs(s.Context(), query) {
		if err != nil {
			return nil, err
		}
		if logs = append(logs, log); len(logs) == limit {
			break
		}
	}
	return logs, nil
}

// follow prints the newest rows and then those that come, each once. Changes are not
// done in the order in which they began, so each look goes back as far as rows may come
// late, and the ids of what was there already are remembered for as long.
func (s *session) follow(query nexterm.ListAuditLogsQuery, limit int) error {
	seen := map[int64]time.Time{}
	var newest time.Time
	recent := func() ([]nexterm.AuditLog, error) {
		window := query
		if !newest.IsZero() {
			window.StartDate = at(newest.Add(-lateness))
		}
		return s.logs(window, 0)
	}
	logs, err := s.logs(query, limit)
	if err == nil && len(logs) > 0 {
		newest = logs[0].Timestamp
		var there []nexterm.AuditLog
		there, err = recent()
		for _, log := range there {
			// It is older than the rows that are asked for.
			if byTime(log, logs[len(logs)-1]) < 0 {
				seen[log.ID] = log.Timestamp
			}
		}
	}
	if err != nil {
		return err
	}
	for ticks := time.Tick(pollInterval); s.Context().Err() == nil; {
		switch {
		case errors.Is(err, nexterm.ErrUnavailable), errors.Is(err, nexterm.ErrTooManyRequests):
			fmt.Fprintln(s.ErrOrStderr(), "nexterm:", terminal.Clean(tell(err)))
		case err != nil:
			return err
		}
		slices.SortFunc(logs, byTime)
		for _, log := range logs {
			if _, printed := seen[log.ID]; printed {
				continue
			}
			if err := s.printLog(log); err != nil {
				return err
			}
			seen[log.ID] = log.Timestamp
			if log.Timestamp.After(newest) {
				newest = log.Timestamp
			}
		}
		maps.DeleteFunc(seen, func(_ int64, t time.Time) bool { return t.Before(newest.Add(-lateness - time.Second)) })
		select {
		case <-s.Context().Done():
		case <-ticks:
			logs, err = recent()
		}
	}
	return nil
}

// byTime is the order of the log, the oldest first.
func byTime(a, b nexterm.AuditLog) int {
	return cmp.Or(a.Timestamp.Compare(b.Timestamp), cmp.Compare(a.ID, b.ID))
}

func (s *session) printLog(log nexterm.AuditLog) error {
	if s.format == "json" {
		return s.printJSON(log, "")
	}
	row := logRow(log)
	for i := range row {
		row[i] = terminal.Clean(cmp.Or(row[i], "-"))
	}
	_, err := fmt.Fprintln(s.OutOrStdout(), strings.Join(row, "  "))
	return err
}

func logRow(log nexterm.AuditLog) []string {
	actor := strings.TrimSpace(log.ActorFirstName.Or("") + " " + log.ActorLastName.Or(""))
	resource := log.Resource.Or("")
	if name, known := log.ResourceName.Get(); known {
		resource += " " + name
	}
	if id, known := log.ResourceID.Get(); known {
		resource += " (id " + strconv.FormatInt(id, 10) + ")"
	}
	return []string{
		text64(log.ID), log.Timestamp.Local().Format(time.DateTime), cmp.Or(actor, log.Actor), log.Action, resource, log.OrganizationName.Or(""), log.IPAddress.Or(""),
	}
}
