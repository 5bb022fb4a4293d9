package inventory_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestEntryConfigKeepsAndDrops(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newEntry(s.Owner, "x", body{"config": body{
		"protocol": "ssh", "ip": "web1.example.com", "port": "22", "keyboardLayout": nil, "notes": "", "colorDepth": 16, "vmid": "7",
		"engineId": 3, "monitoringEnabled": true, "ForwardAgent": "yes", "mine": nil, "nested": body{"password": "kept"}, "html": "<b>&",
		"password": "p", "passphrase": "p", "sshKey": "p", "privateKey": "p",
	}})
	require.Equal(t, body{
		"protocol": "ssh", "ip": "web1.example.com", "port": 22.0, "notes": "", "colorDepth": 16.0, "vmid": "7",
		"engineId": 3.0, "monitoringEnabled": true, "ForwardAgent": "yes", "mine": nil, "nested": body{"password": "kept"}, "html": "<b>&",
	}, getEntry(s.Owner, id)["config"])
	// Clients send text, and find a number whatever was sent.
	for sent, kept := range map[string]body{"": {}, "24": {"colorDepth": 24.0}} {
		s.Owner.Patch(entryPath(id), body{"config": body{"colorDepth": sent}}).Want(200)
		require.Equal(t, kept, getEntry(s.Owner, id)["config"])
	}
	s.Owner.Patch(entryPath(id), body{"config": body{"notes": "replaced"}}).Want(200)
	require.Equal(t, body{"notes": "replaced"}, getEntry(s.Owner, id)["config"], "no merge")
	s.Owner.Patch(entryPath(id), body{"config": body{"ip": nil}}).Want(200)
	require.Equal(t, body{}, getEntry(s.Owner, id)["config"])
}

func TestEntryConfigRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newEntry(s.Owner, "x", nil)
	for message, settings := range map[string]string{
		"config.protocol must be one of [ssh, telnet, rdp, vnc, sftp, ftp, ftps, demo]": `{"protocol": "http"}`,
		"config.ip must be a string":                                                             `{"ip": 5}`,
		"config.ip is not allowed to be empty":                                                   `{"ip": ""}`,
		"config.ip must not contain white space or control characters":                           `{"ip": "a\tb"}`,
		"config.ip length must be less than or equal to 255 characters long":                     `{"ip": "` + strings.Repeat("x", 256) + `"}`,
		"config.port must be a positive number":                                                  `{"port": 0}`,
		"config.port must be less than or equal to 65535":                                        `{"port": "65536"}`,
		"config.port must be a number":                                                           `{"port": "ssh"}`,
		"config.port must be an integer":                                                         `{"port": 22.5}`,
		"config.engineId must be a string or a number":                                           `{"engineId": true}`,
		"config.vmid must be a string or a number":                                               `{"vmid": []}`,
		"config.monitoringEnabled must be a boolean":                                             `{"monitoringEnabled": "true"}`,
		"config.macAddress must be six pairs of hexadecimal digits, joined by colons or hyphens": `{"macAddress": "00:11:22:33:44"}`,
		"config.wolBroadcastAddress must be an IPv4 address":                                     `{"wolBroadcastAddress": "192.0.2.256"}`,
		"config.rdpSecurity must be one of [, any, nla, tls, rdp, vmconnect]":                    `{"rdpSecurity": "none"}`,
		"config.colorDepth must be empty or one of [8, 16, 24, 32]":                              `{"colorDepth": 7}`,
		"config.resizeMethod is not allowed to be empty":                                         `{"resizeMethod": ""}`,
		"config.backspaceMode must be one of [del, ctrl-h]":                                      `{"backspaceMode": "x"}`,
		"config.deleteMode must be one of [vt, del]":                                             `{"deleteMode": "x"}`,
		"config.functionKeyMode must be one of [xterm, vt, linux]":                               `{"functionKeyMode": "x"}`,
		"config.notes must be a string":                                                          `{"notes": 1}`,
		"config.nodeName must be a string":                                                       `{"nodeName": 1}`,
		"config.jumpHosts must be an array":                                                      `{"jumpHosts": 1}`,
		"config contains a number that is out of range":                                          `{"mine": 1e999}`,
		"config is nested too deeply":                                                            `{"mine": ` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
		"config must be less than or equal to 102400 bytes long":                                 `{"notes": "` + strings.Repeat("x", 100<<10) + `"}`,
	} {
		s.Owner.Put("/api/entry", `{"name": "x", "config": `+settings+`}`).WantError(400, message)
		s.Owner.Patch(entryPath(id), `{"config": `+settings+`}`).WantError(400, message)
	}
	for _, blank := range []string{"\u0085", "\u00a0", "\u2003", "\u200b", "\u2028", "\u202e", "\u3000", "\ufeff", "\x7f"} {
		s.Owner.Patch(entryPath(id), body{"config": body{"ip": "a" + blank + "b"}}).
			WantError(400, "config.ip must not contain white space or control characters")
	}
	s.Owner.Patch(entryPath(id), body{"config": body{"ip": "bücher.example"}}).Want(200)
	require.Equal(t, []string{"x"}, entryNames(s.Owner))
	s.Owner.Patch(entryPath(id), body{"config": body{"notes": strings.Repeat("x", 100<<10-len(`{"notes":""}`))}}).Want(200)
	s.Owner.Patch(entryPath(id), `{"name": "`+strings.Repeat("x", 1<<20)+`"}`).WantError(413, "The request body is larger than 1048576 bytes")
}

// PostgreSQL writes out every digit of a number: a short text must not become
// a long one.
func TestEntryConfigNumbersStaySmall(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	raw := `{"name": "x", "config": {"big": 1e300, "small": 1e-300, "exact": 12345678901234567890, "list": [` + strings.Repeat("1e300,", 999) + `1e300]}}`
	s.Owner.Put("/api/entry", raw).WantError(400, "config must be less than or equal to 102400 bytes long")
	id := s.Owner.Put("/api/entry", `{"name": "x", "config": {"big": 1e30, "small": 1e-7, "exact": 12345678901234567890, "long": `+strings.Repeat("9", 50)+`}}`).Want(200).ID()
	var entry struct{ Config map[string]json.Number }
	s.Owner.Get(entryPath(id)).Want(200).Into(&entry)
	require.Equal(t, map[string]json.Number{
		"big": "1" + json.Number(strings.Repeat("0", 30)), "small": "0.0000001", "exact": "12345678901234567890",
		"long": "1" + json.Number(strings.Repeat("0", 50)),
	}, entry.Config)
	var stored int
	s.Scan(t, &stored, fmt.Sprintf(`select octet_length(config::text) from entries where id = %d`, id))
	require.Less(t, stored, 300)
}
