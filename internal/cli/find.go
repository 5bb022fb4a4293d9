package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nexterm-go/nexterm/internal/terminal"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// thing is what things of all kinds have: how they can be called.
type thing struct {
	id   int64
	name string
	// path is the name with the folders before it, where there are folders.
	path string
	// organization is the owner's id, 0 for what is personal.
	organization int64
}

// describe tells things of one name apart.
func (t thing) describe(s *session) string {
	where := t.name
	if t.path != "" {
		where = t.path
	}
	if t.organization != 0 {
		where += " of " + s.organizationName(t.organization)
	}
	return fmt.Sprintf("%s (id %d)", terminal.Clean(where), t.id)
}

// items are all things of a kind, or those of the organization that is asked for.
func (k kind[T]) items(s *session) ([]T, []thing, error) {
	all, err := k.list(s)
	if err != nil {
		return nil, nil, err
	}
	return k.asked(s, all)
}

// asked are the things that belong to whom --org names, if it does.
func (k kind[T]) asked(s *session, all []T) (items []T, things []thing, err error) {
	var organization int64
	var given bool
	if k.owned {
		if organization, given, err = s.organization(); err != nil {
			return nil, nil, err
		}
	}
	items = make([]T, 0, len(all)) // and never nil, which JSON would say
	for _, item := range all {
		if thing := k.thing(s, item); !given || thing.organization == organization {
			items, things = append(items, item), append(things, thing)
		}
	}
	return items, things, nil
}

// find finds the things that arguments name.
func (k kind[T]) find(s *session, args []string) (found []T, as []thing, err error) {
	items, things, err := k.among(s, args)
	if err != nil {
		return nil, nil, err
	}
	for _, arg := range args {
		i, err := pick(s, k.name, things, arg)
		if err != nil {
			return nil, nil, err
		}
		found, as = append(found, items[i]), append(as, things[i])
	}
	return found, as, nil
}

// among are the things that arguments may name: all of them, unless it is a single id.
func (k kind[T]) among(s *session, args []string) ([]T, []thing, error) {
	id, isID := asID(args[0])
	if !isID || len(args) > 1 || k.get == nil {
		return k.items(s)
	}
	item, err := k.get(s, id)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %d: %w", k.name, id, err)
	}
	return k.asked(s, []T{*item})
}

// reference is for fields and flags that name things of a kind.
type reference struct {
	name   string
	things func(s *session) ([]thing, error)
}

func (k kind[T]) reference() *reference {
	return &reference{k.name, func(s *session) ([]thing, error) {
		items, err := k.list(s)
		things := make([]thing, len(items))
		for i, item := range items {
			things[i] = k.thing(s, item)
		}
		return things, err
	}}
}

// id is the id of the thing that a text names.
func (r reference) id(s *session, text string) (int64, error) {
	things, err := r.things(s)
	if err != nil {
		return 0, err
	}
	i, err := pick(s, r.name, things, text)
	if err != nil {
		return 0, err
	}
	return things[i].id, nil
}

// calls are for each thing what it can be called by without a doubt: its name, its path
// and, always and last, its id.
func calls(things []thing) [][]string {
	count := map[string]int{}
	for _, t := range things {
		count[t.name]++
		if t.path != t.name {
			count[t.path]++
		}
	}
	all := make([][]string, len(things))
	for i, t := range things {
		for _, text := range []string{t.name, t.path} {
			if _, is := asID(text); text != "" && !is && count[text] == 1 && !slices.Contains(all[i], text) {
				all[i] = append(all[i], text)
			}
		}
		all[i] = append(all[i], strconv.FormatInt(t.id, 10))
	}
	return all
}

// asID says whether a text is an id, as ids are written. It is never a name then:
// whoever may name things could have one taken for another whose id it is called by.
func asID(text string) (int64, bool) {
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id > 0 && strconv.FormatInt(id, 10) == text
}

// pick finds the only thing that is called so.
func pick(s *session, kind string, things []thing, called string) (int, error) {
	id, isID := asID(called)
	var found []int
	for i, t := range things {
		if isID && t.id == id || !isID && (t.name == called || t.path == called) {
			found = append(found, i)
		}
	}
	if len(found) > 1 && kind != "org" { // whose own names --org has to do with
		organization, given, err := s.organization()
		if err != nil {
			return 0, err
		}
		if given {
			found = slices.DeleteFunc(found, func(i int) bool { return things[i].organization != organization })
		}
	}
	switch {
	case called == "" || len(found) == 0:
		return 0, fmt.Errorf("%s %q: %w", kind, called, nexterm.ErrNotFound)
	case len(found) == 1:
		return found[0], nil
	}
	const shown = 10
	all := make([]string, 0, shown)
	for _, i := range found[:min(shown, len(found))] {
		all = append(all, things[i].describe(s))
	}
	if more := len(found) - shown; more > 0 {
		all = append(all, fmt.Sprintf("and %d more", more))
	}
	return 0, usage("%s %q could be %s: say which one by its id", kind, called, strings.Join(all, ", "))
}

// organization is the owner that --org names, 0 for what is personal.
func (s *session) organization() (id int64, given bool, err error) {
	name, _ := s.Flags().GetString("org")
	if name == "" || name == "personal" {
		return 0, name != "", nil
	}
	id, err = organizationReference.id(s, name)
	return id, true, err
}

// organizationName is the name of an owner, or its id where the caller is no member.
func (s *session) organizationName(id int64) string {
	all, _ := s.organizations()
	for _, organization := range all {
		if organization.ID == id {
			return organization.Name
		}
	}
	if id == 0 {
		return ""
	}
	return "organization " + strconv.FormatInt(id, 10)
}

// organizations are asked for once.
func (s *session) organizations() (all []nexterm.Organization, err error) {
	if s.known.organizations == nil {
		s.known.organizations, err = s.client.Organizations.List(s.Context())
	}
	return s.known.organizations, err
}

// folders are asked for once, and paths says where they lie.
func (s *session) folders() ([]nexterm.Folder, error) {
	if s.known.folders != nil {
		return s.known.folders, nil
	}
	folders, err := s.client.Folders.List(s.Context())
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]nexterm.Folder, len(folders))
	for _, folder := range folders {
		byID[folder.ID] = folder
	}
	s.known.folders, s.known.paths = folders, make(map[int64]string, len(folders))
	for _, folder := range folders {
		path := folder.Name
		parent, found := byID[folder.ParentID.Or(0)]
		// A server that answers a circle is not followed round it.
		for depth := 0; found && depth < 1000; depth++ {
			path = parent.Name + "/" + path
			parent, found = byID[parent.ParentID.Or(0)]
		}
		s.known.paths[folder.ID] = path
	}
	return folders, nil
}

// path is where something of this name in this folder lies.
func (s *session) path(folder nexterm.Optional[int64], name string) string {
	if id, in := folder.Get(); in && s.known.paths[id] != "" {
		return s.known.paths[id] + "/" + name
	}
	return name
}
