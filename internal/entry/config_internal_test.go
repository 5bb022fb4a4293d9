package entry

import (
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen"
)

func TestKnownMembersAreTheContracts(t *testing.T) {
	t.Parallel()
	var contract struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	require.NoError(t, json.Unmarshal(gen.Contract, &contract))
	var named []string
	for name := range contract.Components.Schemas["EntryConfig"].Properties {
		named = append(named, name)
	}
	require.ElementsMatch(t, named, knownMembers)
}

// A configuration costs no more than ten times its length, also one that is refused.
func TestReadingAConfigurationCostsLittle(t *testing.T) {
	for _, again := range []string{"1e308,", "0,", `"<",`, "[],", `{"a":0},`} {
		raw := json.RawMessage("[" + strings.Repeat(again, 1<<20/len(again)) + "0]")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := readConfig(map[string]any{"mine": raw})
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, errConfigSize)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(10*len(raw)), again)
	}
}

func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"protocol":"ssh","ip":"x","port":22,"password":"p"}`, `{"a":1e300,"b":[1E-7,{"c":-0.0}]}`, `{"ip":null,"mine":null}`,
		`{"n":123456789012345678901234567890123456789012345678901234567890}`, `{"deep":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}`,
		`{"html":"<&> "}`, `{"jumpHosts":[1,2]}`, `{"huge":1e999}`, `{"tiny":1e-999}`,
	} {
		f.Add([]byte(seed), "server")
		f.Add([]byte(seed), "pve-qemu")
	}
	f.Fuzz(func(t *testing.T, raw []byte, entryType string) {
		c, err := parseConfig(raw)
		if err != nil {
			return
		}
		c.fit(entryType)
		encoded := c.encode()
		require.LessOrEqual(t, len(encoded), maxConfigBytes)
		for _, name := range secretMembers {
			require.NotContains(t, c, name)
		}
		if entryType != "server" {
			for _, name := range hostMembers {
				require.NotContains(t, c, name)
			}
		}
		again, err := parseConfig(encoded)
		require.NoError(t, err, "what is stored is accepted again")
		again.fit(entryType)
		require.Equal(t, string(encoded), string(again.encode()))
		require.Empty(t, again.jumpHosts(c))
		for name, member := range again {
			require.False(t, member == nil && slices.Contains(knownMembers, name), name)
		}
	})
}
