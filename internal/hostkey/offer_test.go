package hostkey_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/hostkey"
	"github.com/nexterm-go/nexterm/internal/ssh"
)

// A host that shows another key each time is refused each time, and fills neither
// the events nor the audit log.
func TestChangedKeysAreToldInBounds(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	way, _ := h.load(hostkey.AcceptNew)
	require.NoError(t, offer(t.Context(), way[1].HostKeys, newKey(t)))
	for range 300 {
		require.ErrorIs(t, way[1].HostKeys.Changed(t.Context(), newKey(t)), ssh.ErrHostKeyChanged)
	}
	var told, audited int
	h.scan(&told, `select count(*) from events where action = 'host_key.changed'`)
	h.scan(&audited, `select count(*) from audit_logs where details ->> 'hostKey' = 'changed'`)
	require.Equal(t, told, audited)
	require.InDelta(t, 230, told, 30)
}
