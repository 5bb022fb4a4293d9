package postgres

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// attachTime is how long a server that is just starting has until it accepts connections.
const attachTime = 30 * time.Second

// Attach returns the connection string of the cluster that another process runs in dataDir,
// after [ErrInUse] has said that there is one. Nothing keeps that process from stopping it.
func Attach(ctx context.Context, dataDir string) (string, error) {
	path, err := realPath(filepath.Join(dataDir, "postgres"))
	if err != nil {
		return "", err
	}
	f := &folder{path: path, data: filepath.Join(path, "data")}
	ctx, cancel := context.WithTimeout(ctx, attachTime)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if p := f.postmaster(); p.ready && f.runs(p.pid) {
			return address(p.socket, role, database), nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("connect to the database that runs in %s: %w", dataDir, ctx.Err())
		case <-tick.C:
		}
	}
}
