// Package timestamp owns how times are written in answers. It does not know
// what the times mean.
package timestamp

import "time"

const layout = "2006-01-02T15:04:05.000Z"

// Format writes a time in UTC with milliseconds, such as 2026-01-31T12:00:00.000Z.
func Format(t time.Time) string { return t.UTC().Format(layout) }

// FormatOptional is Format for a time that may be missing.
func FormatOptional(t *time.Time) *string {
	if t == nil {
		return nil
	}
	text := Format(*t)
	return &text
}
