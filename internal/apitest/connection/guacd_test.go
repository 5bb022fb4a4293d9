package connection_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/guacamole"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

const pause = 5 * time.Millisecond

// guacd plays the daemon, strictly: what is not in its protocol fails the test.
type guacd struct {
	t *testing.T
	// args are the parameters that it knows, the version first.
	args []string
	// show plays what comes after ready; without it, a link says its name and echoes.
	show func(*guacdLink)
	// instead plays all of it.
	instead func(net.Conn)

	host *testssh.Server
	mu   sync.Mutex
	// links are those that were made, in order.
	links []*guacdLink
}

// guacdLink is one place at guacd.
type guacdLink struct {
	net.Conn
	reader *bufio.Reader
	// selected is what was asked for, and told the instructions of the handshake by name.
	selected string
	told     map[string][]string
	mu       sync.Mutex
	heard    []string
}

// desktopID is what guacd calls its connection.
const desktopID = "$0f5c-\U0001F5A5"

func startGuacd(t *testing.T, g *guacd) *guacd {
	t.Helper()
	g.t = t
	if g.args == nil {
		g.args = []string{"VERSION_1_5_0", "hostname", "port", "username", "password"}
	}
	g.host = testssh.Start(t, &testssh.Server{Play: g.play})
	return g
}

// use has a server use it.
func (g *guacd) use(o *server.Options) {
	o.Connections.Guacd.Address = "127.0.0.1:" + strconv.Itoa(g.host.Port())
}

// read reads an instruction: lengths are characters, and nothing is guessed.
func (l *guacdLink) read() ([]string, error) {
	var elements []string
	for {
		length, err := l.reader.ReadString('.')
		if err != nil {
			return nil, err
		}
		count, err := strconv.Atoi(strings.TrimSuffix(length, "."))
		if err != nil {
			return nil, fmt.Errorf("no length: %q", length)
		}
		value := ""
		for range count {
			r, size, err := l.reader.ReadRune()
			if err != nil || r == '\uFFFD' && size == 1 {
				return nil, fmt.Errorf("no character: %w", err)
			}
			value += string(r)
		}
		elements = append(elements, value)
		switch end, err := l.reader.ReadByte(); {
		case err != nil:
			return nil, err
		case end == ';':
			return elements, nil
		case end != ',':
			return nil, fmt.Errorf("%q ends with %q", value, end)
		}
	}
}

func (l *guacdLink) say(elements ...string) { _, _ = l.Write(guacamole.New(elements...)) }

func (g *guacd) play(conn net.Conn) {
	g.mu.Lock()
	instead, show := g.instead, g.show
	g.mu.Unlock()
	if instead != nil {
		instead(conn)
		return
	}
	l := &guacdLink{Conn: conn, reader: bufio.NewReader(conn), told: map[string][]string{}}
	fail := func(format string, more ...any) { g.t.Errorf("guacd: "+format, more...) }
	first, err := l.read()
	if err != nil {
		return // it was hurried away
	}
	if len(first) != 2 || first[0] != "select" {
		fail("%q instead of select", first)
		return
	}
	l.selected = first[1]
	l.say(append([]string{"args"}, g.args...)...)
	for l.told["connect"] == nil {
		next, err := l.read()
		if err != nil {
			return
		}
		l.told[next[0]] = next[1:]
	}
	if len(l.told["connect"]) != len(g.args) || l.told["size"] == nil || l.told["audio"] == nil || l.told["video"] == nil || l.told["image"] == nil {
		fail("the handshake was %q", l.told)
		return
	}
	g.mu.Lock()
	g.links = append(g.links, l)
	g.mu.Unlock()
	l.say("ready", desktopID)
	if show != nil {
		show(l)
		return
	}
	l.say("sync", "1")
	l.say("name", l.selected)
	l.listen()
}

// listen keeps what it hears until the link ends.
func (l *guacdLink) listen() {
	for {
		next, err := l.read()
		if err != nil {
			return
		}
		l.mu.Lock()
		l.heard = append(l.heard, strings.Join(next, ","))
		l.mu.Unlock()
	}
}

// hears waits until a link has heard an instruction.
func (l *guacdLink) hears(t *testing.T, want string) {
	t.Helper()
	require.Eventually(t, func() bool { return slices.Contains(l.all(), want) }, patience, pause, "%q of %q", want, l.all())
}

func (l *guacdLink) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.heard)
}

// link waits for the n-th link.
func (g *guacd) link(t *testing.T, n int) *guacdLink {
	t.Helper()
	var found *guacdLink
	require.Eventually(t, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.links) > n {
			found = g.links[n]
		}
		return found != nil
	}, patience, pause)
	return found
}

// window is a socket at a desktop.
type window struct{ *terminal }

// look opens a window as browsers do, which insist on the subprotocol.
func look(t *testing.T, c *testserver.Client, query ...string) window {
	t.Helper()
	values := url.Values{}
	for i := 0; i < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	socket := c.SocketBy(http.DefaultClient, "/api/ws/guac/?"+values.Encode(), "guacamole")
	require.Equal(t, "guacamole", socket.Subprotocol())
	return window{&terminal{Socket: socket, t: t}}
}

// does sends an instruction.
func (w window) does(elements ...string) {
	w.t.Helper()
	require.NoError(w.t, w.Write(w.t.Context(), websocket.MessageText, guacamole.New(elements...)))
}

// greeted waits for the first frame.
func (w window) greeted() {
	w.t.Helper()
	frame, err := w.next()
	require.NoError(w.t, err)
	require.Regexp(w.t, `^0\.,36\.[0-9a-f-]{36};`, frame)
	w.seen += frame
}

func desktopEntry(c *testserver.Client, more object, identities ...int64) int64 {
	config := object{"protocol": "rdp"}
	for key, value := range more {
		config[key] = value
	}
	return newEntry(c, 3390, config, identities...)
}
