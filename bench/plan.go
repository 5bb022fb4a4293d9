package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// plan is how long and how often everything is measured.
type plan struct {
	measured time.Duration
	rounds   int
	only     string
}

// operation is a request that is measured, at some numbers of connections; its
// goals hold for the last of them.
type operation struct {
	name    string
	account string
	// accounts are from how many like that one the requests come; 0 is 1.
	accounts    int
	method      string
	path        string
	body        string
	connections []int
	writes      bool
	// moves makes it one request for each of the seeded moves, whose entry goes
	// into the path and whose target goes into the body.
	moves bool
	// entries are how many it lists: the time for each of them is compared
	// between operations with the same path.
	entries int
	// rate is the share of the bare handler's requests per second that the server
	// is to reach, and tail how many times the bare handler's p99 it may take;
	// there is no such goal where they are 0.
	rate, tail float64
}

var (
	many  = []int{1, 16, 64}
	crowd = []int{16}
	few   = []int{1, 4}
	one   = []int{1}
)

var operations = []operation{
	{name: "GET identity/list", account: reader, method: "GET", path: "/api/identity/list", connections: many, rate: 0.85},
	{name: "GET account/me", account: reader, method: "GET", path: "/api/account/me", connections: many, rate: 0.80},
	{
		name: "PUT identity", account: writer, accounts: writers, method: "PUT", path: "/api/identity", connections: many, rate: 0.70,
		body: `{"name":"Production servers","username":"deploy","type":"password","password":"` + password + `"}`, writes: true,
	},
	// Not a comparison but what one account can do: it has four turns at a time, and all
	// that it has is counted.
	{
		name: "PUT identity, one account", account: writer, method: "PUT", path: "/api/identity", connections: crowd,
		body: `{"name":"Production servers","username":"deploy","type":"password","password":"` + password + `"}`, writes: true,
	},
	{name: "GET entry/list, 5000", account: librarian, method: "GET", path: "/api/entry/list", connections: few, entries: 5000, rate: 0.80},
	{name: "GET entry/list, 500", account: clerk, method: "GET", path: "/api/entry/list", connections: one, entries: 500, rate: 0.80},
	{name: "GET entries/list, 5000", account: librarian, method: "GET", path: "/api/entries/list", connections: few, entries: 5000, rate: 0.80},
	{name: "GET entries/list, 500", account: clerk, method: "GET", path: "/api/entries/list", connections: one, entries: 500, rate: 0.80},
	{
		name: "PATCH entry/reposition", account: mover, accounts: movers, method: "PATCH", path: "/api/entry/%d/reposition", connections: few,
		body: `{"placement":"before","targetId":%d}`, tail: 5, writes: true, moves: true,
	},
	// Changes of one tree wait for each other.
	{
		name: "PATCH entry/reposition, one account", account: mover, method: "PATCH", path: "/api/entry/%d/reposition", connections: crowd,
		body: `{"placement":"before","targetId":%d}`, writes: true, moves: true,
	},
}

// requests are the operation as it goes over the wire.
func (o operation) requests(data *seeded) [][]byte {
	accounts := alike(o.account, max(o.accounts, 1))
	var all [][]byte
	if !o.moves {
		for _, account := range accounts {
			all = append(all, o.request(data, account, o.path, o.body))
		}
		return all
	}
	for i := range data.moves[o.account] {
		for _, account := range accounts {
			m := data.moves[account][i]
			all = append(all, o.request(data, account, fmt.Sprintf(o.path, m.entry), fmt.Sprintf(o.body, m.target)))
		}
	}
	return all
}

func (o operation) request(data *seeded, account, path, body string) []byte {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: nexterm-bench\r\n", o.method, path)
	if token := data.tokens[account]; token != "" {
		fmt.Fprintf(&text, "Authorization: Bearer %s\r\n", token)
	}
	if body != "" {
		fmt.Fprintf(&text, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	text.WriteString("\r\n" + body)
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
func (p plan) run(ctx context.Context, data *seeded, server, bare *process, operations []operation) ([]*cell, error) {
	var cells []*cell
	for _, o := range operations {
		if !strings.Contains(o.name, p.only) {
			continue
		}
		for _, connections := range o.connections {
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
	s, err := load(ctx, t.process, c.operation.requests(data), c.connections, p.measured)
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
func sameAnswers(ctx context.Context, server, bare *process, data *seeded, operations []operation) error {
	for _, o := range operations {
		if o.writes {
			continue // ids differ; that both answer 200 is checked under load
		}
		want, err := server.get(ctx, o.path, data.tokens[o.account])
		if err != nil {
			return err
		}
		got, err := bare.get(ctx, o.path, data.tokens[o.account])
		if err != nil {
			return err
		}
		if !bytes.Equal(want, got) {
			return fmt.Errorf("%s: the bare handler answers %.300s, the server %.300s", o.name, got, want)
		}
	}
	return nil
}
