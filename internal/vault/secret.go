package vault

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a text that must not leave: however it is printed, logged or
// marshalled, it shows as [redacted]. Only code that needs the plaintext
// converts it to a string.
type Secret string

func (Secret) String() string               { return redacted }
func (Secret) Format(out fmt.State, _ rune) { _, _ = io.WriteString(out, redacted) }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
