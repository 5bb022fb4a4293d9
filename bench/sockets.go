package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/internal/postgres"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	// socketCount are the members of one organization, each with one socket.
	socketCount = 1000
	// dialers open sockets at the same time; more would only wait in the kernel.
	dialers = 16
	// socketPatience bounds the whole measurement.
	socketPatience = 2 * time.Minute

	// settle is how long a server that has started may put things away.
	settle = time.Second

	// The goals for socketCount sockets.
	socketMemoryGoal = 40 << 20
	socketReachGoal  = time.Second
)

// sockets is what open state sockets cost, and how fast a change reaches them.
type sockets struct {
	// memory is what the server's resident memory has grown by, in bytes.
	memory int64
	// median and last are the times from the answer to the change until it has
	// reached half of the sockets, and all of them.
	median, last time.Duration
}

// measureSockets opens the sockets of a whole organization on a server that has
// just started, lets them idle, and changes something that all members see.
func measureSockets(ctx context.Context, binary, dataDir string) (result sockets, err error) {
	ctx, cancel := context.WithTimeout(ctx, socketPatience)
	defer cancel()
	pool, closeDatabase, err := openDatabase(ctx, postgres.Options{DataDir: dataDir})
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, closeDatabase()) }()
	organization, tokens, err := seedMembers(ctx, pool)
	if err != nil {
		return result, fmt.Errorf("seed sockets: %w", err)
	}
	server, err := startServer(ctx, binary, pool.Config().ConnString())
	if err != nil {
		return result, err
	}
	defer server.stop()
	time.Sleep(settle)
	before, err := server.residentMemory()
	if err != nil {
		return result, err
	}
	open, err := openSockets(ctx, server, tokens)
	defer func() {
		for _, conn := range open {
			if conn != nil {
				_ = conn.CloseNow()
			}
		}
	}()
	if err != nil {
		return result, fmt.Errorf("open sockets: %w", err)
	}
	after, err := server.residentMemory()
	if err != nil {
		return result, err
	}
	result.memory = after - before
	result.median, result.last, err = reach(ctx, server, open, organization, tokens[0])
	return result, err
}

func (s sockets) printGoals(w io.Writer) {
	fmt.Fprintf(w, "%-5s  resident memory for %d idle sockets: %.0f MiB (at most %d MiB)\n",
		verdict(s.memory <= socketMemoryGoal), socketCount, float64(s.memory)/(1<<20), socketMemoryGoal>>20)
	fmt.Fprintf(w, "%-5s  a change reaches %d sockets: half of them in %.2f s, all in %.2f s (at most %.1f s)\n",
		verdict(s.last <= socketReachGoal), socketCount, s.median.Seconds(), s.last.Seconds(), socketReachGoal.Seconds())
}

// seedMembers adds an organization, its members, and a session for each.
func seedMembers(ctx context.Context, pool *pgxpool.Pool) (organization int64, tokens []string, err error) {
	hashes := make([][]byte, socketCount)
	for i := range hashes {
		token := vault.NewSessionToken()
		tokens, hashes[i] = append(tokens, token), vault.HashToken(token)
	}
	err = pool.QueryRow(ctx, `
		with organization as (insert into organizations (name) values ('sockets') returning id),
		     account as (insert into accounts (username, first_name, last_name, password_hash)
		                 select 'socket' || i, 'Socket', 'Test', 'none' from generate_series(1, cardinality($1::bytea[])) as i
		                 returning id),
		     placed as (select id, row_number() over (order by id) as place from account),
		     session as (insert into sessions (account_id, token_hash, ip, user_agent)
		                 select a.id, ($1::bytea[])[a.place], '127.0.0.1', 'bench' from placed a),
		     member as (insert into organization_members (organization_id, account_id, role, status, invited_by)
		                select o.id, a.id, case a.place when 1 then 'owner' else 'member' end, 'active', a.id
		                from organization o, placed a)
		select id from organization`, hashes).Scan(&organization)
	return organization, tokens, err
}

// openSockets opens a socket for each token and reads its first lists.
func openSockets(ctx context.Context, server *process, tokens []string) ([]*websocket.Conn, error) {
	open := make([]*websocket.Conn, len(tokens))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(dialers)
	for i, token := range tokens {
		group.Go(func() error {
			address := "ws://" + server.address + "/api/ws/state?sessionToken=" + url.QueryEscape(token)
			conn, _, err := websocket.Dial(ctx, address, nil) //nolint:bodyclose // it has none after an upgrade
			if err != nil {
				return err
			}
			conn.SetReadLimit(-1)
			open[i] = conn
			for topic := ""; topic != "LIVE_SESSIONS"; {
				if topic, err = readTopic(ctx, conn); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return open, group.Wait()
}

func readTopic(ctx context.Context, conn *websocket.Conn) (string, error) {
	_, frame, err := conn.Read(ctx)
	if err != nil {
		return "", err
	}
	var message struct{ Type string }
	err = json.Unmarshal(frame, &message)
	return message.Type, err
}

// reach shares an identity with the organization and waits until each socket
// has got the list with it.
func reach(ctx context.Context, server *process, open []*websocket.Conn, organization int64, token string) (median, last time.Duration, err error) {
	arrivals := make(chan time.Time, len(open))
	failures := make(chan error, len(open))
	for _, conn := range open {
		go func() {
			for topic := ""; topic != "IDENTITIES"; {
				var err error
				if topic, err = readTopic(ctx, conn); err != nil {
					failures <- err
					return
				}
			}
			arrivals <- time.Now()
		}()
	}
	if err := share(ctx, server, organization, token); err != nil {
		return 0, 0, err
	}
	changed := time.Now()
	for i := range open {
		select {
		case at := <-arrivals:
			last = max(last, at.Sub(changed))
			if i == len(open)/2 {
				median = last
			}
		case err := <-failures:
			return 0, 0, fmt.Errorf("wait for the change: %w", err)
		}
	}
	return median, last, nil
}

func share(ctx context.Context, server *process, organization int64, token string) error {
	body := fmt.Appendf(nil, `{"name":"Shared","type":"password","organizationId":%d}`, organization)
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+server.address+"/api/identity", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New("share an identity: " + response.Status)
	}
	return nil
}
