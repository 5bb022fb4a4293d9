package testserver

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/outbound"
	"github.com/nexterm-go/nexterm/internal/server"
)

// AllowLoopback lets a server's sources and login providers be at 127.0.0.1.
func AllowLoopback(o *server.Options) {
	networks, err := outbound.ParseNetworks("127.0.0.1")
	if err != nil {
		panic(err)
	}
	o.Outbound = outbound.New(networks)
}

// TrustProxies lets a server believe proxies that a setting names.
func TrustProxies(t testing.TB, setting string) func(*server.Options) {
	t.Helper()
	trust, err := server.ParseProxyTrust(setting)
	require.NoError(t, err)
	return func(o *server.Options) { o.Trust = trust }
}
