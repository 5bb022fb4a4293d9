package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// warmUp is how long connections run before they are measured.
const warmUp = 200 * time.Millisecond

// sample is one measurement of one server.
type sample struct {
	perSecond float64
	p50, p99  time.Duration
	cpu       time.Duration // of the server, per request
}

// load sends the requests in turn, again and again, over some connections, each
// of which waits for its answer. The client is written for this: processors are
// shared with the servers, and http.Client costs as much as a whole answer.
func load(ctx context.Context, p *process, requests [][]byte, connections int, measured time.Duration) (sample, error) {
	begin := time.Now().Add(warmUp)
	end := begin.Add(measured)
	latencies := make([][]time.Duration, connections)
	failures := make([]error, connections)
	var group sync.WaitGroup
	for i := range connections {
		group.Go(func() { latencies[i], failures[i] = repeat(ctx, p.address, requests, i, begin, end) })
	}
	time.Sleep(time.Until(begin))
	before, beforeErr := p.cpu()
	time.Sleep(time.Until(end))
	after, afterErr := p.cpu()
	group.Wait()
	all := slices.Concat(latencies...)
	if err := errors.Join(errors.Join(failures...), beforeErr, afterErr, ctx.Err()); err != nil {
		return sample{}, err
	}
	if len(all) == 0 {
		return sample{}, fmt.Errorf("no answer within %s", measured)
	}
	slices.Sort(all)
	return sample{
		perSecond: float64(len(all)) / measured.Seconds(),
		p50:       all[len(all)/2],
		p99:       all[len(all)*99/100],
		cpu:       (after - before) / time.Duration(len(all)),
	}, nil
}

// repeat answers the latencies of what ended between begin and end. Connections
// begin at different requests, and pass them in different orders.
func repeat(ctx context.Context, address string, requests [][]byte, place int, begin, end time.Time) ([]time.Duration, error) {
	c, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	defer c.close()
	var latencies []time.Duration
	next := place
	for sent := time.Now(); sent.Before(end); next += 2*place + 1 {
		if err := c.send(requests[next%len(requests)]); err != nil {
			return nil, err
		}
		now := time.Now()
		if now.After(begin) && now.Before(end) {
			latencies = append(latencies, now.Sub(sent))
		}
		sent = now
	}
	return latencies, nil
}

// connection is one that sends a request at a time.
type connection struct {
	conn    net.Conn
	answers *bufio.Reader
	close   context.CancelFunc
}

// dial opens a connection until it is closed or the context ends.
func dial(ctx context.Context, address string) (*connection, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	ctx, done := context.WithCancel(ctx)
	// Closing the connection also ends a wait for its answer.
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	return &connection{conn, bufio.NewReaderSize(conn, 64<<10), done}, nil
}

// send waits for the answer, too.
func (c *connection) send(request []byte) error {
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	return readAnswer(c.answers)
}

// readAnswer reads one answer of HTTP/1.1 to its end. Anything but a 200 is an error.
func readAnswer(r *bufio.Reader) error {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answer: %s", bytes.TrimSpace(status))
	}
	length, chunked := 0, false
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
		chunked = chunked || bytes.Equal(line, []byte("Transfer-Encoding: chunked"))
	}
	if chunked {
		return readChunks(r)
	}
	_, err = r.Discard(length)
	return err
}

func readChunks(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(string(bytes.TrimRight(line, "\r\n")), 16, 31)
		if err != nil {
			return err
		}
		if _, err := r.Discard(int(size) + len("\r\n")); err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
	}
}
