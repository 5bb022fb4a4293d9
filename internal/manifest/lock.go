package manifest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// busy is that another run is at work.
type busy struct{}

func (busy) Error() string {
	return "another run for this server and account is at work on this machine: wait for it"
}

// Unwrap says what it is: a conflict, for the exit status.
func (busy) Unwrap() error { return nexterm.ErrConflict }

// Lock keeps other runs for the same server and account away, on this machine, until it
// is released or the process ends. The API has nothing that would do so on the server.
func Lock(ctx context.Context, client *nexterm.Client) (release func(), err error) {
	me, err := client.Account.Get(ctx)
	if err != nil {
		return nil, err
	}
	name := sha256.Sum256(fmt.Appendf(nil, "%s %d", client, me.ID))
	file, err := create(fmt.Sprintf("apply-%x.lock", name[:8]))
	if err != nil {
		return nil, fmt.Errorf("there is nowhere to keep a second run away by; set XDG_CACHE_HOME to a folder that can be written to: %w", err)
	}
	if !take(file) {
		file.Close()
		return nil, busy{}
	}
	return func() { file.Close() }, nil
}

func create(name string) (*os.File, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(cache, "nexterm")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(folder, name), os.O_CREATE|os.O_RDWR, 0o600)
}
