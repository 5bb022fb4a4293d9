package vault_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/vault"
)

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	const plain = "plain-text"
	secret := vault.Secret(plain)
	holder := struct {
		Secret  vault.Secret
		Pointer *vault.Secret
		List    []vault.Secret
		Map     map[string]vault.Secret
	}{secret, &secret, []vault.Secret{secret}, map[string]vault.Secret{"k": secret}}

	printed := []string{fmt.Sprint(secret), fmt.Sprintln(&secret), errors.New(secret.String()).Error(), fmt.Errorf("x: %v", secret).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%10s", "%.3s", "%d", "%T", "%t"} {
		printed = append(printed, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, holder), fmt.Sprintf(verb, []vault.Secret{secret}))
	}
	for _, value := range []any{secret, &secret, holder} {
		encoded, err := json.Marshal(value)
		require.NoError(t, err)
		printed = append(printed, string(encoded))
	}
	encoded, err := xml.Marshal(secret)
	require.NoError(t, err)
	printed = append(printed, string(encoded))
	for _, handler := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
	} {
		var log bytes.Buffer
		slog.New(handler(&log)).Info("x", "secret", secret, "pointer", &secret, "holder", holder, slog.Group("g", "secret", secret))
		printed = append(printed, log.String())
	}
	for _, text := range printed {
		require.NotContains(t, text, plain)
		require.NotContains(t, text, plain[:3])
		require.NotContains(t, strings.ToLower(strings.ReplaceAll(text, " ", "")), hex.EncodeToString([]byte(plain)))
	}
	require.Equal(t, "[redacted]", fmt.Sprint(secret))
	require.Equal(t, plain, string(secret), "whoever needs it says so")
}

func TestTokens(t *testing.T) {
	t.Parallel()
	require.Regexp(t, `^[0-9a-f]{96}$`, vault.NewSessionToken())
	require.Regexp(t, `^nxt_[0-9a-f]{64}$`, vault.NewAPIKey())
	require.NotEqual(t, vault.NewSessionToken(), vault.NewSessionToken())
	require.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", hex.EncodeToString(vault.HashToken("abc")))
}
