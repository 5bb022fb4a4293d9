package connection_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/guacamole"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

func TestDesktop(t *testing.T) {
	t.Parallel()
	g := startGuacd(t, &guacd{args: []string{
		"VERSION_9_0_0", "hostname", "port", "domain", "username", "password", "drive-path", "ignore-cert", "security", "color-depth",
		"resize-method", "server-layout", "enable-wallpaper", "enable-theming", "enable-full-window-drag",
	}})
	s := testserver.New(t, g.use)
	const password = "pä\U0001F511;,.errorß"
	identity := s.Owner.Put("/api/identity", object{"name": "password", "type": "password", "username": `CORP\jo`, "password": password}).Want(200).ID()
	entry := desktopEntry(s.Owner, object{"colorDepth": 16, "rdpSecurity": "nla", "enableWallpaper": false, "enableAudio": false}, identity)
	id := open(s.Owner, entry, nil)
	first := g.link(t, 0)
	require.Equal(t, "rdp", first.selected)
	require.Equal(t, []string{
		"VERSION_1_5_0", "127.0.0.1", "3390", "CORP", "jo", password, "", "true", "nla", "16", "display-update", "en-us-qwerty", "false", "true", "false",
	}, first.told["connect"])
	require.Equal(t, []string{"1024", "768", "96"}, first.told["size"])
	require.Empty(t, first.told["audio"])
	require.Equal(t, []string{"image/png", "image/jpeg", "image/webp"}, first.told["image"])
	first.hears(t, "sync,1")
	require.Eventually(t, func() bool { return state(t, s, id) == "active" }, patience, pause)

	owner := look(t, s.Owner, "sessionId", id)
	owner.greeted()
	mine := g.link(t, 1)
	require.Equal(t, desktopID, mine.selected)
	require.Equal(t, append([]string{"VERSION_1_5_0"}, make([]string, len(g.args)-1)...), mine.told["connect"], "only its ID")
	owner.see(string(guacamole.New("name", desktopID)))
	owner.does("", "ping", "17")
	owner.see("0.,4.ping,2.17;")
	owner.does("size", "1600", "900")
	owner.does("key", "97", "1")
	owner.does("clipboard", "0", "text/ü;\U0001F600")
	mine.hears(t, "clipboard,0,text/ü;\U0001F600")
	require.NotContains(t, strings.Join(mine.all(), " "), "ping")
	require.Equal(t, []string{"size,1600,900", "key,97,1"}, mine.all()[:2])

	// One who watches, and then takes over.
	var share struct{ ShareID string }
	s.Owner.Post("/api/connections/"+id+"/share", object{"writable": false}).Want(200).Into(&share)
	guest := look(t, s.Anonymous, "shareId", share.ShareID)
	guest.greeted()
	theirs := g.link(t, 2)
	guest.see("4.name")
	for _, name := range []string{"key", "mouse", "size", "clipboard", "blob", "end", "argv", "file", "put", "disconnect"} {
		guest.does(name, "1", "2", "1")
	}
	guest.does("ack", "1")
	guest.does("nop")
	guest.does("sync", "5")
	theirs.hears(t, "sync,5")
	require.Equal(t, []string{"ack,1", "nop", "sync,5"}, theirs.all())
	s.Owner.Patch("/api/connections/"+id+"/share", object{"writable": true}).Want(200)
	require.Eventually(t, func() bool {
		guest.does("size", "640", "480")
		guest.does("mouse", "1", "1", "0")
		return slices.Contains(theirs.all(), "mouse,1,1,0")
	}, patience, pause)
	require.NotContains(t, theirs.all(), "size,640,480", "the owner's counts")
	guest.does("mouse", "1", "1", "1")
	theirs.hears(t, "size,640,480")
	owner.does("size", "1", "1")
	owner.does("key", "98", "1")
	mine.hears(t, "key,98,1")
	require.Equal(t, []string{"size,1,1", "key,98,1"}, mine.all()[len(mine.all())-2:], "with it comes the size")

	// A window of its own for the second screen.
	second := look(t, s.Owner, "sessionId", id, "monitor", "1")
	second.greeted()
	side := g.link(t, 3)
	second.see("4.name")
	second.does("size", "300", "200", "1")
	side.hears(t, "size,300,200,1")
	owner.does("size", "9", "9", "1")
	owner.does("key", "99", "1")
	mine.hears(t, "key,99,1")
	require.NotContains(t, mine.all(), "size,9,9,1")

	// A closed window ends nothing.
	require.NoError(t, second.Close(1000, ""))
	require.Eventually(t, func() bool { return g.host.Open() == 3 }, patience, pause)
	first.hears(t, "nop")
	s.Owner.Delete("/api/connections/" + id).Want(200)
	owner.closed(1000, "")
	guest.closed(4016, "Session terminated")
	require.Eventually(t, func() bool { return g.host.Open() == 0 }, patience, pause)
	look(t, s.Owner, "sessionId", id).closed(4007, "Session not found")
	require.NotContains(t, s.Log.String(), password)
}

// The sockets of the two kinds are not for each other, and desktops are found on other servers.
func TestDesktopSockets(t *testing.T) {
	t.Parallel()
	g := startGuacd(t, &guacd{})
	s := testserver.New(t, g.use)
	vnc := newEntry(s.Owner, 5900, object{"protocol": "vnc"}, s.Owner.Put("/api/identity", object{
		"name": "password", "type": "password-only", "password": "secret",
	}).Want(200).ID())
	desktop := open(s.Owner, vnc, nil)
	require.Equal(t, []string{"VERSION_1_5_0", "127.0.0.1", "5900", "", "secret"}, g.link(t, 0).told["connect"])
	require.Equal(t, []string{"audio/L8", "audio/L16"}, g.link(t, 0).told["audio"])
	attach(t, s.Owner, "sessionId", desktop).closed(4009, "Unsupported: guac")
	entry, _ := played(t, s.Owner, &testssh.Server{Shell: echo}, nil)
	look(t, s.Owner, "sessionId", open(s.Owner, entry, nil)).closed(4009, "Unsupported: terminal")
	look(t, s.Stranger, "sessionId", desktop).closed(4007, "Session not found")
	s.Owner.Post("/api/connections/"+desktop+"/paste-password", nil).WantError(400, "Session stream not available")

	other := testserver.Serve(t, s.Pool, s.Vault)
	there := look(t, s.Owner.On(other), "sessionId", desktop, "monitor", "-1")
	there.greeted()
	there.see("4.name")
	there.does("key", "97", "1")
	g.link(t, 1).hears(t, "key,97,1")
	for _, frame := range []string{"4.key,1.1", "nonsense", "5.key;"} {
		bad := look(t, s.Owner, "sessionId", desktop)
		bad.greeted()
		bad.Send(frame)
		bad.closed(1008, "Not an instruction")
	}
	direct := open(s.Owner, vnc, object{"directIdentity": object{"type": "password", "username": "jo", "password": "other"}})
	require.Eventually(t, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return slices.ContainsFunc(g.links, func(l *guacdLink) bool {
			return slices.Equal(l.told["connect"], []string{"VERSION_1_5_0", "127.0.0.1", "5900", "jo", "other"})
		})
	}, patience, pause)
	s.Deny(t, s.Owner, "connect.vnc")
	there.closed(4005, "You don't have access to this entry")
	require.Eventually(t, func() bool { return state(t, s, direct) == "ended" }, patience, pause)
}
