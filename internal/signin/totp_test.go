package signin_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/internal/signin"
)

// The vectors of RFC 6238, appendix B, cut to six digits.
func TestCodesMatchTheStandard(t *testing.T) {
	t.Parallel()
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	for code, at := range map[string]int64{
		"287082": 59, "081804": 1111111109, "050471": 1111111111, "005924": 1234567890, "279037": 2000000000, "353130": 20000000000,
	} {
		for _, drift := range []int64{-30, 0, 30} {
			step, match := signin.MatchCode(code, secret, time.Unix(at+drift, 0))
			require.True(t, match, code)
			require.Equal(t, at/30, step, "the step is the code's, not the clock's")
		}
		for _, drift := range []int64{-90, 90} {
			_, match := signin.MatchCode(code, secret, time.Unix(at+drift, 0))
			require.False(t, match, code)
		}
	}
	_, match := signin.MatchCode("28708", secret, time.Unix(59, 0))
	require.False(t, match)
}

func TestCodesGetTheirZerosBack(t *testing.T) {
	t.Parallel()
	for number, want := range map[int]string{0: "000000", 12345: "012345", 999999: "999999"} {
		var code api.TotpCode
		require.NoError(t, code.FromTotpCodeNumber(number))
		text, err := signin.CodeText(code)
		require.NoError(t, err)
		require.Equal(t, want, text)
	}
}
