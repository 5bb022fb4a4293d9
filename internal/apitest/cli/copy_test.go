//go:build linux

package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

func TestFilesAreCopied(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	host := testssh.Start(t, &testssh.Server{Subsystem: func(_ string, channel ssh.Channel) {
		if server, err := sftp.NewServer(channel); err == nil {
			_ = server.Serve()
		}
	}})
	identity := s.Owner.Put("/api/identity", map[string]any{"name": "login", "type": "password", "username": "x", "password": testssh.Password}).Want(200).ID()
	s.Owner.Put("/api/entry", map[string]any{
		"name": "web-1", "config": map[string]any{"protocol": "ssh", "ip": "127.0.0.1", "port": host.Port()}, "identities": []int64{identity},
	}).Want(200)
	remote, here := t.TempDir(), t.TempDir()
	u := as(t, s, s.Owner)
	require.NoError(t, os.WriteFile(here+"/a b", []byte("content"), 0o600))
	require.Empty(t, u.run("cp", here+"/a b", "web-1:"+remote+"/"))
	require.Equal(t, "content", content(t, remote+"/a b"))
	require.Equal(t, "content", u.run("cp", "web-1:"+remote+"/a b", "-"))
	require.Empty(t, u.run("cp", "web-1:"+remote+"/a b", here+"/copy"))
	require.Equal(t, "content", content(t, here+"/copy"))
	require.Empty(t, u.run("cp", "web-1:"+remote, here))
	require.Equal(t, "PK", content(t, filepath.Join(here, filepath.Base(remote)+".zip"))[:2])
	bar := u.terminal("cp", "web-1:"+remote+"/a b", here+"/again")
	shown, status := bar.end()
	require.Zero(t, status)
	require.Contains(t, shown, "7 of 7")

	for want, args := range map[int][]string{
		2: {"cp", "a", "b"}, 4: {"cp", "web-1:/nothing/there", here}, 1: {"cp", here + "/nothing", "web-1:/tmp/"},
	} {
		status := u.pipe("", args...).status
		require.Equal(t, want, status, fmt.Sprint(args))
	}
	left, err := filepath.Glob(here + "/.*")
	require.NoError(t, err)
	require.Empty(t, left)
	require.Zero(t, s.Count(t, "connections where state in ('connecting', 'active')"))
}

func content(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}
