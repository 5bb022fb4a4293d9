package connection_test

import (
	"io"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// zeros is a body of so many bytes.
func zeros(size int64) io.Reader { return io.LimitReader(zero{}, size) }

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Transfers cost the same whatever their length. Alone, because the heap is everybody's.
func TestTransfersNeedLittleMemory(t *testing.T) { //nolint:paralleltest // see above
	const size, most = 128 << 20, 48 << 20
	// What waits to be collected is no cost of theirs.
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	s := testserver.New(t)
	id, dir, _ := stocked(t, s)
	require.NoError(t, os.WriteFile(dir+"/down", nil, 0o600))
	require.NoError(t, os.Truncate(dir+"/down", size))
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	var peak atomic.Uint64
	stop := make(chan struct{})
	var measuring sync.WaitGroup
	measuring.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				runtime.ReadMemStats(&now)
				peak.Store(max(peak.Load(), now.HeapAlloc))
			}
		}
	})
	var going sync.WaitGroup
	going.Go(func() {
		answer := start(t, s, http.MethodGet, address(id, "", dir+"/down"), nil)
		n, err := io.Copy(io.Discard, answer.Body)
		require.NoError(t, err)
		require.EqualValues(t, size, n)
	})
	going.Go(func() {
		answer := start(t, s, http.MethodGet, address(id, "", dir), nil)
		_, err := io.Copy(io.Discard, answer.Body)
		require.NoError(t, err)
	})
	going.Go(func() {
		answer := start(t, s, http.MethodPost, address(id, "/upload", dir+"/up"), zeros(size))
		require.Equal(t, 200, answer.StatusCode)
	})
	going.Wait()
	close(stop)
	measuring.Wait()
	info, err := os.Stat(dir + "/up")
	require.NoError(t, err)
	require.EqualValues(t, size, info.Size())
	require.Less(t, int64(peak.Load())-int64(before.HeapAlloc), int64(most))
}

// start sends a request and returns when its answer begins.
func start(t *testing.T, s *testserver.Server, method, path string, body io.Reader) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path+"&sessionToken="+s.Owner.Token, body)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// hollow is a file of 64 MiB that takes no room.
func hollow(t *testing.T, dir string) (file string) {
	t.Helper()
	file = write(t, dir, "x", "")
	require.NoError(t, os.Truncate(file, 64<<20))
	return file
}

// A connection has four transfers at a time, and its sockets besides.
func TestMoreTransfersWait(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id, dir, _ := stocked(t, s)
	file := hollow(t, dir)
	var four []*http.Response
	for range 4 {
		four = append(four, start(t, s, http.MethodGet, address(id, "", file), nil))
	}
	fifth := make(chan struct{})
	go func() {
		defer close(fifth)
		start(t, s, http.MethodGet, address(id, "", file), nil)
	}()
	b := browseAgain(t, s.Owner, id)
	b.ready()
	b.do(0x01, object{"path": dir})
	select {
	case <-fifth:
		require.Fail(t, "a fifth one has begun")
	case <-time.After(300 * time.Millisecond):
	}
	require.NoError(t, four[0].Body.Close()) // the client is gone
	<-fifth
	// Ends with the connection.
	s.Owner.Delete("/api/connections/" + id).Want(200)
	_, err := io.Copy(io.Discard, four[1].Body)
	require.Error(t, err, "what has come is not all")
}

// However many connections an account has, sixteen transfers go on at a time.
func TestMoreTransfersOfAnAccountWait(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	_, dir, entry := stocked(t, s)
	file := hollow(t, dir)
	download := func(id string) *http.Response { return start(t, s, http.MethodGet, address(id, "", file), nil) }
	var first *http.Response
	for range 4 {
		id := open(s.Owner, entry, object{"type": "sftp"})
		for range 4 {
			first = download(id)
			require.Equal(t, 200, first.StatusCode)
		}
	}
	id, begun := open(s.Owner, entry, object{"type": "sftp"}), make(chan struct{})
	go func() {
		defer close(begun)
		download(id)
	}()
	select {
	case <-begun:
		require.Fail(t, "a seventeenth one has begun")
	case <-time.After(300 * time.Millisecond):
	}
	require.NoError(t, first.Body.Close())
	<-begun
}
