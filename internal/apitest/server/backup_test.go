package server_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/backup"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// Whoever leads, those with the folder make one backup together.
func TestABackupIsMadeOnceForAllServers(t *testing.T) {
	t.Parallel()
	for _, folders := range [][]bool{{true, true, true}, {false, true}, {true, false}} {
		s := testserver.New(t)
		disableDefault(t, s)
		folder := t.TempDir()
		for _, has := range folders {
			o := app.Options{Options: server.Options{Pool: s.Pool, Vault: s.Vault, Log: slog.New(slog.DiscardHandler)}}
			if has {
				o.Backups = backup.Schedule{Folder: folder, Interval: time.Hour, Keys: func() (backup.Keys, error) {
					return backup.Keys{Masters: []vault.MasterKey{{1, 2, 3}}}, nil
				}}
			}
			a, err := app.New(o)
			require.NoError(t, err)
			testserver.Run(t, a)
		}
		files := func() int {
			entries, err := os.ReadDir(folder)
			require.NoError(t, err)
			return len(entries)
		}
		require.Eventually(t, func() bool {
			var ended bool
			s.Scan(t, &ended, `select exists (select from river_job where kind = 'backup' and state = 'completed')`)
			return ended
		}, 2*time.Minute, 10*time.Millisecond)
		// Another look does not find one due.
		_, err := s.Pool.Exec(t.Context(), `update river_job set state = 'available', scheduled_at = now(), finalized_at = null, attempt = 0 where kind = 'backup'`)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			var ended bool
			s.Scan(t, &ended, `select bool_and(state = 'completed') from river_job where kind = 'backup'`)
			return ended
		}, 2*time.Minute, 10*time.Millisecond)
		require.Equal(t, 1, files())
	}
}
