package importing

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// Owner is an account or an organization of the original's database, by its id there.
type Owner struct{ Account, Organization int64 }

// Original is what a database of the original product has that can be brought over.
type Original struct {
	Accounts      []OriginalAccount
	Organizations []OriginalOrganization
	// Things are folders, identities and entries, each of them a row.
	Things map[Owner][]*Row
	Texts  map[Owner][]Text
	// Left is what is not understood or not brought over.
	Left []string
}

// OriginalAccount is an account, which has its password and its second factor no more.
type OriginalAccount struct {
	ID                            int64
	Username, FirstName, LastName string
}

// OriginalOrganization is an organization with its members' accounts.
type OriginalOrganization struct {
	ID                int64
	Name, Description string
	// Owner is 0 if there is none.
	Owner           int64
	Active, Pending []int64
}

// Text is a script or a snippet.
type Text struct {
	Snippet                    bool
	Name, Content, Description string
	OSFilter                   []string
	Skip                       string
}

// ReadOriginal reads the database of the original product, whatever version of its
// schema it has.
func ReadOriginal(ctx context.Context, name string, key nexterm.Secret) (*Original, error) {
	seal, err := newOriginalSeal(key)
	if err != nil {
		return nil, err
	}
	d, err := openDatabase(ctx, name)
	if err != nil {
		return nil, err
	}
	r := &originalReader{
		database: d, seal: seal, Original: &Original{Things: map[Owner][]*Row{}, Texts: map[Owner][]Text{}},
		folders: map[int64]*originalFolder{}, identities: map[int64]*originalIdentity{}, entries: map[int64]*Row{}, via: map[*Row][]int64{},
	}
	return r.Original, cmp.Or(r.read(), d.conn.Close())
}

type originalReader struct {
	*database
	*Original
	seal       *originalSeal
	folders    map[int64]*originalFolder
	identities map[int64]*originalIdentity
	entries    map[int64]*Row
	via        map[*Row][]int64
}

type originalFolder struct {
	name   string
	parent int64
	owner  Owner
	// managed are the folders of an integration.
	managed bool
}

type originalIdentity struct {
	owner Owner
	row   *Row
}

func (r *originalReader) read() error {
	if !r.has("accounts", "id", "username") || !r.has("folders", "id", "name") || !r.has("identities", "id", "name") {
		return fmt.Errorf("%s is no database of Nexterm: it lacks tables that all its versions have", r.name)
	}
	for _, step := range []func() error{r.readAccounts, r.readOrganizations, r.readFolders, r.readIdentities, r.readEntries, r.readServers, r.readTexts} {
		if err := step(); err != nil {
			return err
		}
	}
	if r.seal.opened == 0 && r.seal.failed > 0 {
		return fmt.Errorf("the key opens none of the %d secrets in %s: it is another server's", r.seal.failed, r.name)
	}
	left, err := r.unread()
	r.Left = append(r.Left, left...)
	return err
}

func ownerOf(row record) Owner {
	if organization := row.numbers["organizationId"]; organization != 0 {
		return Owner{Organization: organization}
	}
	return Owner{Account: row.numbers["accountId"]}
}

func (r *originalReader) readAccounts() error {
	return r.each("accounts", []string{"id", "username", "firstName", "lastName"}, func(row record) error {
		r.Accounts = append(r.Accounts, OriginalAccount{
			ID: row.numbers["id"], Username: row.texts["username"], FirstName: row.texts["firstName"], LastName: row.texts["lastName"],
		})
		return nil
	})
}

func (r *originalReader) readOrganizations() error {
	place := map[int64]int{}
	err := r.each("organizations", []string{"id", "name", "description", "ownerId"}, func(row record) error {
		place[row.numbers["id"]] = len(r.Organizations)
		r.Organizations = append(r.Organizations, OriginalOrganization{
			ID: row.numbers["id"], Name: row.texts["name"], Description: row.texts["description"], Owner: row.numbers["ownerId"],
		})
		return nil
	})
	if err != nil {
		return err
	}
	return r.each("organization_members", []string{"organizationId", "accountId", "role", "status"}, func(row record) error {
		i, known := place[row.numbers["organizationId"]]
		if !known {
			return nil
		}
		switch o, account := &r.Organizations[i], row.numbers["accountId"]; {
		case row.texts["role"] == "owner":
			o.Owner = account
		case row.texts["status"] == "active":
			o.Active = append(o.Active, account)
		default:
			o.Pending = append(o.Pending, account)
		}
		return nil
	})
}

func (r *originalReader) readFolders() error {
	err := r.each("folders", []string{"id", "name", "accountId", "organizationId", "parentId", "type", "integrationId"}, func(row record) error {
		r.folders[row.numbers["id"]] = &originalFolder{
			name: row.texts["name"], parent: row.numbers["parentId"], owner: ownerOf(row), managed: row.texts["type"] != "" || row.numbers["integrationId"] != 0,
		}
		return nil
	})
	for _, id := range slices.Sorted(maps.Keys(r.folders)) {
		row := &Row{File: r.name, Kind: KindFolder, Name: r.folders[id].name}
		owner, path, managed := r.place(id)
		switch {
		case managed:
			row.Skip = "an integration makes it"
		case owner == Owner{}:
			row.Skip = "it belongs to nobody"
		default:
			row.Folder = path
		}
		r.Things[owner] = append(r.Things[owner], row)
	}
	for _, rows := range r.Things {
		// Outer ones first, or they would be there before their turn.
		slices.SortStableFunc(rows, func(a, b *Row) int { return cmp.Compare(len(a.Folder), len(b.Folder)) })
	}
	return err
}

// place is whose a folder is, and its path. Folders of one owner in those of another,
// or in themselves, are at the top.
func (r *originalReader) place(id int64) (owner Owner, path []string, managed bool) {
	seen := map[int64]bool{}
	for folder := r.folders[id]; folder != nil && !seen[id] && len(path) <= maxContainers; folder = r.folders[id] {
		if owner != (Owner{}) && folder.owner != (Owner{}) && folder.owner != owner {
			break
		}
		if owner == (Owner{}) {
			owner = folder.owner
		}
		seen[id] = true
		path, managed, id = append(path, folder.name), managed || folder.managed, folder.parent
	}
	slices.Reverse(path)
	return owner, path, managed
}

func (r *originalReader) readTexts() error {
	read := func(table, content string, snippet bool) error {
		return r.each(table, []string{"id", "name", content, "description", "accountId", "organizationId", "sourceId", "osFilter"}, func(row record) error {
			text := Text{Snippet: snippet, Name: row.texts["name"], Content: row.texts[content], Description: row.texts["description"]}
			if filter := row.texts["osFilter"]; filter != "" && json.Unmarshal([]byte(filter), &text.OSFilter) != nil {
				text.Skip = "its filter cannot be read"
			}
			owner := ownerOf(row)
			switch {
			case row.numbers["sourceId"] != 0:
				text.Skip = "a source delivers it"
			case owner == Owner{}:
				text.Skip = "it belongs to nobody"
			}
			r.Texts[owner] = append(r.Texts[owner], text)
			return nil
		})
	}
	return cmp.Or(read("scripts", "content", false), read("snippets", "command", true))
}
