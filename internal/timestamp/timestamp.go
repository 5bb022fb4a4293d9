// Package timestamp owns how times are written in answers and read from
// requests. It does not know what the times mean.
package timestamp

import (
	"errors"
	"regexp"
	"time"
)

const layout = "2006-01-02T15:04:05.000Z"

// Resolution is the smallest step between times, as answers write them.
const Resolution = time.Millisecond

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

// ErrFormat is a text that Parse does not understand.
var ErrFormat = errors.New("not an ISO 8601 time")

// form is ISO 8601's extended format, less the fields that a day has not.
var form = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2})(:\d{2}(?:[.,]\d+)?)?(Z|[+-]\d{2}(:\d{2})?)?)?$`)

// Parse reads ISO 8601's extended format: a date, or a date and a time down to
// minutes, seconds or a fraction of them, in UTC unless a zone follows. What the
// text names lasts from first to last, both in UTC and to the millisecond: a
// date is a whole day, a time a moment.
func Parse(text string) (first, last time.Time, err error) {
	found := form.FindStringSubmatch(text)
	if found == nil {
		return first, last, ErrFormat
	}
	date, minutes, seconds, zone, zoneMinutes := found[1], found[2], found[3], found[4], found[5]
	if minutes == "" {
		if first, err = time.Parse(time.DateOnly, date); err != nil {
			return time.Time{}, time.Time{}, ErrFormat
		}
		return first, first.AddDate(0, 0, 1).Add(-Resolution), nil
	}
	switch {
	case zone == "":
		zone = "Z"
	case zone != "Z" && zoneMinutes == "":
		zone += ":00"
	}
	if seconds == "" {
		seconds = ":00"
	}
	if first, err = time.Parse(time.RFC3339, date+"T"+minutes+seconds+zone); err != nil {
		return time.Time{}, time.Time{}, ErrFormat
	}
	first = first.UTC().Truncate(Resolution)
	return first, first, nil
}
