package ws

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

const (
	// dialTimeout is how long another server has to take a socket over.
	dialTimeout = 5 * time.Second
	// pingInterval is the pause between two pings of a client whose socket is elsewhere.
	pingInterval = 30 * time.Second
	// maxMissedPongs is for how many pings a peer may be silent.
	maxMissedPongs = 2
)

// Relay has another server serve a connection: messages go to and fro until one side
// closes, as the other one is told. Where that server is not reached, or goes without
// a word, the answer is false, and the connection is the caller's to close.
func Relay(ctx context.Context, client *Conn, by *http.Client, url string, header http.Header, maxMessage int64) bool {
	dialling, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	server, _, err := websocket.Dial(dialling, url, &websocket.DialOptions{HTTPClient: by, HTTPHeader: header}) //nolint:bodyclose // it has none after an upgrade
	if err != nil {
		return false
	}
	defer func() { _ = server.CloseNow() }()
	client.SetReadLimit(maxMessage)
	server.SetReadLimit(-1)
	pinging, stop := context.WithCancel(context.Background())
	defer stop()
	go client.Watch(pinging, pingInterval, func() { _ = client.CloseNow() })
	go func() {
		var closed websocket.CloseError
		if err := forward(server, client.Conn); errors.As(err, &closed) {
			_ = server.Close(closed.Code, closed.Reason) // the server may be faster
			return
		}
		_ = server.CloseNow()
	}()
	var closed websocket.CloseError
	if err := forward(client.Conn, server); !errors.As(err, &closed) {
		return false
	}
	client.End(closed.Code, closed.Reason)
	return true
}

// Watch asks the peer at an interval whether it is there, until the context ends, and says
// when it has been silent twice in a row, for an interval each.
func (c *Conn) Watch(ctx context.Context, interval time.Duration, silent func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for missed := 0; missed < maxMissedPongs; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		answer, cancel := context.WithTimeout(ctx, interval)
		missed++
		if c.Ping(answer) == nil {
			missed = 0
		}
		cancel()
	}
	silent()
}

// forward passes messages on until there are no more.
func forward(to, from *websocket.Conn) error {
	ctx := context.Background()
	for {
		kind, message, err := from.Reader(ctx)
		if err != nil {
			return err
		}
		writer, err := to.Writer(ctx, kind)
		if err != nil {
			return err
		}
		if _, err := io.Copy(writer, message); err != nil {
			return err
		}
		if err := writer.Close(); err != nil {
			return err
		}
	}
}
