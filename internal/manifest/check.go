package manifest

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/nexterm-go/nexterm/internal/username"
)

// Limits of the contract that are no keywords of a schema, or of a part of a text.
const (
	maxConfigBytes = 100 << 10
	maxConfigDepth = 32
	maxFolderDepth = 32
	minFolderName  = 3
	maxFolderName  = 50
	maxTextBytes   = 64 << 10 // of a snippet
	maxBodyBytes   = 1 << 20  // of a request with a script
)

// check tells what a schema cannot see: names that come twice, and values that do not
// go together.
func (d *Document) check() {
	f, p := &d.file, &d.problems
	if f.Personal != nil {
		once(p, "tag", f.Personal.Tags, func(t Tag) string { return t.Name })
		d.checkThings(f.Personal.Things)
	}
	once(p, "organization", f.Organizations, func(o Organization) string { return o.Name })
	for _, o := range f.Organizations {
		d.trimmed(o.line, o.it.Name)
		once(p, "member", o.it.Members, func(m Member) string { return username.Fold(m.Username) })
		d.checkThings(o.it.Things)
	}
	once(p, "group", f.Groups, func(g Group) string { return g.Name })
	for _, g := range f.Groups {
		d.trimmed(g.line, g.it.Name)
	}
	stdin := 0
	for line, s := range d.file.secrets() {
		if s.Stdin {
			if stdin++; stdin == 2 {
				p.add(line, "standard input can be one secret only")
			}
		}
	}
}

// once tells of names that come twice.
func once[T any](p *Problems, what string, items []item[T], name func(T) string) {
	lines := map[string]int{}
	for _, i := range items {
		key := name(i.it)
		if first, twice := lines[key]; twice {
			p.add(i.line, "a second "+what+" %s; the first stands at line %d", key, first)
			continue
		}
		lines[key] = i.line
	}
}

func (d *Document) trimmed(line int, name string) {
	if strings.TrimSpace(name) != name {
		d.problems.add(line, "white space around the name %s, which the server takes off", name)
	}
}

func (d *Document) checkThings(t Things) {
	p := &d.problems
	once(p, "identity", t.Identities, func(i Identity) string { return i.Name })
	once(p, "folder", t.Folders, func(path string) string { return path })
	once(p, "entry", t.Entries, func(e Entry) string { return join(e.Folder, e.Name) })
	once(p, "script", t.Scripts, func(s Text) string { return s.Name })
	once(p, "snippet", t.Snippets, func(s Text) string { return s.Name })
	for _, i := range t.Identities {
		d.checkIdentity(i.line, i.it)
	}
	for _, f := range t.Folders {
		d.checkPath(f.line, f.it)
	}
	for _, e := range t.Entries {
		d.checkEntry(e.line, e.it)
	}
	for _, s := range t.Scripts {
		if body, err := json.Marshal(s.it); err != nil || len(body) > maxBodyBytes-128 { // with what else is in it
			p.add(s.line, "script %s is larger than 1 MiB, as JSON", s.it.Name)
		}
	}
	for _, s := range t.Snippets {
		if len(s.it.Command) > maxTextBytes {
			p.add(s.line, "snippet %s: a command of more than 65,536 bytes", s.it.Name)
		}
	}
}

// usedBy tells which secrets the types of identities have.
var usedBy = map[string][]string{
	"password": {"password"}, "password-only": {"password"},
	"ssh": {"sshKey", "passphrase"}, "both": {"password", "sshKey", "passphrase"},
}

func (d *Document) checkIdentity(line int, i Identity) {
	p := &d.problems
	if i.Type == "password-only" && i.Username != "" {
		p.add(line, "identity %s: password-only has no username", i.Name)
	}
	used, known := usedBy[i.Type]
	for _, s := range i.secrets() {
		if known && !slices.Contains(used, s.kind) {
			p.add(line, "identity %s: one of type %s has no %s", i.Name, i.Type, s.kind)
		}
	}
	if i.Passphrase != nil && i.SSHKey == nil {
		p.add(line, "identity %s: a passphrase without its key, sshKey", i.Name)
	}
}

// named is a secret with its key.
type named struct {
	kind string
	*Secret
}

// secrets are those that the file names.
func (i Identity) secrets() []named {
	all := []named{{"password", i.Password}, {"sshKey", i.SSHKey}, {"passphrase", i.Passphrase}}
	return slices.DeleteFunc(all, func(s named) bool { return s.Secret == nil })
}

func (d *Document) checkPath(line int, path string) {
	spelled, names := "", 0
	for _, folder := range ancestors(path) {
		_, name := split(folder)
		if name == "" {
			d.problems.add(line, "the path %s has an empty name in it", path)
			return
		}
		spelled = join(spelled, name)
		names++
	}
	if spelled != path {
		d.problems.add(line, "the path %s is written %s", path, spelled)
	}
	if names > maxFolderDepth {
		d.problems.add(line, "the path %s is deeper than %d folders", path, maxFolderDepth)
	}
}

// views are what protocols are shown in.
var views = map[string]string{
	"ssh": "terminal", "telnet": "terminal", "rdp": "guac", "vnc": "guac", "demo": "guac",
	"sftp": "sftp", "ftp": "sftp", "ftps": "sftp",
}

// hostKeys come to Proxmox guests from their integration alone.
var hostKeys = []string{"ip", "port", "protocol", "username", "password"}

func (d *Document) checkEntry(line int, e Entry) {
	p := &d.problems
	d.checkPath(line, e.Folder)
	protocol, _ := e.Config["protocol"].(string)
	if view, decided := views[protocol]; decided && e.Renderer != "" && e.Renderer != view {
		p.add(line, "entry %s: protocol %s is shown by the renderer %s", e.Name, protocol, view)
	}
	if e.Type != "" && e.Type != "server" {
		for _, key := range hostKeys {
			if _, given := e.Config[key]; given {
				p.add(line, "entry %s: one of type %s has no config.%s", e.Name, e.Type, key)
			}
		}
	}
	if depth(map[string]any(e.Config)) > maxConfigDepth {
		p.add(line, "entry %s: config is nested too deeply", e.Name)
	}
	if encoded, err := json.Marshal(e.Config); err != nil || len(encoded) > maxConfigBytes {
		p.add(line, "entry %s: config is larger than 100 KiB", e.Name)
	}
	names := map[string]bool{}
	for _, tag := range e.Tags {
		if names[tag] {
			p.add(line, "entry %s: the tag %s twice", e.Name, tag)
		}
		names[tag] = true
	}
}

// hops are the jump hosts of an entry. The schema has told of those of other forms.
func (e Entry) hops() []reference {
	list, _ := e.Config["jumpHosts"].([]any)
	var hops []reference
	for _, hop := range list {
		switch hop := hop.(type) {
		case string:
			hops = append(hops, reference{Name: hop})
		case map[string]any:
			name, _ := hop["name"].(string)
			organization, _ := hop["organization"].(string)
			hops = append(hops, reference{name, organization, true})
		}
	}
	return hops
}
