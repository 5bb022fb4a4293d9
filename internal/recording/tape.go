package recording

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	fastjson "github.com/goccy/go-json"
	"github.com/klauspost/compress/gzip"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/ssh"
)

const (
	// blockSize is compressed at a time, and chunkSize is then stored, in bytes. A
	// crash takes what is in neither.
	blockSize = 128 << 10
	chunkSize = 64 << 10
	// keptSize is what buffers may keep of an idle terminal.
	keptSize = 16 << 10
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

	lines, packed bytes.Buffer
	zip           *gzip.Writer
	seq           int32
	// size and bytes are its length as it is stored, and as it is played.
	size, bytes int64
}

func (s *Store) newTape(id int64, ended <-chan struct{}) *tape {
	t := &tape{store: s, id: id, ended: ended}
	t.zip, _ = gzip.NewWriterLevel(&t.packed, gzip.StatelessCompression) // the level is one
	return t
}

func (t *tape) unsaved() bool { return t.lines.Len()+t.packed.Len() > 0 }

// write takes an event, unless there is no more room.
func (t *tape) write(e event) error {
	before := t.lines.Len()
	if err := t.encode(e); err != nil {
		return err
	}
	if t.bytes+int64(t.lines.Len()) > t.store.longest {
		t.lines.Truncate(before)
		return errors.Join(errFull, t.end(event{e.at, "o", []byte("\r\n[recording limit reached]\r\n")}))
	}
	if t.lines.Len() < blockSize {
		return nil
	}
	if t.pack(); t.packed.Len() < chunkSize {
		return nil
	}
	return t.save(false)
}

func (t *tape) encode(e event) error {
	seconds := json.Number(strconv.FormatFloat(e.at.Seconds(), 'f', 6, 64))
	encoder := fastjson.NewEncoder(&t.lines)
	encoder.SetEscapeHTML(false)
	return encoder.Encode([]any{seconds, e.kind, string(e.text)})
}

// end closes the tape with a last event: players take its time as the length.
func (t *tape) end(e event) error {
	if err := t.encode(e); err != nil {
		return err
	}
	t.pack()
	return errors.Join(t.zip.Close(), t.save(true))
}

func (t *tape) pack() {
	t.bytes += int64(t.lines.Len())
	if t.lines.Len() > 0 {
		_, _ = t.zip.Write(t.lines.Bytes()) // into a buffer
	}
	reuse(&t.lines)
}

func reuse(b *bytes.Buffer) {
	if b.Reset(); b.Cap() > keptSize {
		*b = bytes.Buffer{}
	}
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
			reuse(&t.packed)
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
