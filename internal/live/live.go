package live

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/nexterm-go/nexterm/internal/login"
	"github.com/nexterm-go/nexterm/internal/recording"
	"github.com/nexterm-go/nexterm/internal/screen"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	// maxUnread is how much of what viewers type may wait for the host, in bytes.
	maxUnread = 1 << 20
	// maxViewers is how many sockets a connection has.
	maxViewers = 32
	// redrawTime is between the two sizes that make full-screen programs draw again.
	redrawTime = 50 * time.Millisecond
	// chunk is how much is read from a host at a time, and the most of a frame.
	chunk = 32 << 10
	// exitTime is how long a host that has nothing more to say has to say why.
	exitTime = 2 * time.Second
)

// Opening is a connection that is to be made.
type Opening struct {
	ID                             uuid.UUID
	AccountID, SessionID, APIKeyID int64
	EntryID                        int64
	IdentityID                     *int64
	Direct                         *Direct
	Script                         *Script
	Kind, Protocol, StartPath      string
}

// Direct is a login that the request has brought along.
type Direct struct {
	Username                         string
	Password, PrivateKey, Passphrase vault.Secret
}

// live is one connection. Its goroutine owns all that is below inbox; others have it
// run functions.
type live struct {
	Opening
	registry *Registry
	ctx      context.Context
	cancel   context.CancelFunc
	// made is closed when there is a channel to the host, and ended when nothing more happens.
	made, ended chan struct{}
	inbox       chan func()
	// wake tells that a viewer, or the recorder, has caught up.
	wake chan struct{}

	viewers []*viewer
	// active is the viewer that has attached or typed last.
	active  *viewer
	channel *login.Channel
	shell   shell
	// sftp is opened along with a connection for files, until somebody takes it.
	sftp atomic.Pointer[ssh.Session]
	// script is what the shell runs, if that is what the connection is for.
	script  *script
	keys    screen.Keys
	desktop *desktop
	size    ssh.Size
	resizes chan ssh.Size
	// output is what the host says; nothing is taken from it while a viewer is behind.
	output chan []byte
	replay screen.Replay
	// recorder is nil where nothing is recorded.
	recorder *recording.Recorder
	// input waits for the host, and full are the viewers who wait for that.
	input  []byte
	toHost chan []byte
	full   []chan struct{}
	dialogue

	// stirring tells that the others are about to be told of viewers.
	stirring bool

	used       time.Time
	touched    bool
	hibernated bool
	ending     *ending
}

// ending is how a connection ends: what the owner's sockets are told, those of others,
// and the failure, if it is one.
type ending struct {
	owner, others farewell
	failure       failure
	// isStored is an end that is in the database already.
	isStored bool
}

func newLive(r *Registry, o Opening) *live {
	l := &live{
		Opening: o, registry: r, made: make(chan struct{}), ended: make(chan struct{}), inbox: make(chan func()), wake: make(chan struct{}, 1),
		resizes: make(chan ssh.Size, 1), output: make(chan []byte), toHost: make(chan []byte), used: time.Now(),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// post has the connection's goroutine run a function. It reports whether it will.
func (l *live) post(f func()) bool {
	select {
	case l.inbox <- f:
		return true
	case <-l.ended:
		return false
	}
}

// await is post for whoever needs what comes of it: it returns when the function has run.
func (l *live) await(f func()) bool {
	done := make(chan struct{})
	if !l.post(func() { f(); close(done) }) {
		return false
	}
	<-done
	return true
}

func (l *live) run() {
	idle := time.NewTicker(min(time.Minute, l.registry.IdleTime, l.registry.HibernatedTime))
	defer idle.Stop()
	for l.ending == nil {
		output, toHost := l.output, l.toHost
		if l.recorder.Behind() || slices.ContainsFunc(l.viewers, (*viewer).slowsDown) {
			output = nil
		}
		next := l.input[:min(len(l.input), chunk)]
		if len(next) == 0 || l.shell == nil {
			toHost = nil
		}
		select {
		case f := <-l.inbox:
			f()
		case text := <-output:
			l.hear(text)
		case toHost <- next:
			l.input = l.input[len(next):]
			l.goOn()
		case <-l.wake:
		case <-idle.C:
			l.expire()
		}
	}
	l.finish()
}

// rouse tells that somebody has caught up.
func (l *live) rouse() {
	select {
	case l.wake <- struct{}{}:
	default: // it is awake
	}
}

// goOn lets viewers type on when the host has read enough.
func (l *live) goOn() {
	if len(l.input) >= maxUnread {
		return
	}
	for _, waiting := range l.full {
		close(waiting)
	}
	l.full = nil
}

func (l *live) show(text []byte) {
	l.use()
	l.replay.Add(text)
	l.recorder.Show(text)
	for _, v := range l.viewers {
		v.push(text)
	}
}

func (l *live) use() { l.used, l.touched = time.Now(), true }

// end ends the connection, once.
func (l *live) end(e ending) {
	if l.ending == nil {
		l.ending = &e
	}
}

func (l *live) fail(err error) {
	f := failureOf(err)
	told := farewell{connectionFailed, string(f)}
	l.end(ending{owner: told, others: told, failure: f})
}

// finish runs when the goroutine has stopped: what has become of the connection is
// stored before anybody hears of it, so that whoever comes back finds it.
func (l *live) finish() {
	l.cancel()
	if l.script != nil {
		l.loseScript()
	}
	l.recorder.End()
	if l.question != nil {
		l.question.answer <- reply{err: cancelled}
	}
	go l.hangUp(l.channel, l.shell) // the host may keep the goodbye waiting
	if l.desktop != nil {
		go l.desktop.link.Close()
	}
	l.registry.store(l)
	if l.Kind == "guac" && l.ending.owner.code == normal {
		l.ending.owner.reason = "" // clients of desktops take a reason for a failure
	}
	for _, v := range l.viewers {
		if v.window != nil {
			v.window.close()
		}
		if v.kind == kindOwner {
			v.end(l.ending.owner)
		} else {
			v.end(l.ending.others)
		}
	}
	close(l.ended)
	l.registry.remove(l, len(l.viewers) > 0)
}

// hangUp closes what there is of a connection to a host.
func (l *live) hangUp(channel *login.Channel, shell shell) {
	if session := l.sftp.Swap(nil); session != nil {
		_ = session.Close()
	}
	if shell != nil {
		_ = shell.Close() // the host may be faster
	}
	if channel != nil {
		channel.Close()
	}
}

// expire ends what nobody has used for long.
func (l *live) expire() {
	idle := l.registry.IdleTime
	if l.hibernated {
		idle = l.registry.HibernatedTime
	}
	if time.Since(l.used) > idle {
		l.end(terminated(false))
	}
}

// receive takes a frame of a viewer's. The viewer goes on when taken is closed.
func (l *live) receive(v *viewer, frame []byte, taken chan struct{}) {
	if v.window != nil {
		l.act(v, frame, taken)
		return
	}
	defer func() {
		if len(l.input) >= maxUnread {
			l.full = append(l.full, taken)
			return
		}
		close(taken)
	}()
	if size, is := screen.Resize(frame); is {
		l.resize(v, size)
		return
	}
	if !v.mayWrite() || len(frame) == 0 {
		return
	}
	l.use()
	l.active = v
	l.types(v)
	if !l.answered(v, frame) && !l.scriptTakes(frame) {
		l.input = append(l.input, l.keys.Translate(frame)...)
	}
}

// terminated is the ordinary end.
func terminated(isStored bool) ending {
	return ending{owner: farewell{normal, "Session terminated"}, others: farewell{sharingEnded, "Session terminated"}, isStored: isStored}
}
