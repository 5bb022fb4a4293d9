package postgres

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOutput(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	plain := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	o := &output{log: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: plain}))}
	for _, part := range []string{
		"LOG:  sta", "rting\nERROR:  duplicate key\n\n",
		"FATAL:  no memory\n\tat all\nLOG:  bye\n",
		"FATAL:  terminating connection due to administrator command\n",
		"postgres: error while loading shared libraries: libicu.so\n",
	} {
		n, err := o.Write([]byte(part))
		require.NoError(t, err)
		require.Equal(t, len(part), n)
	}
	require.Equal(t, `level=DEBUG msg=starting from=postgres severity=LOG
level=DEBUG msg="duplicate key" from=postgres severity=ERROR
level=WARN msg="no memory" from=postgres severity=FATAL
level=WARN msg="at all" from=postgres severity=""
level=DEBUG msg=bye from=postgres severity=LOG
level=DEBUG msg="terminating connection due to administrator command" from=postgres severity=FATAL
level=WARN msg="postgres: error while loading shared libraries: libicu.so" from=postgres severity=""
`, text.String())
	require.Equal(t, ": postgres: error while loading shared libraries: libicu.so", o.reason())
}
