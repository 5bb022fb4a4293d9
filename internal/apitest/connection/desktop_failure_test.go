package connection_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/guacamole"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

func TestDesktopsThatFail(t *testing.T) {
	t.Parallel()
	const lost = "Remote desktop connection lost"
	g := startGuacd(t, &guacd{})
	s := testserver.New(t, g.use)
	denied := s.Owner.On(denying(t, s, "169.254.0.0/16", g.use))
	without := s.Owner.On(testserver.Serve(t, s.Pool, s.Vault))
	away := s.Owner.On(testserver.Serve(t, s.Pool, s.Vault, func(o *server.Options) {
		o.Connections.Guacd.Address = fmt.Sprint("127.0.0.1:", testssh.Refusing(t))
	}))
	identity := newIdentity(s.Owner, "secret")
	hop := newEntry(s.Owner, 22, nil, identity)
	says := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			_, _ = io.WriteString(conn, text)
			hang(conn)
		}
	}
	for name, c := range map[string]struct {
		by   *testserver.Client
		play func(net.Conn)   // instead of guacd
		show func(*guacdLink) // after the handshake
		more object
		want string
	}{
		"no guacd":         {by: without, want: "Remote desktop is not configured on this server"},
		"guacd is away":    {by: away, want: "Remote desktop is not configured on this server"},
		"it hangs up":      {play: func(net.Conn) {}, want: lost},
		"garbage":          {play: says("HTTP/1.1 400 Bad Request\r\n\r\n"), want: lost},
		"endless lengths":  {play: says(strings.Repeat("9", 1<<20)), want: lost},
		"endless elements": {play: says(strings.Repeat("1.a,", 1<<20)), want: lost},
		"another order":    {play: says("5.ready,1.x;"), want: lost},
		"refused at once":  {play: says("5.error,13.10.0.0.99 ;,x,3.519;"), want: "Host unreachable"},
		"a wrong password": {show: func(l *guacdLink) { l.say("error", "Aborted. error,1.2;", "769"); l.listen() }, want: "Authentication failed"},
		"a login missing":  {show: func(l *guacdLink) { l.say("required", "username"); l.listen() }, want: "Authentication failed"},
		"lost":             {show: func(l *guacdLink) { l.say("nop") }, want: lost},
		"garbage later":    {show: func(l *guacdLink) { _, _ = io.WriteString(l, "4.sync,1.1;xx"); l.listen() }, want: lost},
		"denied":           {by: denied, more: object{"ip": "0xA9.0xFE.43518"}, want: "Target address is not allowed"},
		"nobody's name":    {more: object{"ip": "host.invalid"}, want: "Host name not found"},
		"a hop":            {more: object{"jumpHosts": []int64{hop}}, want: "Jump hosts are not supported for remote desktop"},
		"no address":       {more: object{"ip": nil}, want: "Missing host configuration"},
		"a demo":           {more: object{"protocol": "demo"}, want: "Unsupported protocol: demo"},
	} {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // guacd plays one part at a time
			g.mu.Lock()
			g.instead, g.show = c.play, c.show
			g.mu.Unlock()
			by := c.by
			if by == nil {
				by = s.Owner
			}
			id := open(by, desktopEntry(s.Owner, c.more, identity), nil)
			w := look(t, by, "sessionId", id)
			w.closed(4017, c.want)
			require.Equal(t, "failed: "+c.want, state(t, s, id))
			look(t, by, "sessionId", id).closed(4017, c.want)
		})
	}

	// Nobody's passwords are guessed through guacd; two were wrong above.
	g.mu.Lock()
	g.instead, g.show = nil, func(l *guacdLink) { l.say("error", "Aborted. error,1.2;", "769"); l.listen() }
	g.mu.Unlock()
	for n := 3; n <= 11; n++ {
		want := "Authentication failed"
		if n > 10 {
			want = "Too many failed logins, try again in a minute"
		}
		look(t, s.Owner, "sessionId", open(s.Owner, desktopEntry(s.Owner, nil, identity), nil)).closed(4017, want)
	}
}

// What guacd says at the end reaches those who look, and then the reason does.
func TestDesktopErrorsAreShown(t *testing.T) {
	t.Parallel()
	ends := make(chan []string)
	g := startGuacd(t, &guacd{show: func(l *guacdLink) {
		l.say("sync", "1")
		listened := make(chan struct{})
		go func() {
			defer close(listened)
			l.listen()
		}()
		if l.selected != desktopID {
			l.say(<-ends...)
			<-ends
		}
		<-listened
	}})
	s := testserver.New(t, g.use)
	entry := desktopEntry(s.Owner, nil, newIdentity(s.Owner, "secret"))
	for _, c := range []struct {
		end    []string
		code   websocket.StatusCode
		reason string
	}{
		{[]string{"error", "error,1.2; ü", "519"}, 4017, "Remote desktop connection lost"},
		{[]string{"error", "in use", "521"}, 4017, "The desktop is in use elsewhere"},
		{[]string{"disconnect"}, 1000, ""},
	} {
		w := look(t, s.Owner, "sessionId", open(s.Owner, entry, nil))
		w.greeted()
		w.see("4.sync,1.1;")
		ends <- c.end
		w.closed(c.code, c.reason)
		require.Equal(t, c.end[0] == "error", strings.HasSuffix(w.seen, string(guacamole.New(c.end...))), "%q", w.seen)
		ends <- nil
	}
}

// Whoever opens a window while guacd is silent is answered all the same; a flood waits
// for its reader.
func TestGuacdThatIsSilentOrFloods(t *testing.T) {
	t.Parallel()
	g := startGuacd(t, &guacd{instead: hang})
	s := testserver.New(t, g.use)
	entry := desktopEntry(s.Owner, nil, newIdentity(s.Owner, "secret"))
	id := open(s.Owner, entry, nil)
	w := look(t, s.Owner, "sessionId", id)
	w.greeted()
	w.does("", "ping", "1")
	w.see("0.,4.ping,1.1;")
	s.Owner.Delete("/api/connections/" + id).Want(200)
	w.closed(1000, "")
	require.Eventually(t, func() bool { return g.host.Open() == 0 }, patience, pause)

	g.mu.Lock()
	g.instead = nil
	g.show = func(l *guacdLink) {
		if l.selected != desktopID {
			l.listen()
			return
		}
		blob := guacamole.New("blob", "0", strings.Repeat("A", 8000))
		for range 5000 { // 40 MB
			if _, err := l.Write(blob); err != nil {
				return
			}
		}
		l.say("end", "0")
		l.listen()
	}
	g.mu.Unlock()
	id = open(s.Owner, entry, nil)
	w = look(t, s.Owner, "sessionId", id)
	total := 0
	for seen := ""; !strings.HasSuffix(seen, "3.end,1.0;"); {
		frame, err := w.next()
		require.NoError(t, err)
		total += len(frame)
		require.LessOrEqual(t, len(frame), 64<<10)
		_, rest, err := guacamole.Cut([]byte(frame))
		require.NoError(t, err)
		require.NotNil(t, rest, "frames are whole instructions")
		seen = frame
	}
	require.Greater(t, total, 40_000_000)
	// One that does not read costs no memory, and the others nothing.
	look(t, s.Owner, "sessionId", id)
	var share struct{ ShareID string }
	s.Owner.Post("/api/connections/"+id+"/share", nil).Want(200).Into(&share)
	guest := look(t, s.Anonymous, "shareId", share.ShareID)
	g.link(t, 3)
	w.does("", "ping", "2")
	w.see("0.,4.ping,1.2;")
	require.Eventually(t, func() bool { return strings.Contains(s.Log.String(), `"openDesktopSocket","status":101,"account":0,`) }, patience, pause)
	for err := error(nil); err == nil; {
		_, err = guest.next()
	}
	s.Owner.Delete("/api/connections/" + id).Want(200)
	w.closed(1000, "")
	require.Eventually(t, func() bool { return g.host.Open() == 0 }, patience, pause)
}
