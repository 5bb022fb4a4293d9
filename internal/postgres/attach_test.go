package postgres_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/postgres"
)

func TestAttachToARunningCluster(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{
		"beside the data":       dataDir(t),
		"in a temporary folder": filepath.Join(dataDir(t), strings.Repeat("long", 20), "a folder"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, dir)
			exec(t, c.URL(), "create table note (text text)", "insert into note values ('kept')")
			_, err := postgres.Start(t.Context(), postgres.Options{DataDir: dir})
			require.ErrorIs(t, err, postgres.ErrInUse)
			url, err := postgres.Attach(t.Context(), dir)
			require.NoError(t, err)
			require.Equal(t, c.URL(), url)
			require.Equal(t, "kept", query(t, url, "select text from note"))
		})
	}
}

func TestAttachWaitsForAClusterThatStarts(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	attached := make(chan string, 1)
	go func() {
		url, _ := postgres.Attach(t.Context(), dir)
		attached <- url
	}()
	require.Equal(t, start(t, dir).URL(), <-attached)
}

func TestAttachFindsNoCluster(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := postgres.Attach(ctx, dataDir(t))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
