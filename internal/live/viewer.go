package live

import (
	"context"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"github.com/nexterm-go/nexterm/internal/ws"
)

const (
	// maxUnsent is how far a viewer may be behind, in bytes: the owner's sockets slow
	// the host down, others are closed.
	maxUnsent = 1 << 20
	// maxUnshown is maxUnsent for others at a desktop, of which all is sent at once first.
	maxUnshown = 16 << 20
	// maxMessage bounds what a client sends at a time, in bytes.
	maxMessage = 1 << 20
)

// The ways to have a connection open.
const (
	kindOwner        = "owner"
	kindOrganization = "organization"
	kindLink         = "link"
)

// Close codes of connections, besides those of package ws.
const (
	normal           = websocket.StatusNormalClosure
	noAccess         = websocket.StatusCode(4005)
	noConnection     = websocket.StatusCode(4007)
	wrongKind        = websocket.StatusCode(4009)
	notAvailable     = websocket.StatusCode(4014)
	sharingRefused   = websocket.StatusCode(4015)
	sharingEnded     = websocket.StatusCode(4016)
	connectionFailed = websocket.StatusCode(4017)
	badShareLink     = websocket.StatusCode(4013)
)

// farewell is how a socket is closed.
type farewell struct {
	code   websocket.StatusCode
	reason string
}

var (
	tooSlow     = farewell{ws.PolicyViolation, "Messages are not read fast enough"}
	noAnswer    = farewell{ws.PolicyViolation, "Pings are not answered"}
	tooMany     = farewell{ws.TryAgainLater, "Too many viewers"}
	unavailable = farewell{notAvailable, "Connection not available"}
	notFound    = farewell{noConnection, "Session not found"}
)

// viewer is an open socket of a connection.
type viewer struct {
	id        uuid.UUID
	accountID int64
	kind      string
	conn      *ws.Conn
	live      *live
	timing    timing
	// files is what sends the frames of a socket for files.
	files *FileSocket
	// window is the place at a desktop, nil at a terminal.
	window *window

	// writable, sized, typed and asked are the connection's; asked tells that a review
	// knows of the viewer.
	writable, sized, typed, asked bool
	typing                        *time.Timer

	mu    sync.Mutex
	queue [][]byte
	// unsent is the size of the queue, in bytes, and sendsText that the last frame of it
	// is output, to which more may be added.
	unsent  int
	writing bool
	ending  *farewell
}

// timing are the times of sockets.
type timing struct{ ping, write time.Duration }

func (v *viewer) mayWrite() bool { return v.writable }

// slowsDown reports whether the host has to wait for the viewer.
func (v *viewer) slowsDown() bool {
	return v.kind == kindOwner && v.behind()
}

func (v *viewer) behind() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.unsent > maxUnsent && v.ending == nil
}

// push sends a frame, or adds it to output that waits.
func (v *viewer) push(frame []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ending != nil || len(frame) == 0 {
		return
	}
	most := maxUnsent
	if v.window != nil {
		most = maxUnshown
	}
	if v.kind != kindOwner && v.unsent > most {
		v.endLocked(tooSlow, false)
		return
	}
	v.queue = append(v.queue, frame)
	v.unsent += len(frame)
	v.startWriting()
}

// end closes the socket when it has been sent what waits.
func (v *viewer) end(f farewell) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.endLocked(f, true)
}

func (v *viewer) endLocked(f farewell, flush bool) {
	if v.ending != nil {
		return
	}
	v.ending = &f
	if v.files != nil {
		v.files.farewells <- f
		return
	}
	if !flush {
		v.queue = nil
	}
	v.conn.Hurry()
	v.startWriting()
}

func (v *viewer) startWriting() {
	if !v.writing {
		v.writing = true
		go v.write()
	}
}

// write sends what waits and ends when there is nothing more.
func (v *viewer) write() {
	for {
		frame, f := v.next()
		if frame == nil {
			if f != nil {
				v.conn.End(f.code, f.reason)
			}
			return
		}
		slow := time.AfterFunc(v.timing.write, func() {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.endLocked(tooSlow, false)
		})
		err := v.conn.Write(context.Background(), websocket.MessageText, frame)
		slow.Stop()
		if err != nil {
			_ = v.conn.CloseNow() // wakes the reader, and nobody begins to write again
			return
		}
	}
}

// next takes the next frame. Output that waits goes out together, as much as fits.
func (v *viewer) next() ([]byte, *farewell) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.queue) == 0 {
		v.queue, v.writing = nil, v.ending != nil
		return nil, v.ending
	}
	frame := v.queue[0]
	count := 1
	if isOutput(frame) {
		size := len(frame)
		for count < len(v.queue) && isOutput(v.queue[count]) && size+len(v.queue[count]) <= chunk {
			size += len(v.queue[count])
			count++
		}
		if count > 1 {
			frame = make([]byte, 0, size)
			for _, part := range v.queue[:count] {
				frame = append(frame, part...)
			}
		}
	}
	v.queue = v.queue[count:]
	behind := v.unsent > maxUnsent
	v.unsent -= len(frame)
	if behind && v.unsent <= maxUnsent && v.live != nil {
		if v.window == nil {
			v.live.rouse()
			return frame, nil
		}
		select {
		case v.window.wake <- struct{}{}:
		default: // it is awake
		}
	}
	return frame, nil
}

// isOutput tells output from frames that stand alone.
func isOutput(frame []byte) bool { return frame[0] != 0x02 && frame[0] != 0x1f }

// serve reads until the connection is closed, by whichever side.
func (v *viewer) serve(l *live) {
	v.conn.SetReadLimit(maxMessage)
	stop := v.ping()
	defer stop()
	for {
		// Keys come as fast as people type: the bound is what the host takes.
		_, frame, err := v.conn.Conn.Read(context.Background())
		if err != nil {
			break
		}
		taken := make(chan struct{})
		if !l.post(func() { l.receive(v, frame, taken) }) {
			continue // it is about to be closed
		}
		select {
		case <-taken:
		case <-l.ended:
		}
	}
	v.end(farewell{ws.ProtocolError, ""})
}

// ping asks the peer now and then whether it is there, until it is stopped.
func (v *viewer) ping() (stop context.CancelFunc) {
	ctx, stop := context.WithCancel(context.Background())
	go v.conn.Watch(ctx, v.timing.ping, func() { v.end(noAnswer) })
	return stop
}
