package username_test

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/username"
)

func TestFold(t *testing.T) {
	t.Parallel()
	for spelling, folded := range map[string]string{
		"admin": "admin", "ADMIN": "admin", "ａＤｍｉｎ": "admin", "𝐀dmin": "admin", "ﬁ": "fi", "Straße": "strasse",
		"A\u0301": "á", "ΣΊΣΥΦΟΣ": "σίσυφοσ", "σίσυφος": "σίσυφοσ", "İ": "i̇", "": "", "\xff": "\xff",
	} {
		require.Equal(t, folded, username.Fold(spelling), spelling)
	}
}

func FuzzFoldIsFinal(f *testing.F) {
	f.Add("Straße ﬁ 𝐀 A\u0301 İ")
	f.Fuzz(func(t *testing.T, name string) {
		if !utf8.ValidString(name) {
			t.Skip("no server takes it")
		}
		folded := username.Fold(name)
		require.Equal(t, folded, username.Fold(folded))
	})
}

func TestMixed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "admin", "ada.lovelace+1@example.com", "администратор-2", "李ming", "ひらがなカタカナ漢字", "Ångström", "A\u0301", "नेहा_1"} {
		require.False(t, username.Mixed(name), name)
	}
	for _, name := range []string{"\u0430dmin", "admi\u0578", "\u03bfwner", "李\u0430dmin", "аdмiн"} {
		require.True(t, username.Mixed(name), name)
	}
}
