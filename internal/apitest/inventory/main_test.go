// Package inventory_test tests over HTTP what people keep and share: entries,
// folders, tags, identities, organizations and the log of what was done to them.
package inventory_test

import (
	"testing"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

type body = map[string]any

func TestMain(m *testing.M) { testserver.Main(m) }
