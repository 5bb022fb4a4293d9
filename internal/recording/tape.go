package recording

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/ssh"
)

const (
	// blockSize is compressed at a time, and chunkSize is then stored, in bytes. A
	// crash takes what is in neither.
	blockSize = 128 << 10
	chunkSize = 64 << 10
	// keptSize is what buffers may keep of an idle terminal. Those of busy ones are
	// large, and lent to one after the other.
	keptSize, largeSize = 16 << 10, 512 << 10
	// storeTime bounds one attempt to store a chunk, and retryTime is between two.
	storeTime = 5 * time.Second
	retryTime = time.Second
)

var (
	errTaken = errors.New("the recording is finished elsewhere, or deleted")
	errFull  = errors.New("the recording is as long as it gets")
)

// event is a line of an asciicast, version 2.
type event struct {
	at   time.Duration
	kind string
	text []byte
}

func geometry(size ssh.Size) []byte { return fmt.Appendf(nil, "%dx%d", size.Columns, size.Rows) }

func header(size ssh.Size, began time.Time) string {
	return fmt.Sprintf(`{"version":2,"width":%d,"height":%d,"timestamp":%d,"env":{"SHELL":"/bin/bash","TERM":"xterm-256color"}}`+"\n",
		size.Columns, size.Rows, began.Unix())
}

// tape is a recording that is written: one stream of gzip in chunks, each of which
// can be read without those that follow. The compression keeps nothing between two
// blocks, of which there are hundreds of terminals' worth.
type tape struct {
	store *Store
	id    int64
	ended <-chan struct{}

	lines  []byte
	packed bytes.Buffer
	zip    *gzip.Writer
	seq    int32
	// size and bytes are its length as it is stored, and as it is played.
	size, bytes int64
}

func (s *Store) newTape(id int64, ended <-chan struct{}) *tape {
	t := &tape{store: s, id: id, ended: ended}
	t.zip, _ = gzip.NewWriterLevel(&t.packed, gzip.StatelessCompression) // the level is one
	return t
}

func (t *tape) unsaved() bool { return len(t.lines)+t.packed.Len() > 0 }

// write takes an event, unless there is no more room.
func (t *tape) write(e event) error {
	before := len(t.lines)
	t.encode(e)
	if t.bytes+int64(len(t.lines)) > t.store.longest {
		t.lines = t.lines[:before]
		return errors.Join(errFull, t.end(event{e.at, "o", []byte("\r\n[recording limit reached]\r\n")}))
	}
	if len(t.lines) < blockSize {
		return nil
	}
	if t.pack(); t.packed.Len() < chunkSize {
		return nil
	}
	return t.save(false)
}

func (t *tape) encode(e event) {
	line := grow(t.lines, len(e.text)+len(e.text)/4+64)
	line = append(line, '[')
	line = strconv.AppendFloat(line, e.at.Seconds(), 'f', 6, 64)
	line = append(line, `,"`+e.kind+`",`...)
	line, _ = jsontext.AppendQuote(line, e.text) // what is no UTF-8 is replaced
	t.lines = append(line, "]\n"...)
}

// end closes the tape with a last event: players take its time as the length.
func (t *tape) end(e event) error {
	t.encode(e)
	t.pack()
	return errors.Join(t.zip.Close(), t.save(true))
}

func (t *tape) pack() {
	t.bytes += int64(len(t.lines))
	if len(t.lines) > 0 {
		if t.packed.Cap() == 0 && len(t.lines) > keptSize {
			t.packed = *bytes.NewBuffer(grow(nil, len(t.lines)))
		}
		_, _ = t.zip.Write(t.lines) // into a buffer
	}
	t.lines = release(t.lines)
}

var large = sync.Pool{New: func() any {
	b := make([]byte, 0, largeSize)
	return &b
}}

// grow makes room for so many more bytes, in a large buffer where they are many.
func grow(b []byte, more int) []byte {
	if need := len(b) + more; need > cap(b) && need > keptSize && need <= largeSize {
		return append((*large.Get().(*[]byte))[:0], b...) //nolint:forcetypeassert // there is nothing else in it
	}
	return b
}

// release empties a buffer, and keeps it if it is small.
func release(b []byte) []byte {
	switch {
	case cap(b) == largeSize:
		large.Put(&b)
		return nil
	case cap(b) > keptSize:
		return nil
	}
	return b[:0]
}

// save stores what is written as one more chunk, if need be again and again.
func (t *tape) save(finished bool) error {
	t.pack()
	size, ended := t.size+int64(t.packed.Len()), t.ended
	for giveUp := time.After(t.store.patience); ; {
		ctx, cancel := context.WithTimeout(caller.WithActor(context.Background(), caller.BySystem), storeTime)
		err := t.store.add(ctx, chunk{id: t.id, seq: t.seq, data: t.packed.Bytes(), size: size, bytes: t.bytes, finished: finished})
		cancel()
		if err == nil {
			t.size, t.seq = size, t.seq+1
			t.packed = *bytes.NewBuffer(release(t.packed.Bytes()))
		}
		if err == nil || errors.Is(err, errTaken) {
			return err
		}
		select {
		case <-time.After(retryTime):
		case <-ended:
			// What is left is finished later, by whichever server.
			giveUp, ended = time.After(min(storeTime, t.store.patience)), nil
		case <-giveUp:
			return err
		}
	}
}
