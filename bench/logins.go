package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	// loginRounds repeat everything that follows; its medians count.
	loginRounds = 3
	// singles are the logins in each round that are measured one after another.
	singles = 25
	// loginCrowd sign in at the same time, while others go on.
	loginCrowd = 50
	others     = 4
	loginTime  = 2 * time.Second

	password = "correct horse battery staple"

	// The goals.
	hashShareGoal   = 0.8
	loginMemoryGoal = 150 << 20
	slowdownGoal    = 5
)

// logins is what signing in costs, those who do and everybody else.
type logins struct {
	rounds []loginRound
	// memory is what the server's resident memory has grown by at its peak, in bytes.
	memory int64
}

type loginRound struct {
	hash, single time.Duration
	// crowd and busy are many logins and the other requests beside them, and idle
	// are the others alone.
	crowd, busy, idle sample
}

func measureLogins(ctx context.Context, server *process, data *seeded) (logins, error) {
	hash, err := vault.HashPassword(ctx, 0, password)
	if err != nil {
		return logins{}, err
	}
	if _, err := data.pool.Exec(ctx, "update accounts set password_hash = $1 where id = $2", hash, data.ids[reader]); err != nil {
		return logins{}, err
	}
	login := operation{method: "POST", path: "/api/auth/login", body: fmt.Sprintf(`{"username":%q,"password":%q}`, reader, password)}.requests(data)
	me := operation{account: reader, method: "GET", path: "/api/account/me"}.requests(data)
	before, err := server.residentMemory()
	if err := errors.Join(err, server.resetPeakMemory()); err != nil {
		return logins{}, err
	}
	var rounds []loginRound
	for range loginRounds {
		var r loginRound
		if err := r.compare(ctx, server, login[0], hash); err != nil {
			return logins{}, fmt.Errorf("sign in: %w", err)
		}
		if r.idle, err = load(ctx, server, me, others, loginTime); err != nil {
			return logins{}, err
		}
		group, crowding := errgroup.WithContext(ctx)
		group.Go(func() (err error) { r.crowd, err = load(crowding, server, login, loginCrowd, loginTime); return err })
		group.Go(func() (err error) { r.busy, err = load(crowding, server, me, others, loginTime); return err })
		if err := group.Wait(); err != nil {
			return logins{}, err
		}
		rounds = append(rounds, r)
	}
	peak, err := server.peakMemory()
	return logins{rounds, peak - before}, err
}

// compare takes the median times of logins and of verifying the same password
// here with nothing around it, by turns.
func (r *loginRound) compare(ctx context.Context, server *process, login []byte, hash string) error {
	c, err := dial(ctx, server.address)
	if err != nil {
		return err
	}
	defer c.close()
	alone, whole := make([]time.Duration, singles), make([]time.Duration, singles)
	for i := range singles {
		begin := time.Now()
		if match, err := vault.VerifyPassword(ctx, password, hash); err != nil || !match {
			return fmt.Errorf("verify a password: %t, %w", match, err)
		}
		alone[i] = time.Since(begin)
		begin = time.Now()
		if err := c.send(login); err != nil {
			return err
		}
		whole[i] = time.Since(begin)
	}
	slices.Sort(alone)
	slices.Sort(whole)
	r.hash, r.single = alone[singles/2], whole[singles/2]
	return nil
}

func (l logins) printGoals(w io.Writer) {
	share := median(l.rounds, func(r loginRound) float64 { return r.hash.Seconds() / r.single.Seconds() })
	fmt.Fprintf(w, "%-5s  %.0f %% of a login's %.1f ms go into the hash (at least %.0f %%)\n", verdict(share >= hashShareGoal),
		share*100, median(l.rounds, func(r loginRound) float64 { return r.single.Seconds() * 1e3 }), hashShareGoal*100)
	fmt.Fprintf(w, "%-5s  resident memory for %d logins at a time: %.0f MiB (at most %d MiB)\n", verdict(l.memory <= loginMemoryGoal),
		loginCrowd, float64(l.memory)/(1<<20), loginMemoryGoal>>20)
	slowdown := median(l.rounds, func(r loginRound) float64 { return r.busy.p99.Seconds() / r.idle.p99.Seconds() })
	fmt.Fprintf(w, "%-5s  p99 of GET account/me at %d connections: %.1f times its %.1f ms while %d sign in, %.0f a second (at most %d)\n",
		verdict(slowdown <= slowdownGoal), others, slowdown,
		median(l.rounds, func(r loginRound) float64 { return r.idle.p99.Seconds() * 1e3 }),
		loginCrowd, median(l.rounds, func(r loginRound) float64 { return r.crowd.perSecond }), slowdownGoal)
}
