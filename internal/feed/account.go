package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"time"

	"github.com/goccy/go-json"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
)

const (
	// debounce collects the changes of a burst; an account's lists are computed
	// at most once in this time.
	debounce = 100 * time.Millisecond
	// computeTimeout bounds the work for one account.
	computeTimeout = 10 * time.Second
	// maxWorkers bounds the database connections that the feed takes from requests.
	maxWorkers = 4
	// batchSize bounds the accounts that share one query for who they are.
	batchSize = 32
	// mostBytes is how long a list that comes in pages may be, as it is held.
	mostBytes = 32 << 20
)

type phase int

const (
	// idle has nothing to do, waiting will be computed, computing is at it.
	idle phase = iota
	waiting
	computing
)

// account is one whose sockets are open here. All of it is under the hub's lock.
type account struct {
	id      int64
	sockets []*socket
	// dirty are the topics that every socket is to get anew.
	dirty    topicSet
	phase    phase
	computed time.Time
	// retry is the pause after the last round, 0 if nothing failed in it.
	retry time.Duration
}

// job is an account's next round: what its sockets get. There
// is never more than one round of an account at a time, so that an older list
// cannot overtake a newer one.
type job struct {
	account *account
	topics  topicSet
	targets []target
}

type target struct {
	socket *socket
	topics topicSet
}

// mark makes topics out of date for all sockets of an account, if it has any;
// the caller holds the lock.
func (h *Hub) mark(a *account, topics topicSet) {
	if a == nil || topics == 0 {
		return
	}
	a.dirty |= topics
	h.schedule(a, debounce)
}

// schedule plans the account's next round, unless it is planned already; the
// caller holds the lock.
func (h *Hub) schedule(a *account, delay time.Duration) {
	if a.phase != idle {
		return
	}
	a.phase = waiting
	time.AfterFunc(max(delay, debounce-time.Since(a.computed)), func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(a.sockets) == 0 {
			a.phase = idle
			return
		}
		h.ready = append(h.ready, a)
		if h.workers < maxWorkers {
			h.workers++
			go h.work()
		}
	})
}

func (h *Hub) work() {
	for jobs := h.take(); len(jobs) > 0; jobs = h.take() {
		h.compute(jobs)
	}
}

// take begins the next rounds, leaving some for other workers; none when all is
// done and the worker ends.
func (h *Hub) take() []job {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ready) == 0 {
		h.ready = nil
		h.workers--
		return nil
	}
	count := min(batchSize, (len(h.ready)+maxWorkers-1)/maxWorkers)
	jobs := make([]job, count)
	for i, a := range h.ready[:count] {
		a.phase = computing
		jobs[i] = job{account: a, topics: a.dirty}
		for _, s := range a.sockets {
			if wanted := a.dirty | s.wanted; wanted != 0 {
				jobs[i].topics |= wanted
				jobs[i].targets = append(jobs[i].targets, target{s, wanted})
			}
			s.wanted = 0
		}
		a.dirty = 0
	}
	h.ready = h.ready[count:]
	return jobs
}

// compute reads who the accounts are by now, so that a right or a membership
// that is gone shows, and sends to each what it can see.
func (h *Hub) compute(jobs []job) {
	var accounts, sessions []int64
	for _, j := range jobs {
		accounts = append(accounts, j.account.id)
		for _, t := range j.targets {
			sessions = append(sessions, t.socket.session)
		}
	}
	// A session may have many sockets.
	slices.Sort(sessions)
	sessions = slices.Compact(sessions)
	ctx, cancel := context.WithTimeout(context.Background(), computeTimeout)
	defer cancel()
	callers, held, err := caller.FindByAccount(ctx, h.queries, accounts, sessions, h.options.SessionIdleDays)
	if err != nil {
		h.options.Log.WarnContext(ctx, "find the accounts of state sockets", "error", err)
	}
	for _, j := range jobs {
		failed := j.topics
		if err == nil {
			failed = h.send(j, callers[j.account.id], held)
		}
		h.done(j, failed)
	}
}

// send computes the lists of one account and hands them to its sockets; it
// returns the topics that failed. A socket whose session or account is gone is
// logged out.
func (h *Hub) send(j job, c *caller.Caller, held map[int64]bool) (failed topicSet) {
	alive := j.targets[:0]
	for _, t := range j.targets {
		if c == nil || !held[t.socket.session] {
			t.socket.end(loggedOut)
			continue
		}
		alive = append(alive, t)
	}
	if len(alive) == 0 {
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), computeTimeout)
	defer cancel()
	ctx = caller.With(ctx, c)
	for number, topic := range topics {
		if !j.topics.has(number) {
			continue
		}
		wanted := slices.DeleteFunc(slices.Clone(alive), func(t target) bool { return !t.topics.has(number) })
		frames, err := h.frames(ctx, topic, wanted)
		if errors.Is(err, fail.ErrTooLong) { // and stays so for now
			h.options.Log.WarnContext(ctx, "a list is too long to be sent", "topic", topic, "account", c.AccountID)
			continue
		}
		if err != nil {
			h.options.Log.WarnContext(ctx, "compute a list", "topic", topic, "account", c.AccountID, "error", err)
			failed |= 1 << number
			continue
		}
		for i, t := range wanted {
			t.socket.push(string(topic), frames[i])
		}
	}
	return failed
}

// frames are the messages with the list of the caller in the context, one for each
// socket.
func (h *Hub) frames(ctx context.Context, topic event.List, targets []target) (frames [][]byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	data := any([]struct{}{})
	if list := h.options.Lists[topic]; list != nil {
		if data, err = list(ctx); err != nil {
			return nil, err
		}
	}
	if pages, paged := data.(interface{ Next() (any, error) }); paged {
		if data, err = gather(pages.Next, cmp.Or(h.options.ListBytes, mostBytes)); err != nil {
			return nil, err
		}
	}
	tabs, differs := data.(PerTab)
	made := map[place][]byte{}
	for _, t := range targets {
		var at place
		if differs {
			at = t.socket.place
			data = tabs.For(at.tab, at.browser)
		}
		if made[at] == nil {
			made[at], err = json.Marshal(struct {
				Type event.List `json:"type"`
				Data any        `json:"data"`
			}{topic, data})
			if err != nil {
				return nil, err
			}
		}
		frames = append(frames, made[at])
	}
	return frames, nil
}

// gather makes one list of pages, the last of which is empty, if it is not too long.
func gather(next func() (any, error), most int) (json.RawMessage, error) {
	list := []byte{'['}
	for {
		page, err := next()
		if err != nil {
			return nil, err
		}
		if reflect.ValueOf(page).Len() == 0 {
			return append(list, ']'), nil
		}
		text, err := json.Marshal(page)
		if err != nil {
			return nil, err
		}
		if len(list) > 1 {
			list = append(list, ',')
		}
		list = append(list, text[1:len(text)-1]...)
		if len(list) > most {
			return nil, fail.ErrTooLong
		}
	}
}

// done ends an account's round and plans the next one if something is left:
// what has changed meanwhile, and what has failed.
func (h *Hub) done(j job, failed topicSet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := j.account
	a.phase, a.computed = idle, time.Now()
	if failed == 0 {
		a.retry = 0
	}
	left := a.dirty
	for _, t := range j.targets {
		t.socket.wanted |= t.topics & failed
	}
	for _, s := range a.sockets {
		left |= s.wanted
	}
	switch {
	case failed != 0:
		a.retry = longer(a.retry)
		h.schedule(a, a.retry)
	case left != 0:
		h.schedule(a, debounce)
	}
}
