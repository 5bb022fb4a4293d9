package origin_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/origin"
)

func parse(t *testing.T, text string) origin.Origin {
	t.Helper()
	o, err := origin.Parse(text)
	require.NoError(t, err, text)
	return o
}

func TestOriginsAreWrittenAsBrowsersDo(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://Nexterm.Example.COM":     "https://nexterm.example.com",
		"HTTPS://nexterm.example.com:443": "https://nexterm.example.com",
		"https://nexterm.example.com:":    "https://nexterm.example.com",
		"http://localhost:80":             "http://localhost",
		"http://localhost:443":            "http://localhost:443",
		"http://[::1]:6989":               "http://[::1]:6989",
		"http://[::1]:80":                 "http://[::1]",
	} {
		require.Equal(t, want, parse(t, text).String())
	}
	require.Equal(t, "nexterm.example.com", parse(t, "https://nexterm.example.com:8443").Name())
}

func TestTrust(t *testing.T) {
	t.Parallel()
	own := []origin.Origin{parse(t, "https://nexterm.example.com")}
	here, there := parse(t, "https://nexterm.example.com"), parse(t, "https://evil.example")
	for name, test := range map[string]struct {
		origin origin.Origin
		client caller.Client
		own    []origin.Origin
		want   bool
	}{
		"configured":                      {here, caller.Client{Host: "127.0.0.1:6989"}, own, true},
		"not configured":                  {there, caller.Client{Host: "evil.example"}, own, false},
		"configured, from another page":   {here, caller.Client{Origin: "https://evil.example"}, own, false},
		"configured, from its page":       {here, caller.Client{Origin: "https://nexterm.example.com"}, own, true},
		"own host":                        {here, caller.Client{Host: "NEXTERM.example.com"}, nil, true},
		"own host with its default port":  {here, caller.Client{Host: "nexterm.example.com:443"}, nil, true},
		"own host with another port":      {here, caller.Client{Host: "nexterm.example.com:8443"}, nil, false},
		"own host, from another page":     {here, caller.Client{Host: "nexterm.example.com", Origin: "https://evil.example"}, nil, false},
		"own host, from a sandboxed page": {here, caller.Client{Host: "nexterm.example.com", Origin: "null"}, nil, false},
		"another host":                    {there, caller.Client{Host: "nexterm.example.com"}, nil, false},
		"no host":                         {here, caller.Client{}, nil, false},
		"host with a path":                {here, caller.Client{Host: "nexterm.example.com/x"}, nil, false},
		"host with a user":                {here, caller.Client{Host: "evil@nexterm.example.com"}, nil, false},
	} {
		require.Equal(t, test.want, test.origin.Trusted(test.client, test.own), name)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"https://nexterm.example.com:8443", "http://[::1]:80", "http://a:b@c", "https://x:", "http://x?"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := origin.Parse(text)
		if err != nil {
			return
		}
		again, err := origin.Parse(o.String())
		if err != nil || again != o {
			t.Fatalf("%q is written as %q, which reads as %q (%v)", text, o, again, err)
		}
	})
}
