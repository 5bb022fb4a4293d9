package nexterm_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	secret := nexterm.Secret(canary)
	c, err := nexterm.New("http://host", nexterm.WithToken(canary))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	for _, value := range []any{
		secret, &secret, []nexterm.Secret{secret}, nexterm.Value(secret), c, *c, c.Entries, c.Token(),
		nexterm.NewIdentity{Password: secret, SSHKey: secret}, &nexterm.NewIdentity{Passphrase: secret},
		nexterm.OIDCProviderPatch{ClientSecret: nexterm.Value(secret)}, nexterm.LoginRequest{Password: secret, Code: secret},
		nexterm.LoginResult{Token: secret}, nexterm.APIKeyCreated{Token: secret}, nexterm.TOTPSecret{Secret: secret, URL: secret},
		nexterm.DevicePoll{Token: secret}, nexterm.Impersonation{Token: secret}, nexterm.NewAccount{Password: secret},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		log.Info("value", "is", value)
	}
	for _, text := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%d", []byte(canary))} {
		if strings.Contains(out.String(), text) {
			t.Errorf("%s is in\n%s", text, out.String())
		}
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Error(out.String())
	}
	if data, err := json.Marshal(nexterm.NewAccount{Password: secret}); err != nil || !strings.Contains(string(data), canary) {
		t.Errorf("%s %v", data, err)
	}
}

func TestOptional(t *testing.T) {
	t.Parallel()
	type object struct {
		Number nexterm.Optional[int64]          `json:"number,omitzero"`
		Text   nexterm.Optional[string]         `json:"text,omitzero"`
		Nested nexterm.Optional[map[string]int] `json:"nested,omitzero"`
	}
	for text, printed := range map[string]string{
		`{}`: "{absent absent absent}",
		`{"number":null,"text":null,"nested":null}`:                "{null null null}",
		`{"number":-7,"text":"a\"b\u003c\\","nested":{"a":1}}`:     `{-7 a"b<\ map[a:1]}`,
		`{"number":9223372036854775807,"text":"grün","nested":{}}`: "{9223372036854775807 grün map[]}",
		`{"text":""}`: "{absent  absent}",
	} {
		var value object
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		back, err := json.Marshal(value)
		if err != nil || string(back) != text || fmt.Sprint(value) != printed {
			t.Errorf("%s becomes %s and prints as %v, %v", text, back, value, err)
		}
	}
	for _, text := range []string{`{"number":1.5}`, `{"number":"1"}`, `{"text":1}`, `{"nested":[]}`} {
		if err := json.Unmarshal([]byte(text), &object{}); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
	if nexterm.Value(7).Or(8) != 7 || nexterm.Null[int]().Or(8) != 8 || fmt.Sprintf("%03d", nexterm.Value(7)) != "007" {
		t.Error("Or or Format")
	}
}
