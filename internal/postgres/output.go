package postgres

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// output turns PostgreSQL's log lines into records and remembers the last complaint. Errors
// of statements are debug records: they go to the client, who decides what they mean.
type output struct {
	log *slog.Logger

	mu        sync.Mutex
	rest      []byte
	level     slog.Level
	complaint string
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, p...)
	for {
		line, rest, found := bytes.Cut(o.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		o.record(strings.TrimRight(string(line), "\r"))
		o.rest = rest
	}
}

func (o *output) record(line string) {
	if strings.TrimSpace(line) == "" {
		return
	}
	severity, text, found := strings.Cut(line, ":  ")
	switch {
	case strings.HasPrefix(line, "\t"): // continues the line before it
		severity, text = "", strings.TrimSpace(line)
	case !found || strings.ContainsAny(severity, " /"):
		// Not from the logger: a loader's message, an assertion, a missing library.
		o.level, severity, text = slog.LevelWarn, "", line
	case strings.HasPrefix(text, "terminating connection due to administrator command"):
		o.level = slog.LevelDebug // every stop says this of every connection
	case severity == "WARNING" || severity == "FATAL" || severity == "PANIC":
		o.level = slog.LevelWarn
	default:
		o.level = slog.LevelDebug
	}
	if o.level == slog.LevelWarn {
		o.complaint = text
	}
	o.log.Log(context.Background(), o.level, text, "from", "postgres", "severity", severity)
}

// reason is the last complaint as the end of a sentence, or empty.
func (o *output) reason() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.complaint == "" {
		return ""
	}
	return ": " + o.complaint
}
