package guacamole

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCut(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]int{ // how much of it is the first instruction, 0 for not whole, -1 for none
		"4.sync,1.1;":          11,
		"4.sync,1.1;3.nop;":    11,
		"0.,4.ping,1.1;":       14,
		"3.a;,,3.b.c;":         12,
		"4.päß€,2.\U0001F600;": 0,
		"1.\U0001F600;":        7,
		"0.;":                  3,
		"":                     0,
		"4":                    0,
		"4.syn":                0,
		"4.sync":               0,
		"1.\xf0\x9f":           0,
		";":                    -1,
		".;":                   -1,
		"x":                    -1,
		"-1.;":                 -1,
		"+1.x;":                -1,
		"4x":                   -1,
		"3.sync;":              -1,
		"5.sync;;":             7 + 1,
		"1.\xff;":              -1,
		"123456":               -1,
		"99999.":               0,
	} {
		first, rest, err := Cut([]byte(given))
		switch {
		case want < 0:
			require.ErrorIs(t, err, ErrMalformed, "%q", given)
		case want == 0:
			require.NoError(t, err, "%q", given)
			require.Nil(t, first, "%q", given)
		default:
			require.NoError(t, err, "%q", given)
			require.Equal(t, given[:want], string(first))
			require.Equal(t, given[want:], string(rest))
		}
	}
	long := New("blob", string(make([]byte, maxInstruction)))
	_, _, err := Cut(long)
	require.ErrorIs(t, err, ErrMalformed)
	_, _, err = Cut(long[:maxInstruction+1])
	require.ErrorIs(t, err, ErrMalformed)
}

func TestLengthsCountCharacters(t *testing.T) {
	t.Parallel()
	i := New("connect", "pässwörd", "\U0001F511;,.error", "")
	require.Equal(t, "7.connect,8.pässwörd,9.\U0001F511;,.error,0.;", string(i))
	require.Equal(t, []string{"connect", "pässwörd", "\U0001F511;,.error", ""}, i.Elements())
	require.Equal(t, "connect", i.Opcode())
	require.Equal(t, "1.\uFFFD;", string(New("\xff")))
}

func TestParameters(t *testing.T) {
	t.Parallel()
	p, audio, err := Desktop{Protocol: "rdp", Host: "10.0.0.5", Port: 3389, Username: `CORP\jo\e`, Password: "secret", Config: []byte(`{
		"colorDepth": 16, "resizeMethod": "none", "enableAudio": false, "enableWallpaper": false, "enableMenuAnimations": true, "rdpSecurity": "nla"
	}`)}.Parameters()
	require.NoError(t, err)
	require.False(t, audio)
	require.Equal(t, map[string]string{
		"hostname": "10.0.0.5", "port": "3389", "domain": "CORP", "username": `jo\e`, "password": "secret", "color-depth": "16",
		"resize-method": "display-update", "ignore-cert": "false", "security": "nla", "server-layout": "en-us-qwerty",
		"enable-wallpaper": "false", "enable-theming": "true", "enable-font-smoothing": "true",
		"enable-full-window-drag": "false", "enable-desktop-composition": "false", "enable-menu-animations": "true",
	}, p)
	p, audio, err = Desktop{Protocol: "vnc", Host: "screen", Port: 5900, Username: `CORP\jo`, Config: []byte(`{"resizeMethod": "none", "colorDepth": "8"}`)}.Parameters()
	require.NoError(t, err)
	require.True(t, audio)
	require.Equal(t, map[string]string{
		"hostname": "screen", "port": "5900", "username": `CORP\jo`, "password": "", "color-depth": "8",
	}, p)
}

// What is cut is what was written, however it arrives, and nothing makes it fail otherwise.
func FuzzCut(f *testing.F) {
	f.Add("4.sync,1.1;0.,4.ping;", "a", "\U0001F600")
	f.Add("99999.x;", "", ";,.")
	f.Fuzz(func(t *testing.T, said, one, two string) {
		written := New(one, two)
		first, rest, err := Cut(append([]byte(nil), append(written, said...)...))
		if len(written) > maxInstruction {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		require.NoError(t, err)
		require.Equal(t, written, first)
		require.Equal(t, said, string(rest))
		require.Equal(t, string(written), string(New(first.Elements()...)))
		for left := []byte(said); ; {
			first, rest, err := Cut(left)
			if err != nil || first == nil {
				break
			}
			require.Equal(t, first.Opcode(), first.Elements()[0])
			for n := range first {
				early, _, err := Cut(left[:n])
				require.NoError(t, err)
				require.Nil(t, early)
			}
			left = rest
		}
	})
}
