package hostkey_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/hostkey"
	"github.com/nexterm-go/nexterm/internal/ssh"
)

func TestAHostHasOneSpelling(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"Web-1.Example.COM": "web-1.example.com", "web.example.com.": "web.example.com", "web..": "web",
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "[::FFFF:c000:201]": "192.0.2.1",
		"2001:DB8:0:0::1": "2001:db8::1", "[2001:db8::1]": "2001:db8::1", "fe80::1%Eth0": "fe80::1%Eth0",
		"[web]": "[web]", "2130706433": "2130706433", "": "",
	} {
		require.Equal(t, want, hostkey.Canonical(given), given)
	}
}

func TestEveryHostOfAWayHasItsOwnPlace(t *testing.T) {
	t.Parallel()
	owner := caller.Organization(3)
	require.Equal(t, []hostkey.Place{
		{Owner: owner, Host: "bastion", Port: 22},
		{Owner: owner, Host: "2001:db8::1", Port: 2222, Via: "bastion:22"},
		{Owner: owner, Host: "db", Port: 22, Via: "bastion:22,[2001:db8::1]:2222"},
	}, hostkey.Places(owner, []ssh.Hop{{Host: "Bastion."}, {Host: "[2001:DB8::1]", Port: 2222}, {Host: "db", Port: 22}}))
}
