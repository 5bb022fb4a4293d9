package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/postgres"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// reached is an OpenSSH server that the server and the bare one reach.
type reached struct {
	*watched
	host    *testssh.Daemon
	keyFile string
	// key is the identity with the key, and entries are OpenSSH's and those of more ports.
	key     int64
	entries []int64
	closes  []func() error
}

// hosting is what may differ: the ports of more entries, OpenSSH's settings, and those of
// both servers.
type hosting struct {
	ports         []int
	settings, env []string
}

// reachHost starts an OpenSSH server and both servers beside it. It has to be closed.
func reachHost(ctx context.Context, binary, dir string, o hosting) (h *reached, err error) {
	h = &reached{}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	dir, err = os.MkdirTemp(dir, "host-")
	if err != nil {
		return h, err
	}
	// As with the folder that it is in.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // G302: as said
		return h, err
	}
	pool, closeDatabase, err := openDatabase(ctx, postgres.Options{DataDir: filepath.Join(dir, "data")})
	if err != nil {
		return h, err
	}
	h.closes = append(h.closes, closeDatabase)
	h.watched = &watched{seeded: newSeeded(pool)}
	if err := h.account(ctx, watcher); err != nil {
		return h, err
	}
	if h.server, h.bare, err = startBoth(ctx, binary, pool.Config().ConnString(), o.env...); err != nil {
		return h, err
	}
	h.closes = append(h.closes, func() error { h.server.stop(); h.bare.stop(); return nil })
	if h.host, h.keyFile, err = startHost(dir, o.settings); err != nil {
		return h, err
	}
	h.closes = append(h.closes, func() error { h.host.Close(); return nil })
	if err := h.addHosts(ctx, append([]int{h.host.Port}, o.ports...)); err != nil {
		return h, err
	}
	rows, err := pool.Query(ctx, `select id from entries order by rank`)
	if err != nil {
		return h, err
	}
	if h.entries, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err != nil {
		return h, err
	}
	h.key, err = h.addKey(ctx, 0)
	return h, err
}

func (h *reached) close() (err error) {
	for i := len(h.closes) - 1; i >= 0; i-- {
		err = errors.Join(err, h.closes[i]())
	}
	return err
}

// addKey adds an identity with the host's key, an organization's or, for 0, the account's own.
func (h *reached) addKey(ctx context.Context, organization int64) (id int64, err error) {
	key, err := os.ReadFile(h.keyFile)
	if err != nil {
		return 0, err
	}
	identity := map[string]any{"name": "Key", "type": "ssh", "username": h.host.Username, "sshKey": string(key)}
	if organization != 0 {
		identity["organizationId"] = organization
	}
	return h.addIdentity(ctx, identity)
}

// connect opens a connection of an account to the first entry. The type is what the
// API calls it, empty for a terminal.
func (h *reached) connect(ctx context.Context, account, kind string) (id string, err error) {
	var opened struct{ SessionID string }
	wanted := map[string]any{"entryId": h.entries[0], "identityId": h.key}
	if kind != "" {
		wanted["type"] = kind
	}
	err = h.call(ctx, account, http.MethodPost, "/api/connections", wanted, &opened)
	return opened.SessionID, err
}

// bareAddress is where the bare server does something on the host, with more parameters.
func (h *reached) bareAddress(scheme, path string, more ...string) string {
	query := url.Values{"port": {strconv.Itoa(h.host.Port)}, "user": {h.host.Username}, "key": {h.keyFile}}
	for pair := range slices.Chunk(more, 2) {
		query.Set(pair[0], pair[1])
	}
	return scheme + "://" + h.bare.address + path + "?" + query.Encode()
}

// dialBare signs in to the host of a bare address.
func dialBare(query url.Values) (*ssh.Client, error) {
	file, err := os.ReadFile(query.Get("key"))
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePrivateKey(file)
	if err != nil {
		return nil, err
	}
	return ssh.Dial("tcp", net.JoinHostPort("127.0.0.1", query.Get("port")), &ssh.ClientConfig{
		User: query.Get("user"), Auth: []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // G106: it is one of ours, on this machine
	})
}

// startHost starts an OpenSSH server with a key of its own and one to get in by.
func startHost(dir string, settings []string) (host *testssh.Daemon, keyFile string, err error) {
	_, hostKey, err := testssh.MakeKey(ssh.KeyAlgoED25519, "")
	if err != nil {
		return nil, "", err
	}
	key, file, err := testssh.MakeKey(ssh.KeyAlgoED25519, "")
	if err != nil {
		return nil, "", err
	}
	keyFile = filepath.Join(dir, "key")
	if err := os.WriteFile(keyFile, []byte(file), 0o600); err != nil {
		return nil, "", err
	}
	at := filepath.Join(dir, "sshd")
	if err := os.Mkdir(at, 0o700); err != nil {
		return nil, "", err
	}
	host, err = testssh.Listen(at, hostKey, []ssh.PublicKey{key.PublicKey()}, settings...)
	return host, keyFile, err
}
