package timestamp_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/timestamp"
)

func TestParseReadsMomentsInUTC(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-01-31T12:00":                 "2026-01-31T12:00:00.000Z",
		"2026-01-31T12:00Z":                "2026-01-31T12:00:00.000Z",
		"2026-01-31T12:00:01":              "2026-01-31T12:00:01.000Z",
		"2026-01-31T12:00:01.5":            "2026-01-31T12:00:01.500Z",
		"2026-01-31T12:00:01,25Z":          "2026-01-31T12:00:01.250Z",
		"2026-01-31T12:00:01.123456789Z":   "2026-01-31T12:00:01.123Z",
		"2026-01-31T12:00+02:00":           "2026-01-31T10:00:00.000Z",
		"2026-01-31T23:30:00-05:30":        "2026-02-01T05:00:00.000Z",
		"2026-01-31T12:00:00.000+02":       "2026-01-31T10:00:00.000Z",
		"2024-02-29T00:00:00.999999-00:00": "2024-02-29T00:00:00.999Z",
	} {
		first, last, err := timestamp.Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, timestamp.Format(first), text)
		require.Equal(t, first, last, text)
	}
}

func TestParseReadsADateAsItsWholeDay(t *testing.T) {
	t.Parallel()
	first, last, err := timestamp.Parse("2026-12-31")
	require.NoError(t, err)
	require.Equal(t, "2026-12-31T00:00:00.000Z", timestamp.Format(first))
	require.Equal(t, "2026-12-31T23:59:59.999Z", timestamp.Format(last))
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "now", "2026", "2026-01", "2026-1-1", "20260131", "2026-02-30", "2026-13-01", "2026-01-31T", "2026-01-31Z",
		"2026-01-31T12", "2026-01-31T24:00", "2026-01-31T12:60", "2026-01-31T12:00:61", "2026-01-31 12:00",
		"2026-01-31T12:00:00.", "2026-01-31T12:00:00ZZ", "2026-01-31T12:00:00+2", "2026-01-31T12:00:00+0200",
		"2026-01-31T12:00:00+99:00", "2026-01-31T12:00:00 02:00", " 2026-01-31", "2026-01-31T1:00", "2026-01-31T1:00:00",
		"2026-01-31T12:00.5", "+2026-01-31", "2026-01-31T12:00z", "1769860800",
	} {
		_, _, err := timestamp.Parse(text)
		require.ErrorIs(t, err, timestamp.ErrFormat, text)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"2026-01-31", "2026-01-31T12:00", "2026-01-31T12:00:01.123456789Z", "2026-01-31T23:30:00-05:30", "2026-01-31T12:00+02",
		"0000-01-01T00:00+24:00", "2026-01-31T12:00:00ZZ", "-", "2026-01-31T1:00",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, last, err := timestamp.Parse(text)
		if err != nil {
			require.Equal(t, timestamp.ErrFormat, err)
			return
		}
		require.Equal(t, time.UTC, first.Location())
		require.False(t, last.Before(first))
		require.Less(t, last.Sub(first), 24*time.Hour)
		if first.Year() < 0 || first.Year() > 9999 {
			return
		}
		again, _, err := timestamp.Parse(timestamp.Format(first))
		require.NoError(t, err)
		require.Equal(t, first, again, "what Format writes is what Parse has read")
	})
}
