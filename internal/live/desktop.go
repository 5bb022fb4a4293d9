package live

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/guacamole"
	"github.com/nexterm-go/nexterm/internal/ws"
)

// window is a viewer's place at a desktop.
type window struct {
	// link is its own to guacd, once there is one.
	link *guacamole.Link
	// screen is the only one that it shows, -1 for whichever.
	screen int
	// size is the last that it has told.
	size guacamole.Instruction
	// wake tells that the viewer has caught up, and gone is closed when it goes.
	wake, gone chan struct{}
}

// newWindow is a place for a client that shows a screen, or all of them.
func newWindow(monitor string) *window {
	w := &window{screen: -1, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	if screen, err := strconv.Atoi(monitor); err == nil {
		w.screen = screen
	}
	return w
}

func (w *window) close() {
	close(w.gone)
	if w.link != nil {
		go w.link.Close() // guacd may keep the goodbye waiting
	}
}

// ServeDesktop shows a desktop in a socket until that is closed.
func (r *Registry) ServeDesktop(ctx context.Context, conn *ws.Conn, who *caller.Caller, parameters ws.Parameters) {
	r.serve(ctx, conn, who, parameters, "guac", "/api/ws/guac")
}

// desktop is what guacd has connected to.
type desktop struct {
	// link is the first one, by which viewers get theirs.
	link *guacamole.Link
	// audio tells that sound is wanted.
	audio bool
	// refused has to be called when the host has not let guacd in.
	refused func()
}

// dialDesktop has guacd make the connection, and keeps the first link to it, or says why not.
func (r *Registry) dialDesktop(l *live) {
	d, err := r.desktop(l)
	opened := l.post(func() {
		if err != nil {
			l.fail(err)
			return
		}
		l.desktop = d
		l.use()
		r.connected(l)
		go l.watchDesktop(d)
		for _, v := range l.viewers {
			go l.join(v, d)
		}
	})
	if !opened && err == nil {
		d.link.Close()
	}
}

func (r *Registry) desktop(l *live) (*desktop, error) {
	leave, err := r.dials.Enter(l.ctx, l.AccountID)
	if err != nil {
		return nil, err
	}
	defer leave()
	if r.Guacd.Address == "" || l.Protocol != "rdp" && l.Protocol != "vnc" {
		return nil, speaks(l.Protocol)
	}
	_, to, err := r.target(l.ctx, l.Opening, l.IdentityID)
	switch {
	case err != nil:
		return nil, err
	case len(to.Way) > 1:
		return nil, failure("Jump hosts are not supported for remote desktop")
	}
	host := to.Way[0]
	if l.Direct != nil {
		host.Username, host.Password = l.Direct.Username, l.Direct.Password
	}
	// guacd dials, and knows of no addresses that it must not.
	address, refused, err := r.Dialer.Resolve(l.ctx, host)
	if err != nil {
		return nil, err
	}
	config, err := r.Queries.GetDesktopConfig(l.ctx, l.EntryID)
	if err != nil {
		return nil, err
	}
	parameters, audio, err := guacamole.Desktop{
		Protocol: l.Protocol, Host: address, Port: host.Port, Username: host.Username, Password: string(host.Password),
		Config: config, IgnoreCertificate: !r.Guacd.CheckCertificates,
	}.Parameters()
	if err != nil {
		return nil, err
	}
	link, err := r.Guacd.Open(l.ctx, l.Protocol, audio, parameters)
	if errors.Is(err, guacamole.ErrUnreachable) && l.ctx.Err() == nil {
		r.Log.WarnContext(l.ctx, "reach guacd", "error", err)
	}
	if isRefusal(err) {
		refused()
	}
	if err != nil {
		return nil, err
	}
	return &desktop{link, audio, refused}, nil
}

// watchDesktop reads the first link, which shows nothing to anybody but keeps the desktop
// while nobody looks, until its end.
func (l *live) watchDesktop(d *desktop) {
	used, shown := time.Now(), false
	for {
		next, err := d.link.Next()
		if err != nil {
			l.post(func() { l.fail(desktopLost) })
			return
		}
		switch next.Opcode() {
		case "sync":
			shown = true
			_ = d.link.Send(next) // the next read tells of what is lost
		case "nop":
		case "disconnect":
			l.post(func() { l.end(terminated(false)) })
			return
		case "required": // guacd wants a better login, and would wait for it
			d.refused()
			l.post(func() { l.fail(notLetIn) })
			return
		case "error":
			var why error = guacamole.ErrorOf(next)
			if isRefusal(why) {
				d.refused()
			} else if shown && isUnreached(why) {
				why = desktopLost // for guacd it is the same
			}
			l.post(func() {
				for _, v := range l.viewers {
					v.push(next)
				}
				l.fail(why)
			})
			return
		default:
			if time.Since(used) > time.Second {
				used = time.Now()
				l.post(l.use)
			}
		}
	}
}

// greet begins to show a desktop to a viewer.
func (l *live) greet(v *viewer) {
	v.push(guacamole.New("", v.id.String()))
	if l.desktop != nil {
		go l.join(v, l.desktop)
	}
}

// join takes a link of a viewer's own and shows what comes of it.
func (l *live) join(v *viewer, d *desktop) {
	link, err := l.registry.Guacd.Open(l.ctx, d.link.ID, d.audio, nil)
	if err != nil {
		if l.ctx.Err() == nil { // else it is told why
			v.end(unavailable)
		}
		return
	}
	if !l.post(func() {
		if !slices.Contains(l.viewers, v) {
			go link.Close()
			return
		}
		v.window.link = link
		if size := v.window.size; size != nil && l.counts(v) {
			go func() { _ = link.Send(size) }() // the next read tells of what is lost
		}
	}) {
		link.Close()
		return
	}
	l.display(v, link)
}

// display passes on what guacd shows a viewer.
func (l *live) display(v *viewer, link *guacamole.Link) {
	defer link.Close()
	var last guacamole.Instruction
	for last == nil {
		next, err := link.Next()
		if err != nil {
			break
		}
		switch next.Opcode() {
		case "error", "disconnect":
			last = next
			continue
		}
		v.push(next)
		for v.slowsDown() {
			select {
			case <-v.window.wake:
			case <-v.window.gone:
				return
			}
		}
	}
	// What ends the desktop is said of its first link.
	select {
	case <-v.window.gone:
	case <-time.After(exitTime):
		l.post(func() {
			v.push(last)
			v.end(farewell{connectionFailed, string(desktopLost)})
		})
	}
}

// act takes what a viewer does at a desktop. The viewer goes on when taken is closed.
func (l *live) act(v *viewer, frame []byte, taken chan struct{}) {
	var passed []byte
	for len(frame) > 0 {
		next, rest, err := guacamole.Cut(frame)
		if err != nil || next == nil {
			v.end(farewell{ws.PolicyViolation, "Not an instruction"})
			break
		}
		passed = append(passed, l.passes(v, next)...)
		frame = rest
	}
	link := v.window.link
	if link == nil || len(passed) == 0 {
		close(taken)
		return
	}
	go func() {
		defer close(taken)
		if link.Send(passed) != nil {
			link.Close()
		}
	}()
}

// passes is what guacd is told of an instruction of a viewer's.
func (l *live) passes(v *viewer, i guacamole.Instruction) []byte {
	said := i.Elements()
	switch name := said[0]; {
	case name == "":
		if len(said) > 1 && said[1] == "ping" && !v.behind() {
			v.push(slices.Clone(i)) // it asks whether this server is there
		}
		return nil
	case name == "sync", name == "nop", name == "ack":
		return i
	case !v.mayWrite(), name == "disconnect": // the end of the socket is enough
		return nil
	case name == "size":
		return l.sized(v, i, said)
	case name == "key", name == "mouse" && len(said) > 3 && said[3] != "0":
		l.types(v)
		if l.active != v {
			l.active = v
			i = append(slices.Clone(v.window.size), i...)
		}
	}
	l.use()
	return i
}

// sized takes the size of a viewer's window. That of the active one counts, and that of a
// window which alone shows a screen.
func (l *live) sized(v *viewer, i guacamole.Instruction, said []string) []byte {
	screen := 0
	if len(said) > 3 {
		screen, _ = strconv.Atoi(said[3]) // else it is the first
	}
	own := v.window.screen
	switch {
	case own >= 0 && own != screen,
		own < 0 && slices.ContainsFunc(l.viewers, func(other *viewer) bool { return other.window.screen == screen }):
		return nil
	case own < 0 && screen > 0:
		l.active = v
		return i
	}
	v.window.size = slices.Clone(i)
	if !l.counts(v) {
		return nil
	}
	return i
}

// counts reports whether the size of a viewer's window is the desktop's.
func (l *live) counts(v *viewer) bool {
	return v.mayWrite() && (l.active == v || v.window.screen >= 0)
}
