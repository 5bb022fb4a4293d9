package passkey

import (
	"cmp"
	"context"
	"errors"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/origin"
	"github.com/nexterm-go/nexterm/internal/signin"
	"github.com/nexterm-go/nexterm/internal/username"
)

var (
	errNone    = fail.BadRequest("No passkeys registered")
	errRefused = fail.Unauthorized("Authentication verification failed")
)

// BeginPasskeyLogin answers what an authenticator has to sign. An account that
// does not exist gets the answer of one without passkeys.
func (h *Handlers) BeginPasskeyLogin(ctx context.Context, request api.BeginPasskeyLoginRequestObject) (api.BeginPasskeyLoginResponseObject, error) {
	o, err := h.accept(ctx, request.Body.Origin)
	if err != nil {
		return nil, err
	}
	var accountID *int64
	var allowed []api.PasskeyDescriptor
	if request.Body.Username != nil {
		rows, err := h.queries.BeginPasskeyLogin(ctx, db.BeginPasskeyLoginParams{FoldedUsername: username.Fold(*request.Body.Username), RpID: o.Name()})
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return nil, errNone
		}
		accountID = &rows[0].AccountID
		for _, row := range rows {
			allowed = append(allowed, descriptor(row.CredentialID, row.Transports))
		}
	}
	challenge, err := h.challenge(ctx, authentication, accountID, o)
	if err != nil {
		return nil, err
	}
	return api.BeginPasskeyLogin200JSONResponse{
		RpID: o.Name(), Challenge: challenge, AllowCredentials: allowed, Timeout: timeout,
		UserVerification: api.PasskeyLoginOptionsUserVerificationPreferred,
	}, nil
}

// FinishPasskeyLogin opens a session for a signed challenge. What is wrong with
// it is not told.
func (h *Handlers) FinishPasskeyLogin(ctx context.Context, request api.FinishPasskeyLoginRequestObject) (api.FinishPasskeyLoginResponseObject, error) {
	o, err := origin.Parse(request.Body.Origin)
	if err != nil {
		return nil, errOrigin
	}
	assertion, err := protocol.ParseCredentialRequestResponseBytes(request.Body.Response)
	if err != nil {
		return nil, errMalformed
	}
	challenge, err := h.take(ctx, assertion.Response.CollectedClientData.Challenge, authentication, o)
	if errors.Is(err, errNoChallenge) {
		return nil, errRefused
	}
	if err != nil {
		return nil, err
	}
	passkey, err := h.queries.GetPasskey(ctx, db.GetPasskeyParams{CredentialID: assertion.RawID, RpID: challenge.RpID})
	if err != nil {
		return nil, fail.OnNoRows(err, errRefused)
	}
	token, err := h.open(ctx, passkey, challenge, assertion)
	if errors.Is(err, errRefused) {
		return nil, cmp.Or(signin.Refuse(ctx, h.changes, passkey.AccountID, "", signin.ByPasskey), err)
	}
	if err != nil {
		return nil, err
	}
	return api.FinishPasskeyLogin200JSONResponse{
		Body:    api.PasskeySession{Token: token, Message: "Your session got successfully created"},
		Headers: api.FinishPasskeyLogin200ResponseHeaders{Authorization: token},
	}, nil
}

// verify holds the answer against the stored key (WebAuthn, section 7.2). The
// user has to be verified, because this sign-in asks for nothing else.
func verify(passkey db.GetPasskeyRow, challenge db.TakeChallengeRow, assertion *protocol.ParsedCredentialAssertionData) (*webauthn.Credential, error) {
	party, err := relyingParty(challenge)
	if err != nil {
		return nil, err
	}
	user := owner{passkey.AccountID, []webauthn.Credential{{
		ID: passkey.CredentialID, PublicKey: passkey.PublicKey,
		Flags:         webauthn.CredentialFlags{BackupEligible: passkey.BackupEligible, BackupState: passkey.BackedUp},
		Authenticator: webauthn.Authenticator{SignCount: uint32(passkey.SignCount)},
	}}}
	return party.ValidateLogin(user, webauthn.SessionData{
		Challenge: assertion.Response.CollectedClientData.Challenge, RelyingPartyID: challenge.RpID,
		UserID: user.WebAuthnID(), UserVerification: protocol.VerificationRequired,
	}, assertion)
}

// open judges the answer, opens the session and writes the counter back, or
// nothing. The session comes first: it locks the account, as the account's
// deletion does.
func (h *Handlers) open(ctx context.Context, passkey db.GetPasskeyRow, challenge db.TakeChallengeRow, assertion *protocol.ParsedCredentialAssertionData) (token string, err error) {
	if challenge.AccountID != nil && *challenge.AccountID != passkey.AccountID {
		return "", errRefused
	}
	credential, err := verify(passkey, challenge, assertion)
	if err != nil || credential.Authenticator.CloneWarning {
		return "", errRefused
	}
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		if token, err = signin.Open(ctx, tx, passkey.AccountID, signin.ByPasskey); err != nil {
			return fail.OnNoRows(err, errRefused)
		}
		counted, err := tx.FinishPasskeyLogin(ctx, db.FinishPasskeyLoginParams{
			ID: passkey.ID, SignCount: int64(credential.Authenticator.SignCount), BackedUp: credential.Flags.BackupState,
		})
		if err == nil && counted == 0 {
			err = errRefused
		}
		return err
	})
	return token, err
}
