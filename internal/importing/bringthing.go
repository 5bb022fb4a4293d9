package importing

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// folder finds or makes a folder, and remembers it if it cannot be made.
func (b *bringing) folder(ctx context.Context, path []string) (parent int64, err error) {
	if len(path) > maxContainers {
		return 0, fmt.Errorf("its folders nest deeper than %d", maxContainers)
	}
	for _, name := range path {
		if _, known := b.folders[folderKey{parent, name}]; !known && utf8.RuneCountInString(name) < 3 {
			// Other programs have shorter names than a new folder can have.
			name += " folder"
		}
		key := folderKey{parent, name}
		if _, known := b.folders[key]; !known {
			id, err := b.makeFolder(ctx, nexterm.NewFolder{Name: name, ParentID: parent, OrganizationID: b.to.Organization})
			if hopeless(err) {
				return 0, err
			}
			b.folders[key] = made{id, err}
		}
		if err := b.folders[key].err; err != nil {
			return 0, fmt.Errorf("the folder %q: %s", name, reason(err))
		}
		parent = b.folders[key].id
	}
	return parent, nil
}

func (b *bringing) makeFolder(ctx context.Context, folder nexterm.NewFolder) (int64, error) {
	if b.to.DryRun {
		return b.fake(), nil
	}
	created, err := b.client.Folders.Create(ctx, folder)
	if err != nil {
		return 0, err
	}
	return created.ID, nil
}

// identity finds or makes the identity of a login. What is there keeps its secrets.
func (b *bringing) identity(ctx context.Context, login Login) (int64, error) {
	name := b.labels[login]
	key := identityKey{name, login.Username}
	if _, known := b.identities[key]; !known {
		id, err := b.makeIdentity(ctx, nexterm.NewIdentity{
			Name: name, Type: login.identityType(), Username: login.Username, OrganizationID: b.to.Organization,
			Password: login.Password, SSHKey: login.Key, Passphrase: login.Passphrase,
		})
		if hopeless(err) {
			return 0, err
		}
		b.identities[key] = made{id, err}
	}
	if err := b.identities[key].err; err != nil {
		return 0, fmt.Errorf("the identity %q: %s", name, reason(err))
	}
	return b.identities[key].id, nil
}

func (b *bringing) makeIdentity(ctx context.Context, identity nexterm.NewIdentity) (int64, error) {
	if b.to.DryRun {
		return b.fake(), nil
	}
	created, err := b.client.Identities.Create(ctx, identity)
	if err != nil {
		return 0, err
	}
	return created.ID, nil
}

// fake is an id in a dry run, which no server gives out.
func (b *bringing) fake() int64 { b.fakes--; return b.fakes }

// hopeless failures would meet every following row too.
func hopeless(err error) bool {
	for _, kind := range []error{
		errPassword, context.Canceled, context.DeadlineExceeded, nexterm.ErrUnauthorized, nexterm.ErrTooManyRequests, nexterm.ErrUnavailable, nexterm.ErrUnexpected,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// reason is a failure in the server's own words.
func reason(err error) string {
	if failure, is := errors.AsType[*nexterm.Error](err); is && failure.Message != "" {
		return failure.Message
	}
	return err.Error()
}
