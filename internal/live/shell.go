package live

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/nexterm-go/nexterm/internal/login"
	"github.com/nexterm-go/nexterm/internal/screen"
	"github.com/nexterm-go/nexterm/internal/ssh"
)

// shell is what a terminal shows. Exit waits for its end; not ok means that the host
// has not said that there is one.
type shell interface {
	io.ReadWriteCloser
	Resize(size ssh.Size) error
	Exit() (status int, ok bool)
}

// open goes on with a channel to the host, and the shell that is on it or stands alone.
func (l *live) open(channel *login.Channel, shell shell, keys screen.Keys) {
	l.channel, l.shell, l.keys = channel, shell, keys
	close(l.made)
	l.use()
	l.registry.connected(l)
	if shell == nil {
		go l.watch(channel)
		return
	}
	go l.pump(shell)
	go l.feed(shell)
	if l.StartPath != "" && channel != nil { // where no shell is logged in, this would be a name
		if line, possible := screen.ChangeDirectory(l.StartPath); possible {
			l.input = append([]byte(line), l.input...)
		}
	}
}

// watch waits for the end of a login on which there is no terminal.
func (l *live) watch(channel *login.Channel) {
	select {
	case <-channel.Done():
		l.post(func() { l.fail(connectionLost) })
	case <-l.ended:
	}
}

// pump reads what the host says until its end.
func (l *live) pump(shell shell) {
	var output screen.Output
	buffer := make([]byte, chunk)
	say := func(text []byte) {
		if len(text) == 0 {
			return
		}
		select {
		case l.output <- text:
		case <-l.ctx.Done():
		}
	}
	for l.ctx.Err() == nil {
		n, err := shell.Read(buffer)
		say(output.Next(slices.Clone(buffer[:n])))
		if err != nil {
			break
		}
	}
	say(output.Last())
	lost := l.isLost(shell)
	l.post(func() {
		switch {
		case lost:
			l.fail(connectionLost)
		case l.script != nil && !l.script.Started():
			l.fail(notStarted)
		}
		l.end(terminated(false))
	})
}

// isLost tells the end of the connection from that of the shell, of which some hosts
// say nothing.
func (l *live) isLost(shell shell) bool {
	ctx, cancel := context.WithTimeout(l.ctx, exitTime)
	defer cancel()
	exited := make(chan bool, 1)
	go func() {
		_, said := shell.Exit()
		exited <- said
	}()
	select {
	case said := <-exited:
		if said {
			return false
		}
	case <-ctx.Done():
		return false
	}
	if l.channel == nil {
		return true
	}
	select {
	case <-l.channel.Done():
		return true
	case <-ctx.Done():
		return false
	}
}

// feed writes what viewers type, and tells the host the size of the terminal: before what
// was typed after it, and also while the host reads nothing.
func (l *live) feed(shell shell) {
	writes, written := make(chan []byte), make(chan struct{}, 1)
	defer close(writes)
	go func() {
		for text := range writes {
			if _, err := shell.Write(text); err != nil {
				return // a lost connection shows elsewhere
			}
			written <- struct{}{}
		}
	}()
	typed := l.toHost
	for {
		select {
		case size := <-l.resizes:
			_ = shell.Resize(size)
		case text := <-typed:
			select {
			case size := <-l.resizes:
				_ = shell.Resize(size)
			default:
			}
			typed = nil
			writes <- text
		case <-written:
			typed = l.toHost
		case <-l.ctx.Done():
			return
		}
	}
}

// resize takes the size of a viewer's terminal. Clients say it over and over.
func (l *live) resize(v *viewer, size ssh.Size) {
	first := !v.sized
	v.sized = true
	if size == (ssh.Size{}) || !v.mayWrite() || v != l.active && (!first || v.kind != kindOwner) {
		return
	}
	switch {
	case size != l.size:
		l.size = size
		l.recorder.Resize(size)
		l.tell(size)
	case first && l.shell != nil:
		l.tell(ssh.Size{Columns: size.Columns, Rows: max(1, size.Rows-1)})
		time.AfterFunc(redrawTime, func() { l.post(func() { l.tell(l.size) }) })
	}
}

// tell replaces what the host has not been told yet.
func (l *live) tell(size ssh.Size) {
	select {
	case <-l.resizes:
	default:
	}
	l.resizes <- size
}
