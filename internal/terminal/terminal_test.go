package terminal_test

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/terminal"
)

func TestTextIsShownAndNotObeyed(t *testing.T) {
	t.Parallel()
	for text, clean := range map[string]string{
		"Ärger 東京":           "Ärger 東京",
		"a\x1b[2Jb":          "a�[2Jb",
		"\u009b31m":          "�31m",
		"evil\u202egnp.exe":  "evil�gnp.exe",
		"one\ntwo\tthree\r":  "one�two�three�",
		"\xff":               "�",
		"zero\u200bwidth":    "zero�width",
		"del\x7f and \u2028": "del� and �",
	} {
		require.Equal(t, clean, terminal.Clean(text))
	}
	require.Equal(t, "one\ntwo�three", terminal.CleanLines("one\ntwo\tthree"))
}

func TestWidth(t *testing.T) {
	t.Parallel()
	require.Equal(t, 7, terminal.Width("a東京é̈b"))
	require.Equal(t, "a東", terminal.Cut("a東京b", 4))
	require.Equal(t, "a東京", terminal.Cut("a東京b", 5))
	require.Equal(t, "ab", terminal.Cut("ab", 9))
	require.Empty(t, terminal.Cut("ab", -1))
}

func TestLinesAreReadOneByOne(t *testing.T) {
	t.Parallel()
	in := strings.NewReader("first\r\n\nlast")
	for _, line := range []string{"first", "", "last"} {
		read, err := terminal.Line(in)
		require.NoError(t, err)
		require.Equal(t, line, read)
	}
	_, err := terminal.Line(in)
	require.ErrorIs(t, err, io.EOF)
	_, err = terminal.Line(strings.NewReader(strings.Repeat("a", 5000)))
	require.Error(t, err)
}

func TestNoBarWhereThereIsNoTerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	terminal.Progress(&out)(1, 2)
	require.Empty(t, out.String())
}
