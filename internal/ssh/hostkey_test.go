package ssh_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

func fingerprints(keys ...xssh.Signer) (texts []string) {
	for _, key := range keys {
		texts = append(texts, xssh.FingerprintSHA256(key.PublicKey()))
	}
	return texts
}

func TestHostKeys(t *testing.T) {
	t.Parallel()
	ed, _ := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	ec, _ := testssh.NewKey(t, xssh.KeyAlgoECDSA256, "")
	rsa, _ := testssh.NewKey(t, xssh.KeyAlgoRSA, "")
	other, _ := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	judged := errors.New("judged")
	for name, c := range map[string]struct {
		shown, known           []xssh.Signer
		refusal, want          error
		unknown, changed, seen []string
		connections            int
	}{
		"unknown":                   {shown: []xssh.Signer{rsa, ed, ec}, unknown: fingerprints(ed), connections: 1},
		"unknown of RSA":            {shown: []xssh.Signer{rsa}, unknown: fingerprints(rsa), connections: 1},
		"unknown and refused":       {shown: []xssh.Signer{ed}, refusal: judged, want: judged, unknown: fingerprints(ed), connections: 1},
		"known":                     {shown: []xssh.Signer{ed}, known: []xssh.Signer{other, ed}, seen: fingerprints(ed), connections: 1},
		"known of several":          {shown: []xssh.Signer{ed, ec, rsa}, known: []xssh.Signer{rsa}, seen: fingerprints(rsa), connections: 1},
		"changed":                   {shown: []xssh.Signer{ed}, known: []xssh.Signer{other}, want: ssh.ErrHostKeyChanged, changed: fingerprints(ed), connections: 1},
		"changed with others":       {shown: []xssh.Signer{ed, rsa}, known: []xssh.Signer{other}, want: ssh.ErrHostKeyChanged, changed: fingerprints(ed), connections: 1},
		"of another type":           {shown: []xssh.Signer{ed}, known: []xssh.Signer{ec, rsa}, want: ssh.ErrHostKeyChanged, changed: fingerprints(ed), connections: 2},
		"of another type, accepted": {shown: []xssh.Signer{rsa}, known: []xssh.Signer{ed}, refusal: errAccepted, changed: fingerprints(rsa), connections: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Bool
			server := testssh.Start(t, &testssh.Server{HostKeys: c.shown, Configure: func(config *xssh.ServerConfig) {
				config.PasswordCallback = func(xssh.ConnMetadata, []byte) (*xssh.Permissions, error) { return nil, nil }
				config.AuthLogCallback = func(xssh.ConnMetadata, string, error) { asked.Store(true) }
			}})
			var known []xssh.PublicKey
			for _, key := range c.known {
				known = append(known, key.PublicKey())
			}
			met := &keys{refusal: c.refusal}
			way := hop(server)
			way.HostKeys = met.hostKeys(known...)
			login, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{way})
			require.ErrorIs(t, err, c.want)
			if err == nil {
				login.Close()
			}
			require.Equal(t, c.unknown, met.unknown)
			require.Equal(t, c.changed, met.changed)
			require.Equal(t, c.seen, met.seen)
			require.Equal(t, c.connections, server.Accepted())
			server.Close()
			require.Equal(t, c.want == nil, asked.Load(), "nobody asks for a login before")
		})
	}
}

// Nobody to judge is nobody to accept.
func TestHostKeysAreRefusedByThemselves(t *testing.T) {
	t.Parallel()
	server := testssh.Start(t, &testssh.Server{})
	way := hop(server)
	way.HostKeys = ssh.HostKeys{}
	_, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{way})
	require.ErrorIs(t, err, ssh.ErrHostKeyUnknown)
	other, _ := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	way.HostKeys.Known = []xssh.PublicKey{other.PublicKey()}
	_, err = new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{way})
	require.ErrorIs(t, err, ssh.ErrHostKeyChanged)
	way.HostKeys.Known = []xssh.PublicKey{server.HostKeys[0].PublicKey()}
	login, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{way})
	require.NoError(t, err)
	login.Close()
}

// masked shows another key than its type says.
type masked struct {
	xssh.PublicKey
	shown xssh.PublicKey
}

func (m masked) Marshal() []byte { return m.shown.Marshal() }

// signer shows a key that another signs for.
type signer struct {
	xssh.Signer
	public func() xssh.PublicKey
}

func (s signer) PublicKey() xssh.PublicKey { return s.public() }

func TestCertificatesAreNoHostKeys(t *testing.T) {
	t.Parallel()
	key, _ := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	certificate := &xssh.Certificate{Key: key.PublicKey(), CertType: xssh.HostCert, ValidBefore: xssh.CertTimeInfinity, ValidPrincipals: []string{"host"}}
	require.NoError(t, certificate.SignCert(rand.Reader, key))
	certified, err := xssh.NewCertSigner(certificate, key)
	require.NoError(t, err)
	disguised := signer{key, func() xssh.PublicKey { return masked{key.PublicKey(), certificate} }}
	for _, shown := range []xssh.Signer{certified, disguised} {
		server := testssh.Start(t, &testssh.Server{HostKeys: []xssh.Signer{shown}})
		met := &keys{}
		way := hop(server)
		way.HostKeys = met.hostKeys()
		_, err = new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{way})
		require.ErrorIs(t, err, ssh.ErrHandshake)
		require.Empty(t, met.unknown)
	}
}

// Keys are exchanged again after some traffic: the host key has to be the same, and
// nobody is asked once more.
func TestHostKeysOfRunningConnections(t *testing.T) {
	t.Parallel()
	first, _ := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	second, _ := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	for _, changes := range []bool{false, true} {
		var changed atomic.Bool
		current := func() xssh.Signer {
			if changed.Load() {
				return second
			}
			return first
		}
		shown := changing{current}
		server := testssh.Start(t, &testssh.Server{
			HostKeys: []xssh.Signer{shown},
			Configure: func(c *xssh.ServerConfig) {
				c.RekeyThreshold = 1 << 12
				c.NoClientAuth = true
			},
			Run: func(_ string, out xssh.Channel) int {
				changed.Store(changes)
				for range 64 {
					if _, err := io.WriteString(out, strings.Repeat("x", 1<<14)); err != nil {
						return -1
					}
					time.Sleep(time.Millisecond) // which lets the exchange begin
				}
				return 0
			},
		})
		met := &keys{}
		way := hop(server)
		way.HostKeys = met.hostKeys()
		login, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{way})
		require.NoError(t, err)
		stdout, _, err := login.Run(t.Context(), "anything", 1<<20)
		if changes {
			require.ErrorIs(t, err, ssh.ErrLost)
		} else {
			require.NoError(t, err)
			require.Len(t, stdout, 1<<20)
		}
		login.Close()
		require.Equal(t, fingerprints(first), met.unknown)
	}
}

// changing is a key that is not always the same.
type changing struct{ current func() xssh.Signer }

func (c changing) PublicKey() xssh.PublicKey { return c.current().PublicKey() }

func (c changing) Sign(random io.Reader, data []byte) (*xssh.Signature, error) {
	return c.current().Sign(random, data)
}

// A judgement may take its time, but not more than there is.
func TestJudgesOfHostKeysHaveAContext(t *testing.T) {
	t.Parallel()
	server := testssh.Start(t, &testssh.Server{})
	way := hop(server)
	way.HostKeys = ssh.HostKeys{Unknown: func(ctx context.Context, _ xssh.PublicKey) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	_, err := hasty().Dial(t.Context(), []ssh.Hop{way})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
