package recording

import (
	"sync"
	"time"

	"github.com/nexterm-go/nexterm/internal/ssh"
)

const (
	// eventTime is at least between two events, unless the first is full: an event for
	// each packet would be longer than what it tells.
	eventTime = 20 * time.Millisecond
	fullEvent = 256 << 10
	// maxPending is what may wait to be written, in bytes; then the host waits.
	maxPending = 1 << 20
	// flushTime is how much a crash takes at most, of a terminal that is in use.
	flushTime = 5 * time.Second
)

// Recorder writes what a terminal shows, in a goroutine of its own. Nobody records
// with a nil one.
type Recorder struct {
	began    time.Time
	caughtUp func()
	// wake tells of events, and full of so many that they are written at once.
	wake, full, ended chan struct{}

	mu      sync.Mutex
	pending []event
	// waiting is the length of what is pending.
	waiting int
	stopped bool
}

func newRecorder(caughtUp func()) *Recorder {
	return &Recorder{
		began: time.Now(), caughtUp: caughtUp,
		wake: make(chan struct{}, 1), full: make(chan struct{}, 1), ended: make(chan struct{}),
	}
}

// Show records output: valid UTF-8, as viewers get it.
func (r *Recorder) Show(text []byte) {
	if r != nil && len(text) > 0 {
		r.add("o", text)
	}
}

// Resize records the size of the terminal.
func (r *Recorder) Resize(size ssh.Size) {
	if r != nil {
		r.add("r", geometry(size))
	}
}

// Behind reports whether more is waiting than should. The recorder says when it has
// caught up.
func (r *Recorder) Behind() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting > maxPending
}

// End has the rest written, and the recording finished.
func (r *Recorder) End() {
	if r != nil {
		close(r.ended)
	}
}

func (r *Recorder) add(kind string, text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return
	}
	last := len(r.pending) - 1
	if last >= 0 && r.pending[last].kind == kind && kind == "o" && len(r.pending[last].text) < fullEvent {
		r.pending[last].text = append(grow(r.pending[last].text, len(text)), text...)
	} else {
		r.pending = append(r.pending, event{time.Since(r.began), kind, append([]byte(nil), text...)})
	}
	r.waiting += len(text)
	poke(r.wake)
	if r.waiting >= fullEvent {
		poke(r.full)
	}
}

func poke(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default: // it is known
	}
}

// take is what has come meanwhile.
func (r *Recorder) take() []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	events, behind := r.pending, r.waiting > maxPending
	r.pending, r.waiting = nil, 0
	if behind {
		r.caughtUp()
	}
	return events
}

// stop records nothing more.
func (r *Recorder) stop() {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	r.take()
}

// run writes until the terminal has ended, or the tape.
func (r *Recorder) run(t *tape) error {
	defer r.stop()
	var written time.Time
	var flush <-chan time.Time
	for {
		switch {
		case !t.unsaved():
			flush = nil
		case flush == nil:
			flush = time.After(flushTime)
		}
		ended := false
		select {
		case <-r.wake:
			select {
			case <-time.After(time.Until(written.Add(eventTime))):
			case <-r.full:
			case <-r.ended:
			}
			written = time.Now()
		case <-flush:
			if err := t.save(false); err != nil {
				return err
			}
		case <-r.ended:
			ended = true
		}
		for _, e := range r.take() {
			if err := t.write(e); err != nil {
				return err
			}
			release(e.text)
		}
		if ended {
			return t.end(event{at: time.Since(r.began), kind: "o"})
		}
	}
}
