//go:build unix

package testdb

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestImagesAreKeptOnceAndWhileTheyAreUsed(t *testing.T) {
	t.Parallel()
	cluster := func(content string) string {
		data := filepath.Join(t.TempDir(), "data")
		require.NoError(t, os.Mkdir(data, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(content), 0o600))
		return data
	}
	images := t.TempDir()
	image, unused := filepath.Join(images, "image"), filepath.Join(images, "unused")
	restored := filepath.Join(t.TempDir(), "data")
	require.ErrorIs(t, restoreImage(t.Context(), image, restored), fs.ErrNotExist)

	require.NoError(t, keepImage(t.Context(), cluster("unused"), unused))
	require.NoError(t, os.Chtimes(unused, time.Time{}, time.Now().Add(-2*unusedImage)))
	require.NoError(t, keepImage(t.Context(), cluster("first"), image))
	require.NoError(t, keepImage(t.Context(), cluster("second"), image), "the first one wins")
	require.NoError(t, restoreImage(t.Context(), image, restored))
	content, err := os.ReadFile(filepath.Join(restored, "PG_VERSION"))
	require.NoError(t, err)
	require.Equal(t, "first", string(content))

	left, err := os.ReadDir(images)
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing unused or unfinished stays")
}
