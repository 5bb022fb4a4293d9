package manifest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// atOnce is how many requests are under way: as many as the server lets an account
// have.
const atOnce = 4

// state is what the caller has at the server now.
type state struct {
	me     *nexterm.Me
	limits *nexterm.Limits
	tags   []nexterm.Tag
	// owners are the caller first, and then the organizations that the caller is in.
	owners []*owned
	// groups are of the whole server, read only where they matter.
	groups  []nexterm.GroupDetails
	catalog *nexterm.PermissionCatalogs
}

// owned is what an owner has.
type owned struct {
	// organization is nil for the caller.
	organization *nexterm.Organization
	members      []nexterm.Member
	// permissions are those of active members, by account.
	permissions map[int64]*nexterm.MemberPermissions
	identities  []nexterm.Identity
	folders     []folder
	entries     []entry
	scripts     []nexterm.Script
	snippets    []nexterm.Snippet
}

// folder and entry have paths; managed ones belong to an integration and are left alone.
type folder struct {
	id      int64
	path    string
	managed bool
}

type entry struct {
	nexterm.Entry
	folder  string
	managed bool
}

func (e entry) path() string { return join(e.folder, e.Name) }

// wanted says what is read besides what every file is about.
type wanted struct {
	groups bool
	// members says whether those of an organization are, and permissions whether theirs are.
	members, permissions func(organization string) bool
}

// read takes one request for each list, and as few as possible for the rest.
func read(ctx context.Context, c *nexterm.Client, want wanted) (*state, error) {
	s := &state{}
	var (
		organizations []nexterm.Organization
		folders       []nexterm.Folder
		entries       []nexterm.Entry
		identities    []nexterm.Identity
		scripts       []nexterm.Script
		snippets      []nexterm.Snippet
	)
	work, asked := errgroup.WithContext(ctx)
	work.SetLimit(atOnce)
	list(asked, work, &entries, c.Entries.List)
	list(asked, work, &s.me, c.Account.Get)
	list(asked, work, &organizations, c.Organizations.List)
	list(asked, work, &folders, c.Folders.List)
	list(asked, work, &identities, c.Identities.List)
	list(asked, work, &scripts, c.Scripts.ListAll)
	list(asked, work, &snippets, c.Snippets.List)
	list(asked, work, &s.tags, c.Tags.List)
	list(asked, work, &s.limits, c.Server.GetLimits)
	if err := work.Wait(); err != nil {
		return nil, err
	}
	of := map[int64]*owned{0: {}}
	s.owners = []*owned{of[0]}
	for i := range organizations {
		o := &owned{organization: &organizations[i]}
		of[o.organization.ID] = o
		s.owners = append(s.owners, o)
	}
	// What has come since the organizations were read is left out.
	for _, i := range identities {
		if o := of[i.OrganizationID.Or(0)]; o != nil {
			o.identities = append(o.identities, i)
		}
	}
	for _, t := range scripts {
		if o := of[t.OrganizationID.Or(0)]; o != nil && !has(t.SourceID) {
			o.scripts = append(o.scripts, t)
		}
	}
	for _, t := range snippets {
		if o := of[t.OrganizationID.Or(0)]; o != nil && !has(t.SourceID) {
			o.snippets = append(o.snippets, t)
		}
	}
	s.placeEntries(of, folders, entries)
	return s, s.readMembers(ctx, c, want)
}

// has reports whether there is a value that is not null.
func has[T any](o nexterm.Optional[T]) bool {
	_, found := o.Get()
	return found
}

func list[T any](ctx context.Context, work *errgroup.Group, into *T, call func(context.Context) (T, error)) {
	work.Go(func() (err error) {
		*into, err = call(ctx)
		return err
	})
}

// placeEntries gives folders and entries their paths, in the order of the tree.
func (s *state) placeEntries(of map[int64]*owned, folders []nexterm.Folder, entries []nexterm.Entry) {
	byID := make(map[int64]folder, len(folders))
	place := make(map[int64]int, len(folders))
	for i, f := range folders { // parents come first
		placed := folder{f.ID, join(byID[f.ParentID.Or(0)].path, f.Name), has(f.Type) || has(f.IntegrationID)}
		byID[f.ID], place[f.ID] = placed, i+1
		if o := of[f.OrganizationID.Or(0)]; o != nil {
			o.folders = append(o.folders, placed)
		}
	}
	for _, e := range entries {
		if o := of[e.OrganizationID.Or(0)]; o != nil {
			o.entries = append(o.entries, entry{e, byID[e.FolderID.Or(0)].path, has(e.IntegrationID)})
		}
	}
	for _, o := range s.owners {
		slices.SortStableFunc(o.entries, func(a, b entry) int {
			return place[a.FolderID.Or(0)] - place[b.FolderID.Or(0)]
		})
	}
}

// readMembers asks for what there is one request each for, and for groups where the
// caller may see them.
func (s *state) readMembers(ctx context.Context, c *nexterm.Client, want wanted) error {
	work, asked := errgroup.WithContext(ctx)
	work.SetLimit(atOnce)
	var groups []nexterm.GroupSummary
	if want.groups && slices.Contains(s.me.Permissions, "permissions.manage") {
		list(asked, work, &groups, c.Groups.List)
		list(asked, work, &s.catalog, c.Groups.GetPermissionCatalog)
	}
	for _, o := range s.owners[1:] {
		if want.members(o.organization.Name) {
			list(asked, work, &o.members, func(ctx context.Context) ([]nexterm.Member, error) {
				return c.Organizations.ListMembers(ctx, o.organization.ID)
			})
		}
	}
	if err := work.Wait(); err != nil {
		return err
	}
	work, asked = errgroup.WithContext(ctx)
	work.SetLimit(atOnce)
	s.groups = make([]nexterm.GroupDetails, len(groups))
	for i, g := range groups {
		work.Go(func() error {
			details, err := c.Groups.Get(asked, g.ID)
			if err == nil {
				s.groups[i] = *details
			}
			return err
		})
	}
	var lock sync.Mutex
	for _, o := range s.owners[1:] {
		o.permissions = map[int64]*nexterm.MemberPermissions{}
		if !want.permissions(o.organization.Name) || !slices.Contains(o.organization.Permissions, "org.members.manage") {
			continue
		}
		for _, m := range o.members {
			if m.Role == nexterm.OrganizationRoleOwner || m.Status != nexterm.MemberStatusActive {
				continue
			}
			work.Go(func() error {
				permissions, err := c.Organizations.GetMemberPermissions(asked, o.organization.ID, m.AccountID)
				lock.Lock()
				defer lock.Unlock()
				o.permissions[m.AccountID] = permissions
				return err
			})
		}
	}
	return work.Wait()
}

func (o *owned) name() string {
	if o.organization == nil {
		return "personal"
	}
	return o.organization.Name
}

// spellings are how references to entries and identities are written, by id.
type spellings struct{ entries, identities map[int64]reference }

// spellings are those of an owner's file: what others have is told from its own.
func (s *state) spellings(from *owned) spellings {
	written := spellings{map[int64]reference{}, map[int64]reference{}}
	for _, o := range s.owners {
		ref := func(name string) reference { return reference{Name: name} }
		if o != from {
			organization := ""
			if o.organization != nil {
				organization = o.organization.Name
			}
			ref = func(name string) reference { return reference{name, organization, true} }
		}
		for _, e := range o.entries {
			written.entries[e.ID] = ref(e.path())
		}
		for _, i := range o.identities {
			written.identities[i.ID] = ref(i.Name)
		}
	}
	return written
}

// twice are the names that several of an owner's things have, of each kind.
func (o *owned) twice() (all []string) {
	names := map[string][]string{}
	for _, i := range o.identities {
		names["identity"] = append(names["identity"], i.Name)
	}
	for _, f := range o.folders {
		if !f.managed {
			names["folder"] = append(names["folder"], f.path)
		}
	}
	for _, e := range o.entries {
		if !e.managed {
			names["entry"] = append(names["entry"], e.path())
		}
	}
	for _, t := range o.scripts {
		names["script"] = append(names["script"], t.Name)
	}
	for _, t := range o.snippets {
		names["snippet"] = append(names["snippet"], t.Name)
	}
	for _, kind := range []string{"identity", "folder", "entry", "script", "snippet"} {
		slices.Sort(names[kind])
		for i, name := range names[kind] {
			if i > 0 && names[kind][i-1] == name && (i == 1 || names[kind][i-2] != name) {
				all = append(all, fmt.Sprintf("%s: %s %s", show(o.name()), kind, show(name)))
			}
		}
	}
	return all
}

// upper is a name as part of a variable's.
func upper(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}
