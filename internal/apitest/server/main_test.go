// Package server_test tests over HTTP what concerns every operation, the
// changes that reach open clients, and the background work.
package server_test

import (
	"os"
	"testing"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

type object = map[string]any

func TestMain(m *testing.M) {
	if url := os.Getenv(serveVariable); url != "" {
		if err := serveUntilKilled(url); err != nil {
			panic(err)
		}
		return
	}
	testserver.Main(m)
}
