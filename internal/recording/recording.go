// Package recording owns what is kept of terminals: writing it as an asciicast while
// they run, finishing it when their server is gone, and handing it out. Whether a
// terminal is recorded its organization says.
package recording

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/gzip"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	// defaultPatience is how long chunks are kept for a database that is away.
	defaultPatience = time.Minute
	// defaultLongest is how long a recording gets, in bytes as they are played.
	defaultLongest = 512 << 20
)

// Store is the recordings of a database.
type Store struct {
	queries  *db.Queries
	changes  *change.Changes
	vault    *vault.Vault
	log      *slog.Logger
	patience time.Duration
	longest  int64
}

// NewStore returns the recordings of a database.
func NewStore(queries *db.Queries, changes *change.Changes, secrets *vault.Vault, log *slog.Logger) *Store {
	return &Store{queries, changes, secrets, log, defaultPatience, defaultLongest}
}

// Record begins the recording of a connection, and returns nil where there is to be
// none. The second function writes it, until it is ended; the first hears when it
// is not behind any more.
func (s *Store) Record(ctx context.Context, connection uuid.UUID, size ssh.Size, caughtUp func()) (*Recorder, func(), error) {
	var id int64
	err := s.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		id, err = tx.CreateRecording(ctx, db.CreateRecordingParams{ConnectionID: connection, Type: "cast"})
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, func() {}, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("begin a recording: %w", err)
	}
	r := newRecorder(caughtUp)
	t := s.newTape(id, r.ended)
	t.lines = append(t.lines, header(size, r.began)...)
	return r, func() {
		if err := r.run(t); err != nil {
			s.log.WarnContext(ctx, "a recording ends early", "auditLogId", id, "error", err)
		}
	}, nil
}

// chunk is a piece of a recording, with the length that it has with it.
type chunk struct {
	id          int64
	seq         int32
	data        []byte
	size, bytes int64
	finished    bool
}

const place = "recording_chunks"

func (s *Store) add(ctx context.Context, c chunk) error {
	sealed, err := s.vault.Seal(place, c.id, strconv.Itoa(int(c.seq)), vault.Secret(c.data))
	if err != nil {
		return err
	}
	return s.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		added, err := tx.AddRecordingChunk(ctx, db.AddRecordingChunkParams{
			AuditLogID: c.id, Seq: c.seq, KeyID: sealed.KeyID, Data: sealed.Ciphertext, Size: c.size, Bytes: c.bytes,
		})
		switch {
		case err != nil:
			return err
		case added == 0:
			return errTaken
		case c.finished:
			return tx.FinishRecording(ctx, c.id)
		}
		return nil
	})
}

// FinishLost finishes recordings whose servers are gone. What these had stored is
// whole lines; only the end of the compression is missing.
func (s *Store) FinishLost(ctx context.Context) error {
	var failed []error
	for after := int64(0); ; {
		ids, err := s.queries.ListLostRecordings(ctx, db.ListLostRecordingsParams{After: after, Most: 100})
		if err != nil || len(ids) == 0 {
			return errors.Join(append(failed, err)...)
		}
		for _, id := range ids {
			if err := s.finish(ctx, id); err != nil && !errors.Is(err, errTaken) {
				failed = append(failed, fmt.Errorf("finish recording %d: %w", id, err))
			}
			after = id
		}
	}
}

func (s *Store) finish(ctx context.Context, id int64) error {
	stored := &reader{ctx: ctx, store: s, id: id, last: -1}
	lines, err := gzip.NewReader(stored)
	if errors.Is(err, io.EOF) {
		return s.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error { return tx.DeleteRecording(ctx, id) })
	}
	if err != nil {
		return err
	}
	sum := crc32.NewIEEE()
	bytes, err := io.Copy(sum, lines)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read what there is: %w", err)
	}
	// A last block, of nothing, and what gzip has after it.
	end := binary.LittleEndian.AppendUint32([]byte{1, 0, 0, 0xff, 0xff}, sum.Sum32())
	end = binary.LittleEndian.AppendUint32(end, uint32(bytes))
	return s.add(ctx, chunk{id: id, seq: stored.last + 1, data: end, size: stored.size + int64(len(end)), bytes: bytes, finished: true})
}

// reader reads a recording as it is stored, some chunks at a time.
type reader struct {
	ctx   context.Context //nolint:containedctx // a reader has no other way to it
	store *Store
	id    int64
	// last is the chunk that was opened last, and size what has been opened.
	last   int32
	size   int64
	chunks []db.ListRecordingChunksRow
	rest   vault.Secret
}

// chunksRead are held in memory at a time.
const chunksRead = 8

func (r *reader) Read(into []byte) (int, error) {
	if len(r.rest) == 0 && len(r.chunks) == 0 {
		var err error
		r.chunks, err = r.store.queries.ListRecordingChunks(r.ctx, db.ListRecordingChunksParams{AuditLogID: r.id, After: r.last, Most: chunksRead})
		if err != nil {
			return 0, err
		}
		if len(r.chunks) == 0 {
			return 0, io.EOF
		}
	}
	if len(r.rest) == 0 {
		next := r.chunks[0]
		if next.Seq != r.last+1 {
			return 0, fmt.Errorf("recording %d: chunk %d is missing", r.id, r.last+1)
		}
		opened, err := r.store.vault.Open(place, r.id, strconv.Itoa(int(next.Seq)), next.Data)
		if err != nil {
			return 0, err
		}
		r.rest, r.chunks, r.last, r.size = opened, r.chunks[1:], next.Seq, r.size+int64(len(opened))
	}
	n := copy(into, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
