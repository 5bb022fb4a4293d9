package server

import (
	"net/http"
	"time"
)

// AnswerTime is how long a request may take until its answer is read: x-timeout and the
// answer's way. A longer x-timeout has it for the way alone.
const AnswerTime = 90 * time.Second

// partSize is what a client has to read in time, in bytes.
const partSize = 64 << 10

// hurrying ends the connection of a client that does not read: an answer is held in
// memory until it is written.
type hurrying struct {
	http.ResponseWriter
	patience time.Duration
	end      time.Time
}

// Unwrap is for http.ResponseController.
func (w *hurrying) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *hurrying) hurry() {
	deadline := time.Now().Add(w.patience)
	if w.end.Before(deadline) {
		deadline = w.end
	}
	// Without deadlines, as in a test's recorder, nothing waits either.
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(deadline)
}

func (w *hurrying) WriteHeader(status int) {
	w.hurry()
	w.ResponseWriter.WriteHeader(status)
}

func (w *hurrying) Write(answer []byte) (written int, err error) {
	for len(answer) > 0 && err == nil {
		w.hurry()
		var n int
		n, err = w.ResponseWriter.Write(answer[:min(len(answer), partSize)])
		written, answer = written+n, answer[n:]
	}
	return written, err
}
