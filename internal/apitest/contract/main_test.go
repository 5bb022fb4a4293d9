// Package contract_test sends a server what the contract shows, and what it does
// not, and holds every answer against it.
package contract_test

import (
	"testing"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

type object = map[string]any

func TestMain(m *testing.M) { testserver.Main(m) }
