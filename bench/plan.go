package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// connectionCounts are measured for each operation; the goals hold for the last.
var connectionCounts = []int{1, 16, 64}

// plan is how long and how often everything is measured.
type plan struct {
	measured time.Duration
	rounds   int
	only     string
}

// operation is a request that is measured, and the share of the bare handler's
// requests per second that the server is to reach.
type operation struct {
	name   string
	method string
	path   string
	body   string
	goal   float64
	writes bool
}

var operations = []operation{
	{name: "GET identity/list", method: "GET", path: "/api/identity/list", goal: 0.85},
	{name: "GET account/me", method: "GET", path: "/api/account/me", goal: 0.80},
	{
		name: "PUT identity", method: "PUT", path: "/api/identity", goal: 0.70, writes: true,
		body: `{"name":"Production servers","username":"deploy","type":"password","password":"correct horse battery staple"}`,
	},
}

// request is the operation as it goes over the wire.
func (o operation) request(data *seeded) []byte {
	var text strings.Builder
	token := data.readerToken
	if o.writes {
		token = data.writerToken
	}
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: nexterm-bench\r\nAuthorization: Bearer %s\r\n", o.method, o.path, token)
	if o.body != "" {
		fmt.Fprintf(&text, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(o.body))
	}
	text.WriteString("\r\n" + o.body)
	return []byte(text.String())
}

// cell is one operation at one number of connections, with a sample of both
// servers for each round.
type cell struct {
	operation    operation
	connections  int
	server, bare []sample
}

// run measures round after round, and within a round both servers in turn, so
// that what else happens on the machine meets both. Who begins alternates.
func (p plan) run(ctx context.Context, data *seeded, server, bare *process) ([]*cell, error) {
	var cells []*cell
	for _, o := range operations {
		if !strings.Contains(o.name, p.only) {
			continue
		}
		for _, connections := range connectionCounts {
			cells = append(cells, &cell{operation: o, connections: connections})
		}
	}
	if len(cells) == 0 {
		return nil, fmt.Errorf("no operation is called %q", p.only)
	}
	for round := range p.rounds {
		fmt.Printf("round %d of %d\n", round+1, p.rounds)
		for _, c := range cells {
			turns := []turn{{"server", server, &c.server}, {"bare handler", bare, &c.bare}}
			if round%2 == 1 {
				slices.Reverse(turns)
			}
			for _, t := range turns {
				if err := c.measure(ctx, p, data, t); err != nil {
					return nil, fmt.Errorf("%s of the %s: %w", c.operation.name, t.name, err)
				}
			}
		}
	}
	return cells, nil
}

// turn is one server's half of a round.
type turn struct {
	name    string
	process *process
	samples *[]sample
}

func (c *cell) measure(ctx context.Context, p plan, data *seeded, t turn) error {
	s, err := load(ctx, t.process, c.operation.request(data), c.connections, p.measured)
	if err != nil {
		return err
	}
	*t.samples = append(*t.samples, s)
	if c.operation.writes {
		return data.clear(ctx)
	}
	return nil
}

// sameAnswers refuses to compare servers that answer differently.
func sameAnswers(ctx context.Context, server, bare *process, data *seeded) error {
	for _, o := range operations {
		if o.writes {
			continue // ids differ; that both answer 200 is checked under load
		}
		want, err := server.get(ctx, o.path, data.readerToken)
		if err != nil {
			return err
		}
		got, err := bare.get(ctx, o.path, data.readerToken)
		if err != nil {
			return err
		}
		if !bytes.Equal(want, got) {
			return fmt.Errorf("%s: the bare handler answers %.300s, the server %.300s", o.name, got, want)
		}
	}
	return nil
}
