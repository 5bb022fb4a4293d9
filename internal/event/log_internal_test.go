package event

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testdb"
)

// A database that is restored from a backup has transactions of the past.
func TestAReaderFromTheFutureBeginsAgain(t *testing.T) {
	t.Parallel()
	log := NewLog(testdb.New(t), slog.New(slog.DiscardHandler))
	at := &position{transaction: 1 << 60}
	missed := 0
	deliver := func(_ []Committed, lost bool) {
		if lost {
			missed++
		}
	}
	for range 2 {
		_, err := log.step(t.Context(), &at, deliver)
		require.NoError(t, err)
	}
	require.Equal(t, 1, missed)
	require.Less(t, at.transaction, int64(1<<60))
}

func TestVocabularyIsWhole(t *testing.T) {
	t.Parallel()
	resources, categories := map[string]bool{}, map[string]bool{}
	for _, r := range Resources {
		resources[r.Value] = true
	}
	for _, c := range Categories {
		categories[c.Key] = true
	}
	keys := map[string]bool{}
	for _, d := range Vocabulary {
		require.NotEmpty(t, d.Label, d.Action)
		require.True(t, resources[d.Resource], d.Action)
		require.True(t, categories[d.Action.Category()], d.Action)
		require.False(t, keys[d.Key], d.Key)
		keys[d.Key] = true
	}
	require.Len(t, definitions, len(Vocabulary), "an action is described twice")
}

func TestPersonalIdentitiesAreNotAudited(t *testing.T) {
	t.Parallel()
	require.False(t, Event{Action: IdentityCreate, Owner: 1}.Told().Audited)
	require.True(t, Event{Action: IdentityCreate, Owner: -1}.Told().Audited)
	require.True(t, Event{Action: EntryCreate, Owner: 1}.Told().Audited)
	require.False(t, Event{Action: SourceSync}.Told().Audited)
	require.Equal(t, []List{Identities, Entries}, Event{Action: IdentityCreate, Owner: 1}.Told().Lists)
	require.Empty(t, Event{Action: IdentityCreate, Lists: []List{}}.Told().Lists)
}
