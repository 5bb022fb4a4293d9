package command

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// certificateInterval is how often the files of the certificate are looked at. Their
// content tells whether they have changed: whatever renews them may swap links of
// folders, or write into the same file within the second.
const certificateInterval = 2 * time.Second

// certificate is what HTTPS is served with, as it was last good in its files.
type certificate struct {
	certFile, keyFile string
	cert, key         []byte
	pair              atomic.Pointer[tls.Certificate]
}

// load reads the files, and reports whether they have another pair. One that cannot be
// used leaves the last one in place.
func (c *certificate) load() (changed bool, err error) {
	cert, err := os.ReadFile(c.certFile)
	if err != nil {
		return false, err
	}
	info, err := os.Stat(c.keyFile)
	if err != nil {
		return false, err
	}
	if info.Mode().Perm()&0o004 != 0 {
		return false, fmt.Errorf("every account of this machine can read %s: chmod o-r it", c.keyFile)
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return false, err
	}
	if bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key) {
		return false, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return false, fmt.Errorf("%s with %s: %w", c.certFile, c.keyFile, err)
	}
	c.cert, c.key = cert, key
	c.pair.Store(&pair)
	return true, nil
}

// follow loads what changes until the context ends. Connections that are open go on
// with what they began with.
func (c *certificate) follow(ctx context.Context, log *slog.Logger) {
	ticks := time.NewTicker(certificateInterval)
	defer ticks.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		changed, err := c.load()
		if changed {
			log.Info("HTTPS has another certificate", "until", c.pair.Load().Leaf.NotAfter)
		}
		if err != nil && err.Error() != said {
			log.Error("HTTPS keeps its certificate, because that of the files cannot be used",
				"error", err, "until", c.pair.Load().Leaf.NotAfter)
		}
		said = fmt.Sprint(err)
	}
}

// config serves whatever pair is the last good one.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// Those of Go without CBC. TLS 1.3 has no others.
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Load(), nil },
	}
}
