//go:build linux

package command

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testdb"
)

// issue writes a certificate for this machine and its key into a folder.
func issue(t *testing.T, folder string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{{127, 0, 0, 1}},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	sealed, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(folder, 0o700))
	for file, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: sealed},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, file), pem.EncodeToMemory(block), 0o600))
	}
}

// relink makes a link lead elsewhere in one step, as Kubernetes and certbot do.
func relink(t *testing.T, target, link string) {
	t.Helper()
	require.NoError(t, os.Symlink(target, link+".new"))
	require.NoError(t, os.Rename(link+".new", link))
}

// readySecure starts a server with HTTPS and returns its addresses.
func readySecure(t *testing.T, settings ...string) (plain, secure string, log func() string) {
	t.Helper()
	command := nexterm(t, testdb.URL(t), "serve")
	command.Env = append(append(command.Env, "HTTPS_PORT=0"), settings...)
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	command.Stderr = file
	addresses, _ := ready(t, command)
	plain, secure, _ = strings.Cut(addresses, " https://")
	_, port, err := net.SplitHostPort(secure)
	require.NoError(t, err)
	return plain, "127.0.0.1:" + port, func() string {
		text, err := os.ReadFile(file.Name())
		require.NoError(t, err)
		return string(text)
	}
}

// anybody is whom a client takes for the server.
func anybody() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

func TestHTTPS(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	issue(t, filepath.Join(dir, "certs"), 1)
	plain, secure, _ := readySecure(t, "DATA_DIR="+dir)
	hsts := func(url string) string {
		answer, err := anybody().Get(url + "/healthz")
		require.NoError(t, err)
		defer answer.Body.Close()
		require.Equal(t, http.StatusOK, answer.StatusCode)
		return answer.Header.Get("Strict-Transport-Security")
	}
	require.Equal(t, "max-age=31536000", hsts("https://"+secure))
	require.Empty(t, hsts(plain), "nobody may say so on plain HTTP")

	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if suite.SupportedVersions[0] == tls.VersionTLS13 {
			continue
		}
		conn, err := tls.Dial("tcp", secure, &tls.Config{
			InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, MinVersion: tls.VersionTLS10, CipherSuites: []uint16{suite.ID},
		})
		if err == nil {
			_ = conn.Close()
			require.Regexp(t, "^TLS_ECDHE_ECDSA_WITH_(AES_(128|256)_GCM|CHACHA20_POLY1305)_", suite.Name)
		}
	}
	for version, spoken := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", secure, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		if require.Equal(t, spoken, err == nil, tls.VersionName(version)); spoken {
			_ = conn.Close()
		}
	}
}

func TestACertificateIsReplacedUnderOpenConnections(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, serial := range map[string]int64{"first": 1, "second": 2, "third": 3} {
		issue(t, filepath.Join(dir, name), serial)
	}
	at := func(file string) string { return filepath.Join(dir, file) }
	relink(t, "first", at("..data"))
	relink(t, "..data/cert.pem", at("tls.crt"))
	relink(t, "..data/key.pem", at("tls.key"))
	plain, secure, log := readySecure(t, "TLS_CERT="+at("tls.crt"), "TLS_KEY="+at("tls.key"), "LOG_LEVEL=info")
	serial := func() int64 {
		conn, err := tls.Dial("tcp", secure, &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	becomes := func(want int64) {
		require.Eventually(t, func() bool { return serial() == want }, 30*time.Second, 100*time.Millisecond)
	}
	says := func(line string) {
		require.Eventually(t, func() bool { return strings.Contains(log(), line) }, 30*time.Second, 100*time.Millisecond)
	}
	client := anybody()
	reused := func() (same bool) {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) { same = got.Reused }})
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+secure+"/healthz", nil)
		require.NoError(t, err)
		answer, err := client.Do(request)
		require.NoError(t, err)
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, answer.Body)
		require.Equal(t, int64(1), answer.TLS.PeerCertificates[0].SerialNumber.Int64())
		return same
	}
	require.False(t, reused())
	require.Equal(t, int64(1), serial())

	answer, err := http.Post(plain+"/api/account/register", "application/json",
		strings.NewReader(`{"username":"ada","password":"password","firstName":"Ada","lastName":"Lovelace"}`))
	require.NoError(t, err)
	_ = answer.Body.Close()
	_, token := signIn(t, plain, "ada", "password")
	socket, _, err := websocket.Dial(t.Context(), "wss://"+secure+"/api/ws/state?sessionToken="+token,
		&websocket.DialOptions{HTTPClient: anybody()})
	require.NoError(t, err)
	defer func() { _ = socket.CloseNow() }()
	socket.SetReadLimit(-1)
	go func() { // or nobody sees what a ping is answered with
		for err := error(nil); err == nil; {
			_, _, err = socket.Read(t.Context())
		}
	}()

	relink(t, "second", at("..data"))
	becomes(2)
	says("HTTPS has another certificate")
	// Both files one after the other, neither of which fits the other in between.
	relink(t, "third/cert.pem", at("tls.crt"))
	says("HTTPS keeps its certificate, because that of the files cannot be used")
	require.Contains(t, log(), "private key does not match public key")
	require.Equal(t, int64(2), serial())
	relink(t, "third/key.pem", at("tls.key"))
	becomes(3)
	require.NoError(t, os.Chmod(at("third/key.pem"), 0o644))
	says("every account of this machine can read")
	require.NoError(t, os.Remove(at("tls.key")))
	says("no such file or directory")
	require.Equal(t, int64(3), serial())
	require.Equal(t, 3, strings.Count(log(), "HTTPS keeps its certificate"), "each once:\n%s", log())

	require.True(t, reused())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, socket.Ping(ctx))
}

func TestACertificateThatCannotBeUsedStopsTheStart(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	issue(t, filepath.Join(dir, "one"), 1)
	issue(t, filepath.Join(dir, "two"), 2)
	issue(t, filepath.Join(dir, "open"), 3)
	require.NoError(t, os.Chmod(filepath.Join(dir, "open/key.pem"), 0o604))
	for settings, message := range map[string]string{
		"HTTPS_PORT=0": "HTTPS_PORT: open DIR/certs/cert.pem: no such file or directory",
		"HTTPS_PORT=0 TLS_CERT=DIR/one/cert.pem TLS_KEY=DIR/none.pem":      "HTTPS_PORT: stat DIR/none.pem: no such file or directory",
		"HTTPS_PORT=0 TLS_CERT=DIR/none.pem TLS_KEY=DIR/one/key.pem":       "HTTPS_PORT: open DIR/none.pem: no such file or directory",
		"HTTPS_PORT=0 TLS_CERT=DIR/one/cert.pem TLS_KEY=DIR/two/key.pem":   "HTTPS_PORT: DIR/one/cert.pem with DIR/two/key.pem: tls: private key does not match public key",
		"HTTPS_PORT=0 TLS_CERT=DIR/one/key.pem TLS_KEY=DIR/one/cert.pem":   "HTTPS_PORT: DIR/one/key.pem with DIR/one/cert.pem: tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched",
		"HTTPS_PORT=0 TLS_CERT=DIR/open/cert.pem TLS_KEY=DIR/open/key.pem": "HTTPS_PORT: every account of this machine can read DIR/open/key.pem: chmod o-r it",
		"TLS_CERT=DIR/one/cert.pem TLS_KEY=DIR/one/key.pem":                "TLS_CERT and TLS_KEY need HTTPS_PORT",
		"HTTPS_PORT=0 TLS_KEY=DIR/one/key.pem":                             "TLS_CERT, TLS_KEY: set both, or neither\nHTTPS_PORT: open DIR/certs/cert.pem: no such file or directory",
	} {
		command := nexterm(t, dir, "serve")
		command.Env = append(command.Env, strings.Split(strings.ReplaceAll(settings, "DIR", dir), " ")...)
		var errs bytes.Buffer
		command.Stderr = &errs
		require.Error(t, command.Run(), settings)
		require.Equal(t, "nexterm: "+strings.ReplaceAll(message, "DIR", dir)+"\n", errs.String(), settings)
	}
}
