// Package access_test tests over HTTP who gets in and what they may do there:
// accounts, sessions, every way to sign in, users and roles.
package access_test

import (
	"encoding/base64"
	"testing"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

type body = map[string]any

func TestMain(m *testing.M) { testserver.Main(m) }

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
