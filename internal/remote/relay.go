package remote

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"github.com/nexterm-go/nexterm/internal/login"
)

const (
	// chunk is how much is copied at a time, in bytes.
	chunk = 32 << 10
	// maxMissedPongs ends a socket whose peer does not answer.
	maxMissedPongs = 2
)

// receive passes on what the client sends, and hears when it goes.
func (t *tunnel) receive(ctx context.Context) {
	buffer := make([]byte, chunk)
	for {
		// Past the limit for messages: how many a tunnel needs is not to be known.
		kind, message, err := t.conn.Reader(context.Background())
		if err != nil {
			t.end(gone)
			return
		}
		select {
		case <-t.opened:
		case <-ctx.Done():
			return
		}
		if kind == websocket.MessageText {
			err = t.text(ctx, message)
		} else {
			err = t.pass(message, buffer)
		}
		switch {
		case errors.Is(err, errRemote):
			// What is still to come from there has its end; until then, this is for nobody.
			_, err = io.Copy(io.Discard, message)
		case err == nil:
			continue
		}
		if err != nil {
			t.end(gone)
			return
		}
	}
}

// errRemote is a remote that takes nothing more.
var errRemote = errors.New("the other end is closed")

// pass copies one message.
func (t *tunnel) pass(message io.Reader, buffer []byte) error {
	for {
		n, err := message.Read(buffer)
		if n > 0 {
			t.stalled.Add(1)
			_, failed := t.remote.Write(buffer[:n])
			t.stalled.Add(-1)
			t.moved.Add(1)
			if failed != nil {
				return errRemote
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// text answers what is a ping, and passes on all else.
func (t *tunnel) text(ctx context.Context, message io.Reader) error {
	text, err := io.ReadAll(message)
	if err != nil {
		return err
	}
	var said struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(text, &said) == nil && said.Type == "ping" {
		return t.write(ctx, websocket.MessageText, []byte(`{"type":"pong"}`))
	}
	return t.pass(strings.NewReader(string(text)), make([]byte, chunk))
}

func (t *tunnel) write(ctx context.Context, kind websocket.MessageType, frame []byte) error {
	t.stalled.Add(1)
	defer t.moved.Add(1)
	defer t.stalled.Add(-1)
	return t.conn.Write(context.WithoutCancel(ctx), kind, frame)
}

// send passes on what comes from the host until its end.
func (t *tunnel) send(ctx context.Context, h *Handlers, place *login.Channel) {
	buffer := make([]byte, chunk)
	for {
		n, err := t.remote.Read(buffer)
		if n > 0 {
			end := h.stalls.begin(t)
			failed := t.write(ctx, websocket.MessageBinary, buffer[:n])
			end()
			if failed != nil {
				t.end(gone)
				return
			}
		}
		if err == nil {
			continue
		}
		// A login that breaks looks like the end of what was on it.
		if ctx.Err() == nil && !place.Alive(ctx) {
			h.lost(ctx)
			t.end(broken)
		}
		t.end(closed)
		return
	}
}

// ping asks the client now and then whether it is there. An answer may wait behind what is
// on its way, either way: as long as something moves, or waits to, none is missed.
func (t *tunnel) ping(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for missed := 0; missed < maxMissedPongs; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		moved := t.moved.Load()
		if t.stalled.Load() > 0 {
			continue
		}
		waiting, cancel := context.WithTimeout(ctx, interval)
		err := t.conn.Ping(waiting)
		cancel()
		if err == nil || t.stalled.Load() > 0 || t.moved.Load() != moved {
			missed = 0
		} else {
			missed++
		}
	}
	t.end(noAnswer)
}
