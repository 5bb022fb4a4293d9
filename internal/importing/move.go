package importing

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// Move says how a database of the original is brought over.
type Move struct {
	DryRun bool
	// Password keeps the password of an account before it is made. Without it nobody
	// knows the password, until an administrator sets one.
	Password func(username string, password nexterm.Secret) error
	// Progress is told how many of an owner's things are done.
	Progress func(done, all int64)
}

// errPassword is a password that nobody would know.
var errPassword = errors.New("a password cannot be kept")

// moving is what has become of the original's accounts so far.
type moving struct {
	Move
	admin    *nexterm.Client
	me       int64
	accounts map[int64]*movedAccount
	results  []Result
}

// movedAccount is an account by the name that it has in both.
type movedAccount struct {
	username string
	// id is 0 if there is no account yet; missing says why there will be none.
	id      int64
	missing error
	client  *nexterm.Client
}

// BringOriginal brings a whole database of the original over, as an administrator:
// accounts, of which those of the same name count as there, and in a session of each
// account what belongs to it and to its organizations. Only the API is needed, so that
// every rule and limit of the server holds, and its audit log says who has done it.
func BringOriginal(ctx context.Context, admin *nexterm.Client, original *Original, move Move) (results []Result, err error) {
	m := &moving{Move: move, admin: admin, accounts: map[int64]*movedAccount{}}
	defer func() {
		// Sessions end also after an interruption.
		for _, account := range m.accounts {
			if account.client == nil || account.client == admin {
				continue
			}
			if failure := account.client.Logout(context.WithoutCancel(ctx)); !errors.Is(failure, nexterm.ErrUnauthorized) {
				err = errors.Join(err, failure)
			}
		}
	}()
	for _, step := range []func(context.Context, *Original) error{m.bringAccounts, m.bringPersonal, m.bringOrganizations} {
		if err := step(ctx, original); err != nil {
			return m.results, err
		}
	}
	return m.results, nil
}

// report says what has become of something. An error is one for all that follow.
func (m *moving) report(r Result, err error) error {
	if hopeless(err) {
		return err
	}
	r.Name, r.Owner = visible(r.Name), visible(r.Owner)
	if err != nil {
		r.Status, r.Reason = Failed, reason(err)
	} else if r.Status == Created && m.DryRun {
		r.Status = Create
	}
	m.results = append(m.results, r)
	return nil
}

func (m *moving) bringAccounts(ctx context.Context, original *Original) error {
	me, err := m.admin.Account.Get(ctx)
	if err != nil {
		return err
	}
	// Half of it would be done before a server could refuse the rest.
	for _, needed := range []string{"users.view", "users.manage", "users.impersonate"} {
		if !slices.Contains(me.Permissions, needed) {
			return fmt.Errorf("%w: it takes an administrator, or the permission %s", nexterm.ErrForbidden, needed)
		}
	}
	if strings.HasPrefix(string(m.admin.Token()), "nxt_") && !m.DryRun {
		return fmt.Errorf("%w: API keys cannot act for others: sign in by `nexterm login`", nexterm.ErrForbidden)
	}
	m.me = me.ID
	there := map[string]int64{}
	for user, err := range m.admin.Users.All(ctx, nexterm.ListUsersQuery{Limit: 100}) {
		if err != nil {
			return err
		}
		there[strings.ToLower(user.Username)] = user.ID
	}
	for _, account := range original.Accounts {
		moved := &movedAccount{username: account.Username, id: there[strings.ToLower(account.Username)]}
		m.accounts[account.ID] = moved
		status := Exists
		if moved.id == 0 {
			status, moved.missing = Created, m.makeAccount(ctx, account, moved)
		}
		if err := m.report(Result{Kind: KindAccount, Name: account.Username, Status: status}, moved.missing); err != nil {
			return err
		}
	}
	return nil
}

// usernames are those that the server takes; asking it would cost a password.
var usernames = regexp.MustCompile(`^[a-zA-Z0-9]{3,15}$`)

func (m *moving) makeAccount(ctx context.Context, account OriginalAccount, moved *movedAccount) error {
	if !usernames.MatchString(account.Username) {
		return errors.New("names of accounts are 3 to 15 letters and digits here")
	}
	if m.DryRun {
		return nil
	}
	password := nexterm.Secret(rand.Text())
	if m.Password != nil {
		// Before the account is made: a password that opens nothing is better than none for one.
		if err := m.Password(account.Username, password); err != nil {
			return fmt.Errorf("%w: %w", errPassword, err)
		}
	}
	created, err := m.admin.Users.Create(ctx, nexterm.NewAccount{
		Username: account.Username, Password: password,
		FirstName: cmp.Or(account.FirstName, account.Username), LastName: cmp.Or(account.LastName, account.Username),
	})
	if err == nil {
		moved.id = created.ID
	}
	return err
}

// as is a client in a session of the account; nil if there is no account yet, or if
// nothing is to be written, not even a session.
func (m *moving) as(ctx context.Context, account *movedAccount) (*nexterm.Client, error) {
	switch {
	case account == nil:
		return nil, errors.New("its account is not in the database")
	case account.missing != nil:
		return nil, fmt.Errorf("its account %q is missing: %s", account.username, reason(account.missing))
	case account.client != nil:
		return account.client, nil
	case account.id == m.me:
		account.client = m.admin
		return m.admin, nil
	case m.DryRun:
		return nil, nil
	}
	session, err := m.admin.Users.Impersonate(ctx, account.id)
	if err != nil {
		return nil, err
	}
	account.client = m.admin.As(session.Token)
	return account.client, nil
}

func (m *moving) bringPersonal(ctx context.Context, original *Original) error {
	owners := map[Owner]bool{}
	for owner := range original.Things {
		owners[owner] = true
	}
	for owner := range original.Texts {
		owners[owner] = true
	}
	for _, owner := range slices.SortedFunc(maps.Keys(owners), func(a, b Owner) int { return cmp.Compare(a.Account, b.Account) }) {
		if owner.Organization != 0 {
			continue
		}
		account := m.accounts[owner.Account]
		client, err := m.as(ctx, account)
		if hopeless(err) {
			return err
		}
		name := ""
		if account != nil {
			name = account.username
		}
		if err := m.bringThings(ctx, client, original, owner, name, 0, err); err != nil {
			return err
		}
	}
	return nil
}

// bringThings brings what an owner has. A missing owner fails all of it.
func (m *moving) bringThings(ctx context.Context, client *nexterm.Client, original *Original, owner Owner, name string, organization int64, missing error) error {
	rows := original.Things[owner]
	if missing != nil {
		for _, row := range rows {
			r := Result{Kind: row.Kind, Owner: name, Name: row.Name, Folder: strings.Join(row.Folder, "/"), Status: Skipped, Reason: row.Skip}
			if err := m.report(r, unlessSkipped(row.Skip, missing)); err != nil {
				return err
			}
		}
	} else {
		results, err := Bring(ctx, client, rows, Destination{Organization: organization, DryRun: m.DryRun, Progress: m.Progress})
		for _, r := range results {
			r.Owner, r.File = visible(name), ""
			m.results = append(m.results, r)
		}
		if err != nil {
			return err
		}
	}
	return m.bringTexts(ctx, client, original.Texts[owner], name, organization, missing)
}

func unlessSkipped(skip string, err error) error {
	if skip != "" {
		return nil
	}
	return err
}

func (m *moving) bringTexts(ctx context.Context, client *nexterm.Client, texts []Text, owner string, organization int64, missing error) error {
	there := map[[2]string]bool{}
	if client != nil && missing == nil && len(texts) > 0 {
		scripts, err := client.Scripts.ListAll(ctx)
		if err != nil {
			return err
		}
		snippets, err := client.Snippets.List(ctx)
		if err != nil {
			return err
		}
		for _, s := range scripts {
			there[[2]string{s.Name, s.Content}] = there[[2]string{s.Name, s.Content}] || s.OrganizationID.Or(0) == organization
		}
		for _, s := range snippets {
			there[[2]string{"\x00" + s.Name, s.Command}] = there[[2]string{"\x00" + s.Name, s.Command}] || s.OrganizationID.Or(0) == organization
		}
	}
	for _, text := range texts {
		kind, key := KindScript, [2]string{text.Name, text.Content}
		if text.Snippet {
			kind, key[0] = KindSnippet, "\x00"+text.Name
		}
		r := Result{Kind: kind, Owner: owner, Name: text.Name, Status: Created, Reason: text.Skip}
		var err error
		switch {
		case text.Skip != "":
			r.Status = Skipped
		case missing != nil:
			err = missing
		case there[key]:
			r.Status = Exists
		case m.DryRun:
		case text.Snippet:
			_, err = client.Snippets.Create(ctx, nexterm.NewSnippet{
				Name: text.Name, Command: text.Content, Description: text.Description, OSFilter: text.OSFilter, OrganizationID: organization,
			})
		default:
			_, err = client.Scripts.Create(ctx, nexterm.NewScript{
				Name: text.Name, Content: text.Content, Description: text.Description, OSFilter: text.OSFilter, OrganizationID: organization,
			})
		}
		there[key] = there[key] || err == nil && r.Status == Created
		if err := m.report(r, err); err != nil {
			return err
		}
	}
	return nil
}
