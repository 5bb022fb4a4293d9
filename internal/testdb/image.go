//go:build unix

package testdb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/nexterm-go/nexterm/db/migrations"
	"github.com/nexterm-go/nexterm/internal/postgres"
)

const (
	imagesName = "nexterm-testdb"
	// unusedImage is the age at which an image has not been used for so long that its
	// schema is history.
	unusedImage = 7 * 24 * time.Hour
)

// image is the path of a stopped cluster that is created and migrated, in the user's cache.
// Copying it takes a tenth of the time that making one takes. It differs with the schema
// and with PostgreSQL's version.
func image(ctx context.Context, binDir string) (string, error) {
	programs, err := postgres.Find(binDir)
	if err != nil {
		return "", err
	}
	version, err := exec.CommandContext(ctx, filepath.Join(programs, "postgres"), "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask PostgreSQL for its version: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	hash := sha256.Sum256([]byte(migrations.Hash() + programs + string(version)))
	return filepath.Join(cache, imagesName, hex.EncodeToString(hash[:8])), nil
}

// restoreImage copies the image to data. Without one the error is [fs.ErrNotExist].
func restoreImage(ctx context.Context, image, data string) error {
	now := time.Now()
	if err := os.Chtimes(image, now, now); err != nil {
		return err
	}
	return copyCluster(ctx, image, data)
}

// keepImage copies the stopped cluster in data to the image. Of several test binaries that
// do so at the same time the first one wins.
func keepImage(ctx context.Context, data, image string) error {
	images := filepath.Dir(image)
	if err := os.MkdirAll(images, 0o700); err != nil {
		return err
	}
	removeUnused(images)
	unfinished, err := os.MkdirTemp(images, "unfinished-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(unfinished) }()
	cluster := filepath.Join(unfinished, "data")
	if err := copyCluster(ctx, data, cluster); err != nil {
		return err
	}
	if err := os.Rename(cluster, image); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func removeUnused(images string) {
	entries, _ := os.ReadDir(images)
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > unusedImage {
			_ = os.RemoveAll(filepath.Join(images, entry.Name()))
		}
	}
}

// copyCluster keeps owners and modes, without which PostgreSQL does not start.
func copyCluster(ctx context.Context, from, to string) error {
	if out, err := exec.CommandContext(ctx, "cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy the cluster: %w: %s", err, out)
	}
	return nil
}
