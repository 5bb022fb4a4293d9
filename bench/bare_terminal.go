package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/coder/websocket"
	"golang.org/x/crypto/ssh"
)

// The bare server's terminals, with a socket, and its shells alone.
const (
	bareTerminalPath = "/terminal"
	bareShellsPath   = "/shells"
)

// bareLogins are shared by those who name the same one, until the bare server ends.
type bareLogins struct {
	mu    sync.Mutex
	named map[string]*ssh.Client
}

func (l *bareLogins) find(query url.Values) (client *ssh.Client, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := query.Get("login")
	if client = l.named[name]; client != nil {
		return client, nil
	}
	if client, err = dialBare(query); err != nil {
		return nil, err
	}
	if l.named == nil {
		l.named = map[string]*ssh.Client{}
	}
	l.named[name] = client
	return client, nil
}

func bareShell(client *ssh.Client) (shell *ssh.Session, in io.Writer, out io.Reader, err error) {
	if shell, err = client.NewSession(); err != nil {
		return nil, nil, nil, err
	}
	in, inErr := shell.StdinPipe()
	out, outErr := shell.StdoutPipe()
	err = errors.Join(inErr, outErr, shell.RequestPty("xterm-256color", 24, 80, nil))
	if err == nil {
		err = shell.Shell()
	}
	if err != nil {
		_ = shell.Close()
	}
	return shell, in, out, err
}

// terminal is a relay that does nothing else.
func (b *bare) terminal(w http.ResponseWriter, r *http.Request) error {
	client, err := b.logins.find(r.URL.Query())
	if err != nil {
		return err
	}
	shell, in, out, err := bareShell(client)
	if err != nil {
		return err
	}
	defer func() { _ = shell.Close() }()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return err
	}
	conn.SetReadLimit(-1)
	local := websocket.NetConn(context.Background(), conn, websocket.MessageText)
	defer local.Close()
	go func() { _, _ = io.Copy(in, local); _ = shell.Close() }()
	_, _ = io.Copy(local, out)
	return nil
}

// shells opens shells that nobody looks at, which end with the bare server.
func (b *bare) shells(w http.ResponseWriter, r *http.Request) error {
	count, err := strconv.Atoi(r.URL.Query().Get("count"))
	if err != nil {
		return err
	}
	client, err := b.logins.find(r.URL.Query())
	if err != nil {
		return err
	}
	for range count {
		_, _, out, err := bareShell(client)
		if err != nil {
			return err
		}
		go func() { _, _ = io.Copy(io.Discard, out) }()
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
