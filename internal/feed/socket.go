package feed

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/ws"
)

const (
	// maxMessage bounds a client's message, in bytes.
	maxMessage = 64 << 10
	// maxMissedPongs ends a socket whose peer does not answer.
	maxMissedPongs = 2
)

// ending is how a socket is closed.
type ending struct {
	code   websocket.StatusCode
	reason string
	// farewell is sent before, if it is not nil.
	farewell []byte
}

var (
	goingAway = &ending{code: ws.GoingAway, reason: ws.ShuttingDown}
	tooSlow   = &ending{code: ws.PolicyViolation, reason: "Messages are not read fast enough"}
	noAnswer  = &ending{code: ws.PolicyViolation, reason: "Pings are not answered"}
	loggedOut = &ending{
		code: ws.SessionEnded, reason: "Session invalidated",
		farewell: []byte(`{"type":"LOGOUT","data":{"reason":"session_invalidated"}}`),
	}
)

// place is where a client shows what it gets, in its own words.
type place struct{ tab, browser string }

// socket is one open connection. It has no goroutine but its reader's while
// there is nothing to write.
type socket struct {
	conn                       *ws.Conn
	log                        *slog.Logger
	session                    int64
	place                      place
	pingInterval, writeTimeout time.Duration

	// account and wanted, what this socket alone is to get, are under the hub's lock.
	account *account
	wanted  topicSet

	mu sync.Mutex
	// lists hold the newest message of each topic that is not sent yet, and of each
	// connection's viewers, so that what waits for a slow reader is bounded; queue is
	// the order to send them in.
	lists   map[string][]byte
	queue   []string
	writing bool
	ending  *ending
	pings   *time.Timer
	closed  bool
	// missedPongs is the pings' own; there is one at a time.
	missedPongs int
}

// serve reads until the connection is closed, by whichever side.
func (s *socket) serve(refresh func(topicSet)) {
	s.conn.SetReadLimit(maxMessage)
	s.pingAfter(s.pingInterval)
	defer s.stopPings()
	for {
		kind, message, err := s.conn.Read(context.Background())
		if err != nil {
			break
		}
		if kind == websocket.MessageText {
			if wanted := parse(message); wanted != 0 {
				refresh(wanted)
			}
		}
	}
	// Says so to a peer that broke the protocol; after any other end this only
	// waits until the connection is closed.
	s.conn.End(ws.ProtocolError, "")
}

// parse reads a client's message: the topics that it wants anew, none when it
// says anything else.
func parse(message []byte) topicSet {
	var m struct {
		Action string      `json:"action"`
		Type   *event.List `json:"type"`
	}
	switch err := json.Unmarshal(message, &m); {
	case err != nil || m.Action != "refresh":
		return 0
	case m.Type == nil:
		return everything
	default:
		return setOf([]event.List{*m.Type})
	}
}

// push sends a list, unless a newer one takes its place before.
func (s *socket) push(name string, frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending != nil {
		return
	}
	if s.lists[name] == nil {
		s.queue = append(s.queue, name)
	}
	if s.lists == nil {
		s.lists = map[string][]byte{}
	}
	s.lists[name] = frame
	s.startWriting()
}

// end closes the socket instead of sending what waits. The first end counts.
func (s *socket) end(e *ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending != nil {
		return
	}
	s.log.Debug("close a state socket", "account", s.account.id, "code", e.code, "reason", e.reason)
	s.ending = e
	s.queue = nil
	clear(s.lists)
	s.conn.Hurry()
	s.startWriting()
}

func (s *socket) startWriting() {
	if !s.writing {
		s.writing = true
		go s.write()
	}
}

// write sends what waits and ends when there is nothing more.
func (s *socket) write() {
	for {
		frame, e := s.next()
		if e != nil {
			if e.farewell != nil {
				_ = s.conn.Write(context.Background(), websocket.MessageText, e.farewell)
			}
			s.conn.End(e.code, e.reason)
			return
		}
		if frame == nil {
			return
		}
		slow := time.AfterFunc(s.writeTimeout, func() { s.end(tooSlow) })
		err := s.conn.Write(context.Background(), websocket.MessageText, frame)
		slow.Stop()
		if err != nil {
			// Broken: this wakes the reader, and nobody begins to write again.
			_ = s.conn.CloseNow()
			return
		}
	}
}

func (s *socket) next() ([]byte, *ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending != nil {
		return nil, s.ending
	}
	if len(s.queue) == 0 {
		s.queue, s.lists, s.writing = nil, nil, false
		return nil, nil
	}
	name := s.queue[0]
	s.queue = s.queue[1:]
	frame := s.lists[name]
	delete(s.lists, name)
	return frame, nil
}

// pingAfter plans the next ping, unless the socket is closed by then.
func (s *socket) pingAfter(pause time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.pings = time.AfterFunc(pause, s.ping)
	}
}

// ping asks the peer whether it is still there.
func (s *socket) ping() {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), s.pingInterval)
	defer cancel()
	s.missedPongs++
	if s.conn.Ping(ctx) == nil {
		s.missedPongs = 0
	}
	if s.missedPongs == maxMissedPongs {
		s.end(noAnswer)
		return
	}
	s.pingAfter(s.pingInterval - time.Since(start))
}

func (s *socket) stopPings() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.pings.Stop()
}
