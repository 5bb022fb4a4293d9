// Package library_test tests over HTTP the scripts and snippets that people
// write and the sources that deliver them.
package library_test

import (
	"testing"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

type body = map[string]any

func TestMain(m *testing.M) { testserver.Main(m) }
