package file

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/live"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/ws"
)

// What frames begin with.
const (
	opReady             = 0x00
	opListFiles         = 0x01
	opCreateFile        = 0x04
	opCreateFolder      = 0x05
	opDeleteFile        = 0x06
	opDeleteFolder      = 0x07
	opRenameFile        = 0x08
	opError             = 0x09
	opSearchDirectories = 0x0a
	opResolveSymlink    = 0x0b
	opMoveFiles         = 0x0c
	opCopyFiles         = 0x0d
	opChmod             = 0x0e
	opStat              = 0x0f
	opChecksum          = 0x10
	opFolderSize        = 0x11
	opPathSync          = 0x12
)

const (
	// maxWaiting is how many requests of a socket wait, and maxWaitingBytes how long they
	// are together.
	maxWaiting      = 100
	maxWaitingBytes = 4 << 20
	// maxListed bounds a list of files, in bytes.
	maxListed = 16 << 20
	// maxRequestID bounds what a client calls a request, in characters.
	maxRequestID = 64
)

const (
	mayNotBrowse = problem("You don't have permission to browse files on this server")
	mayNotModify = problem("You don't have permission to modify files on this server")
	tooMany      = problem("Too many requests")
	unknown      = problem("Unknown operation")
	badPath      = problem("Invalid path")
	badPaths     = problem("Invalid paths")
	badMode      = problem("Invalid path or mode")
	badAlgorithm = problem("Invalid path or algorithm")
)

// request is what a frame asks for. The members are those of all operations.
type request struct {
	RequestID   *string  `json:"requestId"`
	Path        *string  `json:"path"`
	NewPath     *string  `json:"newPath"`
	SearchPath  *string  `json:"searchPath"`
	Recursive   bool     `json:"recursive"`
	Sources     []string `json:"sources"`
	Destination *string  `json:"destination"`
	Mode        *int64   `json:"mode"`
	Algorithm   *string  `json:"algorithm"`

	op   byte
	size int64
}

// answer is the JSON of a frame; nil is a plain acknowledgement.
type answer map[string]any

// operation is what one kind of request does.
type operation struct {
	run func(*worker, context.Context, *request) (answer, error)
	// malformed is said of what cannot be read.
	malformed problem
	modifies  bool
	// slow ones do not hold up the others.
	slow bool
	// lists tells of those that hold what is in a folder until the client has it.
	lists bool
}

var operations = map[byte]operation{
	opListFiles:         {run: (*worker).listFiles, malformed: badPath, lists: true},
	opCreateFile:        {run: (*worker).createFile, malformed: badPath, modifies: true},
	opCreateFolder:      {run: (*worker).createFolder, malformed: badPath, modifies: true},
	opDeleteFile:        {run: (*worker).deleteFile, malformed: badPath, modifies: true},
	opDeleteFolder:      {run: (*worker).deleteFolder, malformed: badPath, modifies: true},
	opRenameFile:        {run: (*worker).renameFile, malformed: badPath, modifies: true},
	opSearchDirectories: {run: (*worker).searchDirectories, malformed: badPath, lists: true},
	opResolveSymlink:    {run: (*worker).resolveSymlink, malformed: badPath},
	opMoveFiles:         {run: (*worker).moveFiles, malformed: badPaths, modifies: true},
	opCopyFiles:         {run: (*worker).copyFiles, malformed: badPaths, modifies: true, slow: true},
	opChmod:             {run: (*worker).chmod, malformed: badMode, modifies: true},
	opStat:              {run: (*worker).stat, malformed: badPath},
	opChecksum:          {run: (*worker).checksum, malformed: badAlgorithm, slow: true},
	opFolderSize:        {run: (*worker).folderSize, malformed: badPath, slow: true},
	opPathSync:          {run: (*worker).syncPath, malformed: badPath},
}

// worker does what a socket asks for.
type worker struct {
	*Handlers
	socket *live.FileSocket
	host   *host

	waiting, waitingBytes atomic.Int64
}

// ServeSocket answers what a socket of a connection for files asks for.
func (h *Handlers) ServeSocket(ctx context.Context, conn *ws.Conn, who *caller.Caller, parameters ws.Parameters) {
	h.live.ServeFiles(ctx, conn, who, parameters, h.serve)
}

func (h *Handlers) serve(ctx context.Context, s *live.FileSocket) {
	w := &worker{Handlers: h, socket: s}
	err := h.need(ctx, s.Files, permission.FilesView)
	if err == nil {
		w.host, err = h.shared(ctx, s.Files)
	}
	switch {
	case ctx.Err() != nil: // the server stops, and the connection is about to say so
		return
	case errors.Is(err, errForbidden):
		s.Refuse(string(mayNotBrowse))
		return
	case err != nil:
		s.Fail(err)
		return
	}
	var start *string
	if s.StartPath != "" {
		start = &s.StartPath
	}
	w.reply(&request{op: opReady}, answer{
		"path": start, "capabilities": map[string]bool{"shell": true, "terminal": s.Protocol == "ssh"},
	})
	quick, slow := make(chan *request, maxWaiting), make(chan *request, maxWaiting)
	var working sync.WaitGroup
	for _, line := range []chan *request{quick, slow} {
		working.Go(func() { w.work(ctx, line) })
	}
	go w.watch(ctx)
	for {
		frame, err := s.Read()
		if err != nil {
			break
		}
		s.Use()
		w.take(frame, quick, slow)
	}
	close(quick)
	close(slow)
	working.Wait()
}

// watch closes the socket when the host does not serve files any more. When it serves
// nothing at all, the connection says so.
func (w *worker) watch(ctx context.Context) {
	select {
	case <-w.host.lost:
	case <-ctx.Done():
		return
	}
	select {
	case <-w.socket.Login.Done():
	case <-ctx.Done():
	case <-time.After(time.Second):
		w.socket.Lose()
	}
}

// take reads a frame and has it wait for its turn.
func (w *worker) take(frame []byte, quick, slow chan<- *request) {
	r := &request{size: int64(len(frame))}
	if len(frame) > 0 {
		r.op = frame[0]
	}
	o, known := operations[r.op]
	if !known {
		w.refuse(r, unknown)
		return
	}
	err := json.Unmarshal(frame[1:], r)
	if r.RequestID != nil && len([]rune(*r.RequestID)) > maxRequestID {
		r.RequestID = nil
		err = o.malformed
	}
	switch {
	case err != nil:
		w.refuse(r, o.malformed)
		return
	case w.waiting.Load() >= maxWaiting, w.waitingBytes.Load()+r.size > maxWaitingBytes:
		w.refuse(r, tooMany)
		return
	}
	w.waiting.Add(1)
	w.waitingBytes.Add(r.size)
	if o.slow {
		slow <- r
	} else {
		quick <- r
	}
}

// work answers requests in their order.
func (w *worker) work(ctx context.Context, line <-chan *request) {
	for r := range line {
		w.waiting.Add(-1)
		w.waitingBytes.Add(-r.size)
		if ctx.Err() != nil {
			continue
		}
		w.answer(ctx, r)
	}
}

func (w *worker) answer(ctx context.Context, r *request) {
	o := operations[r.op]
	if o.lists {
		leave, err := w.listings.Enter(ctx, w.socket.AccountID)
		if err != nil {
			return // as the socket has
		}
		defer leave()
	}
	result, err := w.run(ctx, o, r)
	switch {
	case err != nil && w.host.isLost(): // which is said elsewhere
	case err != nil:
		w.refuse(r, err)
	case r.op != opPathSync:
		w.reply(r, result)
	}
}

func (w *worker) run(ctx context.Context, o operation, r *request) (answer, error) {
	needed, refusal := permission.FilesView, mayNotBrowse
	if o.modifies {
		needed, refusal = permission.FilesModify, mayNotModify
	}
	err := w.need(ctx, w.socket.Files, needed)
	switch {
	case errors.Is(err, errForbidden):
		return nil, refusal
	case err != nil:
		return nil, w.broken(ctx, err)
	}
	return o.run(w, ctx, r)
}

// broken is what people are told of failures of this server.
func (w *worker) broken(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		w.log.ErrorContext(ctx, "answer a socket for files", "error", err)
	}
	return problem("Internal server error")
}

func (w *worker) refuse(r *request, err error) {
	failed := *r
	failed.op = opError
	w.reply(&failed, answer{"message": textOf(err)})
}

func (w *worker) reply(r *request, a answer) {
	if r.RequestID != nil {
		if a == nil {
			a = answer{}
		}
		a["requestId"] = *r.RequestID
	}
	w.socket.Send(encode(r.op, a))
}

func encode(op byte, a answer) []byte {
	if a == nil {
		return []byte{op}
	}
	// What is in it are texts, numbers and lists of them.
	text, _ := json.Marshal(a)
	return append([]byte{op}, text...)
}

// tell records what has been done, before it is acknowledged.
func (w *worker) tell(ctx context.Context, action event.Action, details event.Details) error {
	// Whoever has gone has done it all the same.
	if err := w.record(context.WithoutCancel(ctx), w.socket.Files, action, details); err != nil {
		return w.broken(ctx, err)
	}
	return nil
}
