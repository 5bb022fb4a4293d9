package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// terminalBytes are printed in a turn, of which a round has several: one alone is
	// up to twice as fast as the next.
	terminalBytes = 100 << 20
	outputTurns   = 5
	// idleTerminals are opened by idleAccounts, and stand for the memory of one;
	// keyTerminals of them are typed in, so many times each in a round.
	idleTerminals, idleAccounts = 500, 10
	keyTerminals, keysInRound   = 200, 2
	// secondTerminals are opened in a round, each where the login is there.
	secondTerminals = 10

	// The goals.
	terminalGoal      = 0.7
	recordingGoal     = 0.9
	keyGoal           = 2 * time.Millisecond
	idleGoal          = 60 // KiB
	secondGoal        = 20 * time.Millisecond
	accountsTerminals = idleTerminals / idleAccounts
)

// terminals are those of an organization's entry, whose members share nothing but it.
type terminals struct {
	*reached
	organization int64
	accounts     []string
	text         string // the file that is printed
}

// measureTerminals opens terminals on a real OpenSSH server, by the server and by a relay
// that is nothing but the two libraries. The shell is one that starts fast, reads
// nothing of the account's and leaves the echo of keys to the system.
func measureTerminals(ctx context.Context, p plan, binary, dir string) (err error) {
	// The collector runs often, so that what it has not collected yet does not count.
	t, err := startTerminals(ctx, binary, dir, "GOGC=10")
	if err == nil {
		err = errors.Join(t.idle(ctx), t.close())
	}
	if err != nil {
		return fmt.Errorf("idle terminals: %w", err)
	}
	if t, err = startTerminals(ctx, binary, dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	return errors.Join(t.second(ctx, p), t.output(ctx, p), t.keys(ctx, p))
}

func startTerminals(ctx context.Context, binary, dir string, env ...string) (*terminals, error) {
	h, err := reachHost(ctx, binary, dir, hosting{settings: []string{"MaxSessions " + strconv.Itoa(accountsTerminals), "ForceCommand exec sh"}, env: env})
	if err != nil {
		return nil, err
	}
	t := &terminals{reached: h, accounts: alike(watcher, idleAccounts), text: filepath.Join(dir, "text")}
	if err := t.seed(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("seed terminals: %w", err), t.close())
	}
	return t, nil
}

// seed gives the entry to an organization, with all accounts as members, and writes the text.
func (t *terminals) seed(ctx context.Context) error {
	var ids []int64
	for _, name := range t.accounts {
		if name != watcher {
			if err := t.account(ctx, name); err != nil {
				return err
			}
		}
		ids = append(ids, t.ids[name])
	}
	err := t.pool.QueryRow(ctx, `
		with organization as (insert into organizations (name) values ('Terminals') returning id),
		     member as (insert into organization_members (organization_id, account_id, role, status, invited_by)
		                select o.id, a.id, case a.place when 1 then 'owner' else 'member' end, 'active', a.id
		                from organization o, unnest($1::bigint[]) with ordinality a (id, place)),
		     unlinked as (delete from entries_identities)
		select id from organization`, ids).Scan(&t.organization)
	if err != nil {
		return err
	}
	if _, err := t.pool.Exec(ctx, `update entries set account_id = null, organization_id = $1`, t.organization); err != nil {
		return err
	}
	if t.key, err = t.addKey(ctx, t.organization); err != nil {
		return err
	}
	var text bytes.Buffer
	for i := 0; text.Len() < terminalBytes; i++ {
		fmt.Fprintf(&text, "2026-01-01 12:00:%02d host app[%d]: GET /api/things/%d 200 in %d ms\n", i%60, i%977, i*7919, i%31)
	}
	return os.WriteFile(t.text, text.Bytes(), 0o600)
}

// idle opens terminals, and the bare server shells alone: what the SSH library itself needs.
func (t *terminals) idle(ctx context.Context) error {
	time.Sleep(settle)
	both := []*process{t.server, t.bare}
	var grown [2]int64
	for i, process := range both {
		before, err := process.residentMemory()
		if err != nil {
			return err
		}
		grown[i] = -before
	}
	group, opening := errgroup.WithContext(ctx)
	for _, account := range t.accounts {
		group.Go(func() (err error) {
			_, err = openAll(accountsTerminals, func() (*shell, error) { return t.open(opening, account) })
			return err
		})
		group.Go(func() error {
			address := t.bareAddress("http", bareShellsPath, "login", "idle "+account, "count", strconv.Itoa(accountsTerminals))
			request, err := http.NewRequestWithContext(opening, http.MethodGet, address, nil)
			if err != nil {
				return err
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusNoContent {
				return errors.New("bare shells: " + response.Status)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	time.Sleep(settle)
	for i, process := range both {
		after, err := process.residentMemory()
		if err != nil {
			return err
		}
		grown[i] = (grown[i] + after) >> 10
	}
	each := float64(grown[0]-grown[1]) / idleTerminals
	fmt.Printf("%-5s  %d idle terminals: %.0f KiB each above the SSH library's own %.0f KiB (at most %d KiB)\n",
		verdict(each <= idleGoal), idleTerminals, each, float64(grown[1])/idleTerminals, idleGoal)
	return nil
}
