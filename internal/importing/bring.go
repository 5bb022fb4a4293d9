package importing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// Destination is where rows go.
type Destination struct {
	// Organization owns what is made; the caller does at 0.
	Organization int64
	// Folder is the folder around those of the rows.
	Folder []string
	// DryRun makes nothing.
	DryRun bool
	// Progress is told how many of all rows are done.
	Progress func(done, all int64)
}

// Statuses of a row.
const (
	Created = "created"
	Create  = "create" // what a dry run says for Created
	Exists  = "exists"
	Skipped = "skipped"
	Failed  = "failed"
)

// Result is what has become of a row.
type Result struct {
	Kind    Kind   `json:"kind,omitempty"`
	Owner   string `json:"owner,omitempty"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Name    string `json:"name"`
	Folder  string `json:"folder"`
	Status  string `json:"status"`
	Reason  string `json:"reason,omitempty"`
	EntryID int64  `json:"entryId,omitempty"`
}

// Bring makes entries of the rows that are not there yet, with their folders and
// identities, and says of each row in their order what has become of it. A row is
// there if its owner has an entry of its folder, name, protocol, host and port; to a
// dry run without a client nothing is there. An error is one that concerns all that
// follow; the results until then come with it, and the next run makes the rest.
//
// The API's import of SSH configurations would take less requests. But it wants a
// folder, knows one protocol, passes over a name that the folder has for another host,
// and has the audit log say that all of it came from an SSH configuration.
func Bring(ctx context.Context, client *nexterm.Client, rows []*Row, to Destination) ([]Result, error) {
	b := &bringing{client: client, to: to, rows: make(map[*Row]*Result, len(rows))}
	b.folders, b.entries, b.identities = map[folderKey]made{}, map[entryKey]int64{}, map[identityKey]made{}
	if client != nil {
		if err := b.look(ctx); err != nil {
			return nil, err
		}
	}
	b.nameLogins(rows)
	var failure error
	results := make([]Result, 0, len(rows))
	for i, row := range rows {
		if failure == nil {
			_, failure = b.row(ctx, row)
		}
		if to.Progress != nil && failure == nil {
			to.Progress(int64(i+1), int64(len(rows)))
		}
		if result := b.rows[row]; result != nil && result.Status != "" {
			results = append(results, *result)
		}
	}
	return results, failure
}

// bringing is what there is already, and what has become of the rows so far.
type bringing struct {
	client     *nexterm.Client
	to         Destination
	folders    map[folderKey]made
	entries    map[entryKey]int64
	identities map[identityKey]made
	labels     map[Login]string
	rows       map[*Row]*Result
	fakes      int64
}

type (
	folderKey struct {
		parent int64
		name   string
	}
	entryKey struct {
		folder               int64
		name, protocol, host string
		port                 int
	}
	identityKey struct{ name, username string }
	// made is something that could be made, or not.
	made struct {
		id  int64
		err error
	}
)

// look reads what the owner has, in three requests.
func (b *bringing) look(ctx context.Context) error {
	folders, err := b.client.Folders.List(ctx)
	if err != nil {
		return err
	}
	entries, err := b.client.Entries.List(ctx)
	if err != nil {
		return err
	}
	identities, err := b.client.Identities.List(ctx)
	if err != nil {
		return err
	}
	owned := func(organization nexterm.Optional[int64]) bool { return organization.Or(0) == b.to.Organization }
	for _, f := range folders {
		// An integration's folders take nothing from others.
		if key := (folderKey{f.ParentID.Or(0), f.Name}); owned(f.OrganizationID) && f.Type.Or("") == "" && b.folders[key].id == 0 {
			b.folders[key] = made{id: f.ID}
		}
	}
	for _, e := range entries {
		if owned(e.OrganizationID) {
			b.entries[keyOf(e.FolderID.Or(0), e.Name, e.Config)] = e.ID
		}
	}
	for _, i := range identities {
		if key := (identityKey{i.Name, i.Username.Or("")}); owned(i.OrganizationID) && b.identities[key].id == 0 {
			b.identities[key] = made{id: i.ID}
		}
	}
	return nil
}

func keyOf(folder int64, name string, config nexterm.EntryConfig) entryKey {
	if config.Port == 0 {
		config.Port = defaultPorts[config.Protocol]
	}
	return entryKey{folder, name, config.Protocol, strings.ToLower(config.IP), config.Port}
}

// nameLogins gives the identities their names, each its own.
func (b *bringing) nameLogins(rows []*Row) {
	b.labels = map[Login]string{}
	taken := map[identityKey]bool{}
	for _, row := range rows {
		for _, login := range row.Logins {
			if _, named := b.labels[login]; named {
				continue
			}
			label := login.label(strings.Join(append(b.path(row), row.Name), "/"))
			for i, first := 2, label; taken[identityKey{label, login.Username}]; i++ {
				label = fmt.Sprintf("%s %d", first, i)
			}
			taken[identityKey{label, login.Username}] = true
			b.labels[login] = label
		}
	}
}

// row makes the entry of a row, after those of the hosts on its way, and returns its
// id; 0 if there is none. An error is one for all rows.
func (b *bringing) row(ctx context.Context, row *Row) (int64, error) {
	if result := b.rows[row]; result != nil {
		return result.EntryID, nil
	}
	result := &Result{Kind: row.Kind, File: row.File, Line: row.Line, Name: visible(row.Name), Folder: visible(strings.Join(b.path(row), "/"))}
	b.rows[row] = result
	if row.Skip != "" {
		result.Status, result.Reason = Skipped, row.Skip
		return 0, nil
	}
	status, id, err := b.thing(ctx, row)
	if err != nil {
		if hopeless(err) {
			return 0, err
		}
		result.Status, result.Reason = Failed, reason(err)
		return 0, nil
	}
	result.Status, result.EntryID, result.Reason = status, id, row.Note
	if status == Exists {
		result.Reason = ""
	}
	return id, nil
}

// visible is a text from a foreign file for a terminal.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, shorten(strings.ToValidUTF8(text, string(unicode.ReplacementChar))))
}

// path is the folder of a row, with that around it.
func (b *bringing) path(row *Row) []string {
	return append(b.to.Folder[:len(b.to.Folder):len(b.to.Folder)], row.Folder...)
}

// thing makes what a row is.
func (b *bringing) thing(ctx context.Context, row *Row) (status string, id int64, err error) {
	if row.Kind == "" {
		return b.entry(ctx, row)
	}
	before := len(b.folders) + len(b.identities)
	if row.Kind == KindFolder {
		_, err = b.folder(ctx, b.path(row))
	} else {
		_, err = b.identity(ctx, row.Logins[0])
	}
	switch {
	case err != nil:
		return "", 0, err
	case len(b.folders)+len(b.identities) == before:
		return Exists, 0, nil
	case b.to.DryRun:
		return Create, 0, nil
	}
	return Created, 0, nil
}

func (b *bringing) entry(ctx context.Context, row *Row) (status string, id int64, err error) {
	config := row.Config
	if config.Port == 0 {
		config.Port = defaultPorts[config.Protocol]
	}
	checked := *row
	checked.Config, checked.Folder = config, b.path(row)
	if problem := checked.problem(); problem != "" {
		return "", 0, errors.New(problem)
	}
	for _, hop := range row.Via {
		hopID, err := b.row(ctx, hop)
		switch {
		case err != nil:
			return "", 0, err
		case b.rows[hop].Status == "":
			return "", 0, errors.New("its jump hosts lead back to itself")
		case hopID == 0:
			return "", 0, fmt.Errorf("its jump host %q is %s: %s", hop.Name, b.rows[hop].Status, b.rows[hop].Reason)
		}
		config.JumpHosts = append(config.JumpHosts, hopID)
	}
	folder, err := b.folder(ctx, checked.Folder)
	if err != nil {
		return "", 0, err
	}
	key := keyOf(folder, row.Name, config)
	if id := b.entries[key]; id != 0 {
		return Exists, id, nil
	}
	entry := nexterm.NewEntry{Name: row.Name, Icon: row.Icon, Config: config, FolderID: folder, OrganizationID: b.to.Organization}
	for _, login := range row.Logins {
		identity, err := b.identity(ctx, login)
		if err != nil {
			return "", 0, err
		}
		entry.Identities = append(entry.Identities, identity)
	}
	if b.to.DryRun {
		b.entries[key] = b.fake()
		return Create, b.entries[key], nil
	}
	created, err := b.client.Entries.Create(ctx, entry)
	if err != nil {
		return "", 0, err
	}
	b.entries[key] = created.ID
	return Created, created.ID, nil
}
