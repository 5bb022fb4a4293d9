package nexterm_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// must is for what cannot go wrong unless the test does.
func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// codeOf is what an authenticator app shows (RFC 6238).
func codeOf(t *testing.T, secret nexterm.Secret, at time.Time) string {
	t.Helper()
	key := must[[]byte](t)(base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(string(secret)))
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30)
	sum := mac.Sum(nil)
	from := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[from:])&0x7fffffff%1_000_000)
}

func TestLoginWithTOTP(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := account(t, "second")
	name := must[*nexterm.Me](t)(c.Account.Get(ctx)).Username
	secret := must[*nexterm.TOTPSecret](t)(c.TOTP.GetSecret(ctx))
	if err := c.TOTP.Enable(ctx, nexterm.TOTPProof{Code: nexterm.Secret(codeOf(t, secret.Secret, time.Now()))}); err != nil {
		t.Fatal(err)
	}
	_, err := nexterm.Login(ctx, address, name, password)
	failure(t, err, nexterm.ErrUnauthorized, 0, "sign in WithTOTP")
	unwilling := errors.New("no phone")
	_, err = nexterm.Login(ctx, address, name, password, nexterm.WithTOTP(func(context.Context) (string, error) { return "", unwilling }))
	if !errors.Is(err, unwilling) {
		t.Error(err)
	}
	// The code that enabled it is used up; the server takes the next one early.
	next := func(context.Context) (string, error) {
		return codeOf(t, secret.Secret, time.Now().Add(30*time.Second)), nil
	}
	c = must[*nexterm.Client](t)(nexterm.Login(ctx, address, name, password, nexterm.WithTOTP(next)))
	if me := must[*nexterm.Me](t)(c.Account.Get(ctx)); !me.TOTPEnabled {
		t.Error("TOTP is off")
	}
}

func TestAs(t *testing.T) {
	t.Parallel()
	one, two := account(t, "one"), account(t, "two")
	name := must[*nexterm.Me](t)(two.Account.Get(t.Context())).Username
	if as := must[*nexterm.Me](t)(one.As(two.Token()).Account.Get(t.Context())).Username; as != name {
		t.Errorf("the other client is %s", as)
	}
	if still := must[*nexterm.Me](t)(one.Account.Get(t.Context())).Username; still == name {
		t.Error("the client itself is another one now")
	}
}

func TestLoginWithDevice(t *testing.T) {
	t.Parallel()
	approver := signIn(t)
	device, err := nexterm.LoginWithDevice(t.Context(), address, func(code string, expires time.Time) error {
		if time.Until(expires) < time.Minute {
			t.Errorf("%s holds until %s", code, expires)
		}
		_, err := approver.Devices.AuthorizeCode(t.Context(), nexterm.DeviceCodeReference{Code: code})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if me := must[*nexterm.Me](t)(device.Account.Get(t.Context())); me.Username != username {
		t.Error(me.Username)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = nexterm.LoginWithDevice(ctx, address, func(string, time.Time) error { time.AfterFunc(100*time.Millisecond, cancel); return nil })
	failure(t, err, context.Canceled, 0, "given up")
}

// What clients of other makes keep in a configuration survives a change.
func TestUnknownMembersSurvive(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), account(t, "keeper")
	id := must[*nexterm.EntryCreated](t)(c.Entries.Create(ctx, nexterm.NewEntry{
		Name: "web", Config: nexterm.EntryConfig{
			Protocol: "ssh", IP: "web.example.com", Port: 22, MonitoringEnabled: nexterm.Value(false),
			Extra: map[string]any{"ForwardAgent": "yes", "big": int64(9007199254740993)},
		},
	})).ID
	config := must[*nexterm.Entry](t)(c.Entries.Get(ctx, id)).Config
	config.Port = 2222
	if err := c.Entries.Update(ctx, id, nexterm.EntryPatch{Config: &config}); err != nil {
		t.Fatal(err)
	}
	changed := must[*nexterm.Entry](t)(c.Entries.Get(ctx, id)).Config
	monitored, known := changed.MonitoringEnabled.Get()
	if changed.Port != 2222 || monitored || !known || fmt.Sprint(changed.Extra) != "map[ForwardAgent:yes big:9007199254740993]" {
		t.Errorf("%+v", changed)
	}
}

func TestFieldsThatAreTakenAway(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), account(t, "tidy")
	folder := must[*nexterm.FolderCreated](t)(c.Folders.Create(ctx, nexterm.NewFolder{Name: "Web servers"})).ID
	id := must[*nexterm.EntryCreated](t)(c.Entries.Create(ctx, nexterm.NewEntry{
		Name: "web", FolderID: folder, Config: nexterm.EntryConfig{Protocol: "ssh", IP: "web.example.com"},
	})).ID
	entry := must[*nexterm.Entry](t)(c.Entries.Get(ctx, id))
	if entry.FolderID != nexterm.Value(folder) || !entry.OrganizationID.IsNull() {
		t.Errorf("%v %v", entry.FolderID, entry.OrganizationID)
	}
	tree := must[[]nexterm.EntryNode](t)(c.Entries.Tree(ctx))
	if len(tree) != 1 || tree[0].Folder == nil || len(tree[0].Folder.Entries) != 1 || tree[0].Folder.Entries[0].Server.ID != id {
		t.Errorf("%+v", tree)
	}
	if err := c.Entries.Update(ctx, id, nexterm.EntryPatch{FolderID: nexterm.Null[int64]()}); err != nil {
		t.Fatal(err)
	}
	if entry = must[*nexterm.Entry](t)(c.Entries.Get(ctx, id)); !entry.FolderID.IsNull() || entry.Name != "web" {
		t.Errorf("%v %s", entry.FolderID, entry.Name)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), account(t, "busy")
	for i := range 7 {
		must[*nexterm.SnippetCreated](t)(c.Snippets.Create(ctx, nexterm.NewSnippet{Name: fmt.Sprintf("snippet %d", i), Command: "true"}))
	}
	all := c.Audit.AllLogs(ctx, nexterm.ListAuditLogsQuery{Action: "snippet.create", Limit: 3})
	// A second walk begins anew, wherever the first was left.
	for _, rows := range []int{4, 7} {
		seen := map[int64]bool{}
		for log, err := range all {
			if err != nil {
				t.Fatal(err)
			}
			if seen[log.ID] = true; len(seen) == rows {
				break
			}
		}
		if len(seen) != rows {
			t.Errorf("%d rows", len(seen))
		}
	}
	admin, users := signIn(t), 0
	for user, err := range admin.Users.All(ctx, nexterm.ListUsersQuery{Search: username, Limit: 1}) {
		if err != nil || user.Username != username {
			t.Error(user.Username, err)
		}
		users++
	}
	if users != 1 {
		t.Errorf("%d users", users)
	}
	for _, err := range c.Users.All(ctx) {
		failure(t, err, nexterm.ErrForbidden, 403, "Users.List: ")
	}
}

func TestPictures(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), account(t, "pretty")
	picture := must[[]byte](t)(base64.StdEncoding.DecodeString("UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAwA0JaQAA3AA/vuUAAA="))
	must[*nexterm.AvatarStored](t)(c.Account.SetAvatar(ctx, picture))
	id := must[*nexterm.Me](t)(c.Account.Get(ctx)).ID
	if stored := must[[]byte](t)(c.Account.GetAvatar(ctx, id)); !bytes.Equal(stored, picture) {
		t.Errorf("%q", stored)
	}
}

func TestRequiredListsAreNeverNull(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), signIn(t)
	lonely := must[*nexterm.Me](t)(account(t, "lonely").Account.Get(ctx))
	permissions := must[*nexterm.UserPermissions](t)(c.Groups.UpdateUserGroups(ctx, lonely.ID, nexterm.UserRoles{}))
	if len(permissions.GroupIDs) > 1 {
		t.Error(permissions.GroupIDs)
	}
}
