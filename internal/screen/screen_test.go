package screen_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/screen"
	"github.com/nexterm-go/nexterm/internal/ssh"
)

func TestOutputIsWholeCharactersAndNoOtherFrame(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain": "plain", "grün €😀": "grün €😀", "a\xffb": "a\uFFFDb", "cut\xe2\x82": "cut\uFFFD", "\x02fake\x02": "fake", "": "",
	} {
		for size := 1; size <= max(1, len(text)); size++ {
			var output screen.Output
			var all strings.Builder
			for at := 0; at < len(text); at += size {
				part := output.Next([]byte(text[at:min(at+size, len(text))]))
				require.True(t, utf8.Valid(part))
				all.Write(part)
			}
			all.Write(output.Last())
			require.Equal(t, want, all.String(), "%q by %d", text, size)
		}
	}
}

func FuzzOutput(f *testing.F) {
	f.Add([]byte("grün \xff\x02"), 2)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		if size < 1 {
			t.Skip()
		}
		var output screen.Output
		var all []byte
		for at := 0; at < len(text); at += size {
			all = append(all, output.Next(text[at:min(at+size, len(text))])...)
		}
		all = append(all, output.Last()...)
		require.True(t, utf8.Valid(all))
		require.NotContains(t, string(all), "\x02")
	})
}

func TestReplayIsTheEndInWholeLines(t *testing.T) {
	t.Parallel()
	var replay screen.Replay
	for range 20_000 {
		replay.Add([]byte("a line of output, ü\r\n"))
	}
	text := string(replay.Text())
	require.Less(t, len(text), 200<<10+1)
	require.Greater(t, len(text), 199<<10)
	require.True(t, strings.HasPrefix(text, "a line of output, ü\r\n"))
	replay.Add([]byte(strings.Repeat("x", 1<<20)))
	require.Len(t, replay.Text(), 200<<10)
}

// What terminals answer would be typed into the shell.
func TestReplayAsksTerminalsNothing(t *testing.T) {
	t.Parallel()
	var replay screen.Replay
	for _, query := range []string{
		"\x05", "\x1b[c", "\x1b[0c", "\x1b[>c", "\x1b[=0c", "\x1b[5n", "\x1b[6n", "\x1b[?6n", "\x1b[?25$p", "\x1b[4$p", "\x1b[x", "\x1b[1x",
		"\x1b[18t", "\x1b[21t", "\x1b[>0q", "\x1b[?u", "\x1bP$qm\x1b\\", "\x1bP+q544e\x1b\\", "\x1b]10;?\x07", "\x1b]11;?\x1b\\",
		"\x1b]4;1;?\x07", "\x1b]52;c;?\x07", "\x1bZ",
	} {
		replay.Add([]byte("<" + query + ">"))
	}
	require.Equal(t, strings.Repeat("<>", 23), string(replay.Text()))
	var kept screen.Replay
	const text = "\x1b[1;31mred\x1b[0m\x1b[2J\x1b[H\x1b]0;title\x07\x1b[?1049h\x1b[4 q\x1b]8;;https://example.com\x1b\\link"
	kept.Add([]byte(text))
	require.Equal(t, text, string(kept.Text()))
}

func TestKeys(t *testing.T) {
	t.Parallel()
	const typed = "a\x7f\x1b[3~\x1bOP\x1bOS\x1b[15~"
	for keys, want := range map[screen.Keys]string{
		{}: typed,
		{Backspace: "del", Delete: "vt", Function: "xterm"}: typed,
		{Backspace: "ctrl-h"}:                               "a\x08\x1b[3~\x1bOP\x1bOS\x1b[15~",
		{Delete: "del"}:                                     "a\x7f\x7f\x1bOP\x1bOS\x1b[15~",
		{Backspace: "ctrl-h", Delete: "del"}:                "a\x08\x7f\x1bOP\x1bOS\x1b[15~",
		{Function: "vt"}:                                    "a\x7f\x1b[3~\x1b[11~\x1b[14~\x1b[15~",
		{Function: "linux"}:                                 "a\x7f\x1b[3~\x1b[[A\x1b[[D\x1b[[E",
	} {
		require.Equal(t, want, string(keys.Translate([]byte(typed))), "%+v", keys)
	}
	require.Equal(t, "\x1b[[A", string(screen.Keys{Function: "linux"}.Translate([]byte("\x1b[11~"))))
}

func TestResizes(t *testing.T) {
	t.Parallel()
	for frame, want := range map[string]ssh.Size{"\x0180,24": {Columns: 80, Rows: 24}, "\x011000,1": {Columns: 1000, Rows: 1}, "\x010,24": {}, "\x011001,24": {}, "\x01" + strings.Repeat("9", 50) + ",1": {}} {
		size, is := screen.Resize([]byte(frame))
		require.True(t, is, "%q", frame)
		require.Equal(t, want, size, "%q", frame)
	}
	for _, frame := range []string{"", "\x01", "\x0180", "\x0180,24x", "80,24", "\x01-1,2", "\x01a", "\x01,", "\x0180,24\n"} {
		_, is := screen.Resize([]byte(frame))
		require.False(t, is, "%q", frame)
	}
}

func TestQuestionsAreTextOnly(t *testing.T) {
	t.Parallel()
	require.Equal(t, "\x02Hello\r\n[31mCode: ", string(screen.Question("Hello\n\x1b[31m\x07\x02Code: \r")))
}

func TestFoldersAreQuoted(t *testing.T) {
	t.Parallel()
	line, possible := screen.ChangeDirectory("/it's; rm -rf $HOME")
	require.True(t, possible)
	require.Equal(t, " cd -- '/it'\\''s; rm -rf $HOME'\n", line)
	for _, path := range []string{"/a\nb", "/a\rb", "/\x1b[A", "/\x03"} {
		_, possible := screen.ChangeDirectory(path)
		require.False(t, possible)
	}
}

// What clients of each kind send for one answer.
func TestAnswers(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		frames  []string
		answer  string
		outcome screen.Outcome
	}{
		"command line":         {[]string{"\x03secret"}, "secret", screen.Answered},
		"nothing at all":       {[]string{"\x03", "\r"}, "", screen.Answered},
		"web":                  {[]string{"s", "e", "x", "\x7f", "c", "\x03sec"}, "sec", screen.Answered},
		"web, pasted":          {[]string{"pasted", "\x03", "\r"}, "pasted", screen.Answered},
		"mobile":               {[]string{"s", "\r"}, "s", screen.Answered},
		"mobile, empty lines":  {[]string{"\r", "\n", "s\r"}, "s", screen.Answered},
		"all at once":          {[]string{"secret\rls\r"}, "secret", screen.Answered},
		"backspaces":           {[]string{"\x7f\x7fgrü\x7fün\x08\r"}, "grü", screen.Answered},
		"arrows":               {[]string{"a\x1b[Ab\x1bOC\x1b[1;5Dc\r"}, "abc", screen.Answered},
		"arrows in an answer":  {[]string{"\x03a\x1b[Ab\x07c\r"}, "abc", screen.Answered},
		"Ctrl-C":               {[]string{"typed", "\x03"}, "", screen.Cancelling},
		"Ctrl-C and more":      {[]string{"\x03", "x"}, "", screen.Cancelled},
		"not yet":              {[]string{"abc"}, "", screen.Waiting},
		"a line without bound": {[]string{strings.Repeat("x", 1<<20) + "\r"}, strings.Repeat("x", 4096), screen.Answered},
	} {
		var prompt screen.Prompt
		prompt.Ask()
		var answer string
		var outcome screen.Outcome
		for _, frame := range c.frames {
			answer, outcome, _ = prompt.Take([]byte(frame), now)
		}
		require.Equal(t, c.outcome, outcome, name)
		require.Equal(t, c.answer, answer, name)
		require.Equal(t, outcome != screen.Answered, prompt.Open(), name)
	}
}

// The Enter that ends a web client's answer comes as input, too.
func TestTheEnterOfAnAnswerIsSwallowed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	answered := func() *screen.Prompt {
		var prompt screen.Prompt
		prompt.Ask()
		prompt.Take([]byte("\x03secret"), now)
		return &prompt
	}
	prompt := answered()
	require.True(t, prompt.Swallow([]byte("\r"), now.Add(time.Second)))
	require.False(t, prompt.Swallow([]byte("\r"), now.Add(time.Second)), "once")
	require.False(t, answered().Swallow([]byte("\r"), now.Add(3*time.Second)))
	require.False(t, answered().Swallow([]byte("ls\r"), now))
	prompt = answered()
	prompt.Ask()
	_, outcome, _ := prompt.Take([]byte("\r"), now)
	require.Equal(t, screen.Waiting, outcome, "nor is it the next answer")
	_, outcome, wait := prompt.Take([]byte("\x03"), now)
	require.Equal(t, screen.Cancelling, outcome)
	require.False(t, prompt.Settle(now))
	require.True(t, prompt.Settle(now.Add(wait)))
}
