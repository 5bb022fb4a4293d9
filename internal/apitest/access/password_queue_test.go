package access_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// Hashing takes a processor for long. Who has much of it to do does not keep
// others from signing in.
func TestManyPasswordChangesLeaveSignInsAlone(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var working sync.WaitGroup
	for range 64 {
		working.Go(func() {
			answer := s.Stranger.Patch("/api/account/password", body{"password": "another password"})
			assert.Contains(t, []int{200, 429, 503}, answer.Status, "%s", answer.Body)
		})
	}
	var over atomic.Bool
	go func() { working.Wait(); over.Store(true) }()
	for !over.Load() {
		began := time.Now()
		s.Anonymous.Post("/api/auth/login", body{"username": "owner", "password": testserver.Password}).Want(200)
		require.Less(t, time.Since(began), 2*time.Second)
	}
}
