package file

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRowsOfTheAuditLogAreShort(t *testing.T) {
	t.Parallel()
	path := func(length int) string { return strings.Repeat("x", length) }
	for _, test := range []struct {
		paths    []string
		loggable int
	}{
		{nil, 0},
		{[]string{path(maxLoggedBytes + 1), "y"}, 1},
		{slices.Repeat([]string{path(4096)}, 8), 8},
		{slices.Repeat([]string{path(4096)}, 1000), 8},
		{slices.Repeat([]string{"/etc/motd"}, 1000), 1000},
	} {
		require.Equal(t, test.loggable, loggable(test.paths))
	}
}
