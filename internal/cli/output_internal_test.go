package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimesAreWrittenAsTheAPIDoes(t *testing.T) {
	t.Parallel()
	type answer struct {
		CreatedAt time.Time `json:"createdAt"`
		Name      string    `json:"name"`
	}
	for milliseconds, written := range map[int]string{0: "00.000", 100: "00.100", 20: "00.020", 3: "00.003"} {
		encoded, err := encode(answer{time.Date(2026, 1, 2, 3, 4, 0, milliseconds*int(time.Millisecond), time.UTC), `"timestamp":"2026-01-02T03:04:00Z"`})
		require.NoError(t, err)
		require.Equal(t, `{"createdAt":"2026-01-02T03:04:`+written+`Z","name":"\"timestamp\":\"2026-01-02T03:04:00Z\""}`, string(encoded))
	}
}
