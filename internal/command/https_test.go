//go:build linux

package command

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testdb"
)

func TestHTTPS(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	certs := filepath.Join(dir, "certs")
	require.NoError(t, os.Mkdir(certs, 0o700))
	made := httptest.NewUnstartedServer(nil)
	made.StartTLS()
	made.Close()
	pair := made.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	for file, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, "key.pem": {Type: "PRIVATE KEY", Bytes: key},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(certs, file), pem.EncodeToMemory(block), 0o600))
	}
	free, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	port := free.Addr().(*net.TCPAddr).Port
	require.NoError(t, free.Close())

	command := nexterm(t, testdb.URL(t), "serve")
	command.Env = append(command.Env, fmt.Sprint("HTTPS_PORT=", port), "DATA_DIR="+dir)
	command.Stderr = os.Stderr
	url, _ := ready(t, command)
	hsts := func(url string) string {
		answer, err := made.Client().Get(url + "/healthz")
		require.NoError(t, err)
		defer answer.Body.Close()
		require.Equal(t, http.StatusOK, answer.StatusCode)
		return answer.Header.Get("Strict-Transport-Security")
	}
	address := fmt.Sprint("127.0.0.1:", port)
	require.Equal(t, "max-age=31536000", hsts("https://"+address))
	require.Empty(t, hsts(url), "nobody may say so on plain HTTP")

	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if suite.SupportedVersions[0] == tls.VersionTLS13 {
			continue
		}
		conn, err := tls.Dial("tcp", address, &tls.Config{
			InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, MinVersion: tls.VersionTLS10, CipherSuites: []uint16{suite.ID},
		})
		if err == nil {
			_ = conn.Close()
			require.Regexp(t, "^TLS_ECDHE_RSA_WITH_(AES_(128|256)_GCM|CHACHA20_POLY1305)_", suite.Name)
		}
	}
}
