package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"github.com/nexterm-go/nexterm/internal/postgres"
)

const (
	// abortPause is the time between two requests whose client hangs up, as it may at any
	// moment: abortSpread is the longest that it waits.
	abortPause  = 20 * time.Millisecond
	abortSpread = 2 * time.Millisecond
	abortMedian = 2 // times the median of a server that nobody leaves
)

// aborts is what others notice of clients that hang up. The samples are medians of
// medians, in milliseconds.
type aborts struct {
	idle, meanwhile float64
	sent            int
}

// measureAborts has anonymous clients ask for what the database has to tell, and hang up
// while it does.
func measureAborts(ctx context.Context, p plan, binary, dir string) (a aborts, err error) {
	pool, closeDatabase, err := openDatabase(ctx, postgres.Options{DataDir: filepath.Join(dir, "data")})
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, closeDatabase()) }()
	data := newSeeded(pool)
	if err := data.account(ctx, reader); err != nil {
		return a, err
	}
	server, err := startServer(ctx, binary, pool.Config().ConnString())
	if err != nil {
		return a, err
	}
	defer server.stop()
	requests := operation{account: reader, method: "GET", path: "/api/account/me"}.requests(data)
	var samples [2][]sample
	for range p.rounds {
		for i := range samples {
			leaving, enough := context.WithCancel(ctx)
			var group sync.WaitGroup
			if i == 1 {
				group.Go(func() { a.sent += abandon(leaving, server.address) })
			}
			s, err := load(ctx, server, requests, 4, p.measured)
			enough()
			group.Wait()
			if err != nil {
				return a, err
			}
			samples[i] = append(samples[i], s)
		}
	}
	middle := func(s sample) float64 { return s.p50.Seconds() * 1e3 }
	a.idle, a.meanwhile = median(samples[0], middle), median(samples[1], middle)
	return a, nil
}

// abandon sends requests and leaves them, until the context ends, and counts them.
func abandon(ctx context.Context, address string) (sent int) {
	const request = "GET /api/auth/providers HTTP/1.1\r\nHost: bench\r\n\r\n"
	ticker := time.NewTicker(abortPause)
	defer ticker.Stop()
	for ; ; sent++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return sent
		}
		c, err := dial(ctx, address)
		if err != nil {
			continue
		}
		if _, err = c.conn.Write([]byte(request)); err == nil {
			time.Sleep(abortSpread * time.Duration(sent%20) / 20)
		}
		c.close()
	}
}

func (a aborts) printGoals(w io.Writer) {
	fmt.Fprintf(w, "%-5s  %d requests whose clients hang up: the median of others is %.2f ms, without them %.2f ms (at most %d times)\n",
		verdict(a.meanwhile <= abortMedian*a.idle), a.sent, a.meanwhile, a.idle, abortMedian)
}
