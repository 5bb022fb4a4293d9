package telnet

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/ssh"
)

// heard gives a host's bytes to a new terminal of 80 times 24, so many at a time.
func heard(said string, step int) (shown, answer string, n *Negotiation) {
	n = &Negotiation{Size: ssh.Size{Columns: 80, Rows: 24}}
	for left := []byte(said); len(left) > 0; {
		part := bytes.Clone(left[:min(step, len(left))])
		left = left[len(part):]
		s, a := n.Receive(part)
		shown, answer = shown+string(s), answer+string(a)
	}
	return shown, answer, n
}

func TestNegotiation(t *testing.T) {
	t.Parallel()
	size := "\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0"
	for name, c := range map[string]struct{ said, shown, answer string }{
		"text":                        {"a\r\nb", "a\r\nb", ""},
		"255":                         {"a\xff\xffb", "a\xffb", ""},
		"a lone return":               {"a\r\x00b\x00", "a\rb\x00", ""},
		"commands without meaning":    {"a\xff\xf1\xff\xf9\xff\xf2\xff\xf0b", "ab", ""},
		"window size":                 {"\xff\xfd\x1f", "", "\xff\xfb\x1f" + size},
		"terminal type":               {"\xff\xfd\x18\xff\xfa\x18\x01\xff\xf0", "", "\xff\xfb\x18\xff\xfa\x18\x00xterm-256color\xff\xf0"},
		"a type nobody has offered":   {"\xff\xfa\x18\x01\xff\xf0", "", ""},
		"another question":            {"\xff\xfd\x18\xff\xfa\x18\x02\xff\xf0", "", "\xff\xfb\x18"},
		"what there is not":           {"\xff\xfd\x05\xff\xfd\x05\xff\xfb\x22\xff\xfb\x22", "", "\xff\xfc\x05\xff\xfe\x22"},
		"the host's echo":             {"\xff\xfb\x01\xff\xfb\x03", "", "\xff\xfd\x01\xff\xfd\x03"},
		"what is so already":          {"\xff\xfb\x01\xff\xfb\x01\xff\xfd\x18\xff\xfd\x18", "", "\xff\xfd\x01\xff\xfb\x18"},
		"off again, once":             {"\xff\xfb\x01\xff\xfc\x01\xff\xfc\x01\xff\xfd\x18\xff\xfe\x18\xff\xfe\x18", "", "\xff\xfd\x01\xff\xfe\x01\xff\xfb\x18\xff\xfc\x18"},
		"off what was never on":       {"\xff\xfc\x01\xff\xfe\x18", "", ""},
		"parameters of something":     {"a\xff\xfa\x27\x00\xff\xff\xff\xf0b", "ab", ""},
		"parameters without an end":   {"\xff\xfa\x18\xff\xfd\x1fb", "b", "\xff\xfb\x1f" + size},
		"parameters that never end":   {"\xff\xfd\x18\xff\xfa\x18\x01" + string(bytes.Repeat([]byte("x"), 1<<16)) + "\xff\xf0b", "b", "\xff\xfb\x18"},
		"255 in parameters, split":    {"\xff\xfd\x18\xff\xfa\x18\xff\xff\x01\xff\xf0", "", "\xff\xfb\x18"},
		"a command that is not whole": {"a\xff", "a", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, step := range []int{1, 2, 3, 1 << 20} {
				shown, answer, _ := heard(c.said, step)
				require.Equal(t, c.shown, shown)
				require.Equal(t, c.answer, answer)
			}
		})
	}
}

func TestSizesAndKeys(t *testing.T) {
	t.Parallel()
	_, _, n := heard("plain", 5)
	require.Empty(t, n.Resize(ssh.Size{Columns: 100, Rows: 30}))
	require.Equal(t, "ls\r\xff\xff", string(n.Type([]byte("ls\r\xff"))), "it is only a port")
	_, answer := n.Receive([]byte("\xff\xfd\x1f"))
	require.Equal(t, "\xff\xfb\x1f\xff\xfa\x1f\x00\x64\x00\x1e\xff\xf0", string(answer))
	require.Equal(t, "\xff\xfa\x1f\x00\xff\xff\x01\xff\xff\xff\xf0", string(n.Resize(ssh.Size{Columns: 255, Rows: 511})))
	require.Equal(t, "ls\r\x00\xff\xff\r\na\r\x00", string(n.Type([]byte("ls\r\xff\r\na\r"))))
	n.Receive([]byte("\xff\xfe\x1f"))
	require.Empty(t, n.Resize(ssh.Size{Columns: 80, Rows: 24}))
}

// However a host's bytes are cut, they mean the same, and what is answered does not grow
// beyond them by more than the longest answer.
func FuzzReceive(f *testing.F) {
	f.Add("login: \xff\xfb\x01\xff\xfd\x18\xff\xfd\x1f\xff\xfa\x18\x01\xff\xf0\r\x00", 3)
	f.Add("\xff\xfa\xff\xff\xff\xfd\xff\xff\xf0", 1)
	f.Fuzz(func(t *testing.T, said string, step int) {
		shown, answer, _ := heard(said, max(1, step))
		again, same, _ := heard(said, len(said)+1)
		require.Equal(t, again, shown)
		require.Equal(t, same, answer)
		require.LessOrEqual(t, len(shown), len(said))
		require.LessOrEqual(t, len(answer), 5*len(said))
		echoed, loop, _ := heard(answer, 7)
		require.Empty(t, echoed, "answers are commands")
		require.LessOrEqual(t, len(loop), 5*len(answer))
	})
}
