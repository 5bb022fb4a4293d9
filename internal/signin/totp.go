package signin

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/ratelimit"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// Where the secrets of accounts are sealed: the table and the two kinds.
const (
	TOTPTable   = "totp_secrets"
	TOTPActive  = "active"
	TOTPPending = "pending"
)

// codeLimit bounds the codes tried for an account, at sign-in and when enabling
// together: the limit of a network alone leaves six digits guessable from many
// networks. The first right code resets it.
var codeLimit = ratelimit.Limit{
	Name: "totp", Max: 10, Window: 15 * time.Minute,
	Message: "Too many authentication attempts. Please try again later.",
}

// CountCode counts a code that is tried for the account, whatever becomes of it,
// and refuses those beyond the limit.
func CountCode(ctx context.Context, changes *change.Changes, accountID int64) error {
	var standing ratelimit.Standing
	err := changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		standing, err = codeLimit.Count(ctx, tx.Queries, codeSubject(accountID))
		return err
	})
	if err != nil {
		return err
	}
	return standing.Refusal()
}

// ForgetCodes resets the count after a right code.
func ForgetCodes(ctx context.Context, q *db.Queries, accountID int64) error {
	return codeLimit.Reset(ctx, q, codeSubject(accountID))
}

func codeSubject(accountID int64) string { return strconv.FormatInt(accountID, 10) }

const (
	codeLength = 6
	// period is the length of a time step, in seconds (RFC 6238).
	period = 30
	// skew is how many steps a clock may be off, either way.
	skew = 1
)

// CodeText writes a code with six digits: a number has lost its leading zeros.
func CodeText(code api.TotpCode) (string, error) {
	raw, err := code.MarshalJSON()
	if err != nil {
		return "", err
	}
	digits := strings.Trim(string(raw), `"`)
	return strings.Repeat("0", max(0, codeLength-len(digits))) + digits, nil
}

// MatchCode finds the time step that a code belongs to (RFC 6238: SHA-1, six
// digits), the latest one if there are several. It takes the same time whether
// and where the code fits.
func MatchCode(code string, secret vault.Secret, now time.Time) (step int64, match bool) {
	current := now.Unix() / period
	for candidate := current - skew; candidate <= current+skew; candidate++ {
		fits, err := hotp.ValidateCustom(code, uint64(candidate), string(secret), hotp.ValidateOpts{
			Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
		})
		if err == nil && fits {
			step, match = candidate, true
		}
	}
	return step, match
}
