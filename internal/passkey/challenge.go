package passkey

import (
	"context"
	"encoding/base64"
	"errors"
	"strconv"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/origin"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	registration   = "registration"
	authentication = "authentication"
	// mostChallenges bounds what the database keeps; the oldest go first.
	mostChallenges = 10_000
	// timeout is what browsers are told, in milliseconds.
	timeout = 60_000
)

// errNoChallenge means that nobody was asked to sign this, or it is too late,
// or it was for something else.
var errNoChallenge = errors.New("no such challenge")

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// challenge stores what an authenticator at this origin is asked to sign. The old
// ones go after it: it locks its account, whose deletion takes challenges too.
func (h *Handlers) challenge(ctx context.Context, kind string, accountID *int64, o origin.Origin) (string, error) {
	challenge := vault.NewChallenge()
	return encode(challenge), h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		err := tx.CreateChallenge(ctx, db.CreateChallengeParams{
			Challenge: challenge, Kind: kind, AccountID: accountID, Origin: o.String(), RpID: o.Name(),
		})
		if err != nil {
			return err
		}
		return tx.DeleteOldChallenges(ctx, mostChallenges)
	})
}

// take consumes the challenge that an answer claims to have signed, and refuses
// one of another kind or origin.
func (h *Handlers) take(ctx context.Context, signed, kind string, o origin.Origin) (db.TakeChallengeRow, error) {
	challenge, err := base64.RawURLEncoding.DecodeString(signed)
	if err != nil {
		return db.TakeChallengeRow{}, errNoChallenge
	}
	var row db.TakeChallengeRow
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		row, err = tx.TakeChallenge(ctx, challenge)
		return fail.OnNoRows(err, errNoChallenge)
	})
	if err != nil {
		return row, err
	}
	if !row.Open || row.Kind != kind || row.Origin != o.String() || !o.Trusted(caller.ClientFrom(ctx), h.public) {
		return row, errNoChallenge
	}
	return row, nil
}

// relyingParty is the library, set up for the origin of a challenge.
func relyingParty(c db.TakeChallengeRow) (*webauthn.WebAuthn, error) {
	return webauthn.New(&webauthn.Config{
		RPID: c.RpID, RPDisplayName: "Nexterm", RPOrigins: []string{c.Origin},
		// Browser extensions add outputs that nobody asked for.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
}

// owner is an account as the library wants to see it.
type owner struct {
	id          int64
	credentials []webauthn.Credential
}

func (o owner) WebAuthnID() []byte                         { return userHandle(o.id) }
func (o owner) WebAuthnName() string                       { return "" }
func (o owner) WebAuthnDisplayName() string                { return "" }
func (o owner) WebAuthnCredentials() []webauthn.Credential { return o.credentials }

// userHandle is what authenticators remember of an account: its decimal id.
func userHandle(accountID int64) []byte { return strconv.AppendInt(nil, accountID, 10) }

func descriptor(credentialID []byte, transports []string) api.PasskeyDescriptor {
	return api.PasskeyDescriptor{
		ID: encode(credentialID), Type: api.PasskeyDescriptorTypePublicKey, Transports: transports,
	}
}
