package hostkey_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	gossh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/hostkey"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/vault"
)

var errNobody = errors.New("nobody answers")

// People decide on keys, where they may.
func TestPeopleAreAskedAboutKeys(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	var accountID int64
	h.scan(&accountID, `insert into accounts (username, first_name, last_name, password_hash) values ('ada', 'Ada', 'Lovelace', '') returning id`)
	var asked, noted string
	var replaced int
	meet := func(policy hostkey.Policy, key gossh.PublicKey, mayReplace bool, answer string) error {
		asked, noted = "", ""
		way := []ssh.Hop{{Host: "web", Port: 2222}}
		_, err := h.store(policy).Load(t.Context(), []hostkey.Dial{{
			EntryID: 7, Name: "Web", Owner: caller.Organization(h.organization), AccountID: accountID, Way: way,
			Ask: func(_ context.Context, question string) (vault.Secret, error) {
				asked = question
				if answer == "" {
					return "", errNobody
				}
				return vault.Secret(answer), nil
			},
			Note: func(text string) { noted = text }, MayReplace: func() bool { return mayReplace },
			Replaced: func(*change.Tx) error { replaced++; return nil },
		}})
		require.NoError(t, err)
		return offer(t.Context(), way[0].HostKeys, key)
	}
	first, second, third := newKey(t), newKey(t), newKey(t)
	require.ErrorIs(t, meet(hostkey.Strict, first, true, "yes"), ssh.ErrHostKeyUnknown)
	require.Empty(t, asked)
	require.ErrorIs(t, meet(hostkey.Ask, first, true, "no"), ssh.ErrHostKeyUnknown)
	require.Equal(t, "The host key of Web (web:2222) is not known: ED25519 "+gossh.FingerprintSHA256(first)+"\nAnswer yes to trust it: ", asked)
	require.ErrorIs(t, meet(hostkey.Ask, first, true, ""), errNobody)
	require.Empty(t, h.kept())
	require.NoError(t, meet(hostkey.Ask, first, false, " yes "))
	require.Equal(t, "web 2222  ssh-ed25519 pinned", h.kept())
	require.NoError(t, meet(hostkey.Ask, first, false, ""))

	require.ErrorIs(t, meet(hostkey.AcceptNew, second, false, "replace"), ssh.ErrHostKeyChanged)
	require.Empty(t, asked, "whoever may not change the entry is not asked")
	require.ErrorIs(t, meet(hostkey.AcceptNew, second, true, "yes"), ssh.ErrHostKeyChanged)
	require.Contains(t, asked, gossh.FingerprintSHA256(first))
	require.Contains(t, asked, gossh.FingerprintSHA256(second))
	require.NoError(t, meet(hostkey.AcceptNew, second, true, "replace"))
	require.Equal(t, 1, replaced)
	require.NoError(t, meet(hostkey.AcceptNew, second, true, ""))
	require.ErrorIs(t, meet(hostkey.AcceptNew, third, true, ""), errNobody)

	h.exec(`delete from host_keys`)
	require.NoError(t, meet(hostkey.AcceptNew, third, false, ""))
	require.Equal(t, "host key of Web (web:2222) remembered: ED25519 "+gossh.FingerprintSHA256(third), noted)
}
