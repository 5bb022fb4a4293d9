package passkey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/origin"
)

const (
	// most is how many passkeys an account may have.
	most        = 50
	defaultName = "Passkey"
	// maxKeyBytes have room for RSA of 8,192 bits: every sign-in calculates with the key.
	maxKeyBytes = 1100
)

var (
	errTooMany    = fail.BadRequest(fmt.Sprintf("You have reached the maximum number of passkeys (%d)", most))
	errUnverified = fail.BadRequest("Registration verification failed")
)

// algorithms in the order of preference: EdDSA, ES256, RS256.
var algorithms = []webauthncose.COSEAlgorithmIdentifier{
	webauthncose.AlgEdDSA, webauthncose.AlgES256, webauthncose.AlgRS256,
}

// BeginPasskeyRegistration answers how an authenticator shall make a credential
// for the caller. Any kind of authenticator may: built-in ones and security keys.
func (h *Handlers) BeginPasskeyRegistration(ctx context.Context, request api.BeginPasskeyRegistrationRequestObject) (api.BeginPasskeyRegistrationResponseObject, error) {
	o, err := h.accept(ctx, request.Body.Origin)
	if err != nil {
		return nil, err
	}
	id := caller.From(ctx).AccountID
	account, err := h.queries.BeginPasskeyRegistration(ctx, id)
	if err != nil {
		return nil, fail.OnNoRows(err, caller.ErrGone)
	}
	existing, err := h.queries.ListPasskeyDescriptors(ctx, id)
	if err != nil {
		return nil, err
	}
	challenge, err := h.challenge(ctx, registration, &id, o)
	if err != nil {
		return nil, err
	}
	options := api.BeginPasskeyRegistration200JSONResponse{
		Challenge: challenge,
		Rp:        api.PasskeyRelyingParty{Name: "Nexterm", ID: o.Name()},
		User: api.PasskeyUser{
			ID: encode(userHandle(id)), Name: account.Username,
			DisplayName: cmp.Or(strings.TrimSpace(account.FirstName+" "+account.LastName), account.Username),
		},
		Timeout:            timeout,
		Attestation:        api.PasskeyRegistrationOptionsAttestationNone,
		ExcludeCredentials: []api.PasskeyDescriptor{},
		AuthenticatorSelection: api.PasskeyAuthenticatorSelection{
			ResidentKey:      api.PasskeyAuthenticatorSelectionResidentKeyPreferred,
			UserVerification: api.PasskeyAuthenticatorSelectionUserVerificationPreferred,
		},
		Extensions: api.PasskeyExtensions{CredProps: true},
		Hints:      []string{},
	}
	for _, algorithm := range algorithms {
		options.PubKeyCredParams = append(options.PubKeyCredParams, api.PasskeyAlgorithm{
			Type: api.PasskeyAlgorithmTypePublicKey, Alg: int(algorithm),
		})
	}
	for _, row := range existing {
		options.ExcludeCredentials = append(options.ExcludeCredentials, descriptor(row.CredentialID, row.Transports))
	}
	return options, nil
}

// FinishPasskeyRegistration stores a credential that an authenticator has made
// for the caller.
func (h *Handlers) FinishPasskeyRegistration(ctx context.Context, request api.FinishPasskeyRegistrationRequestObject) (api.FinishPasskeyRegistrationResponseObject, error) {
	o, err := origin.Parse(request.Body.Origin)
	if err != nil {
		return nil, errOrigin
	}
	attestation, err := protocol.ParseCredentialCreationResponseBytes(request.Body.Response)
	if err != nil {
		return nil, errMalformed
	}
	id := caller.From(ctx).AccountID
	challenge, err := h.take(ctx, attestation.Response.CollectedClientData.Challenge, registration, o)
	if errors.Is(err, errNoChallenge) || err == nil && *challenge.AccountID != id {
		return nil, fail.BadRequest("No valid registration challenge found")
	}
	if err != nil {
		return nil, err
	}
	if len(attestation.Response.AttestationObject.AuthData.AttData.CredentialPublicKey) > maxKeyBytes {
		return nil, errUnverified
	}
	credential, err := attest(id, challenge, attestation)
	if err != nil {
		return nil, errUnverified
	}
	name := defaultName
	if request.Body.Name != nil {
		name = *request.Body.Name
	}
	if err := h.store(ctx, id, challenge.RpID, name, credential); err != nil {
		return nil, err
	}
	return api.FinishPasskeyRegistration200JSONResponse{Message: "Passkey registered successfully", Verified: true}, nil
}

// attest holds the answer against the challenge (WebAuthn, section 7.1). Which
// make the authenticator is does not matter.
func attest(accountID int64, challenge db.TakeChallengeRow, attestation *protocol.ParsedCredentialCreationData) (*webauthn.Credential, error) {
	party, err := relyingParty(challenge)
	if err != nil {
		return nil, err
	}
	session := webauthn.SessionData{
		Challenge: attestation.Response.CollectedClientData.Challenge, RelyingPartyID: challenge.RpID,
		UserID: userHandle(accountID), UserVerification: protocol.VerificationRequired,
	}
	for _, algorithm := range algorithms {
		session.CredParams = append(session.CredParams, protocol.CredentialParameter{
			Type: protocol.PublicKeyCredentialType, Algorithm: algorithm,
		})
	}
	return party.CreateCredential(owner{id: accountID}, session, attestation)
}

func (h *Handlers) store(ctx context.Context, accountID int64, rpID, name string, credential *webauthn.Credential) error {
	transports := make([]string, len(credential.Transport))
	for i, transport := range credential.Transport {
		transports[i] = string(transport)
	}
	return h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		if err := tx.LockAccount(ctx, accountID); err != nil {
			return err
		}
		id, err := tx.FinishPasskeyRegistration(ctx, db.FinishPasskeyRegistrationParams{
			AccountID: accountID, CredentialID: credential.ID, PublicKey: credential.PublicKey,
			SignCount:      int64(credential.Authenticator.SignCount),
			BackupEligible: credential.Flags.BackupEligible, BackedUp: credential.Flags.BackupState,
			Transports: transports, Name: name, RpID: rpID, Most: most,
		})
		if err != nil {
			err = fail.OnNoRows(err, errTooMany)
			return fail.OnConstraint(err, "passkeys_credential_unique", fail.Conflict("Passkey is already registered"))
		}
		tx.Record(event.Event{
			Action: event.PasskeyCreate, Owner: caller.Account(accountID), ResourceID: id, Details: event.Details{"name": name},
		})
		return nil
	})
}
