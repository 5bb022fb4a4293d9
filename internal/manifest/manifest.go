// Package manifest owns the file that says what accounts and organizations shall
// have: its form, how it is held against a server, and how the server is brought to
// what it says, or written out as one. It knows servers by the Go SDK alone. It does
// not own the commands, which are internal/cli's.
package manifest

import (
	_ "embed"
	"errors"

	"go.yaml.in/yaml/v3"
)

// Schema is the JSON Schema of the file. Files are checked by this very text.
//
//go:embed schema.json
var Schema []byte

// version is the form of the file.
const version = 1

// File is what a file says. A list that is nil is not looked after; one that is
// empty says that there is nothing.
type File struct {
	Version       int                  `yaml:"version"`
	Personal      *Personal            `yaml:"personal,omitempty"`
	Organizations []item[Organization] `yaml:"organizations,omitempty"`
	Groups        []item[Group]        `yaml:"groups,omitempty"`
}

// Personal is what the caller's own account has.
type Personal struct {
	Tags   []item[Tag] `yaml:"tags,omitempty"`
	Things `yaml:",inline"`
}

// Organization is an organization with what it has.
type Organization struct {
	Name            string         `yaml:"name"`
	Description     *string        `yaml:"description,omitempty"`
	AuditSettings   values         `yaml:"auditSettings,omitempty"`
	SessionSettings values         `yaml:"sessionSettings,omitempty"`
	Members         []item[Member] `yaml:"members,omitempty"`
	Things          `yaml:",inline"`
}

// Things are what every owner can have.
type Things struct {
	Identities []item[Identity] `yaml:"identities,omitempty"`
	Folders    []item[string]   `yaml:"folders,omitempty"`
	Entries    []item[Entry]    `yaml:"entries,omitempty"`
	Scripts    []item[Text]     `yaml:"scripts,omitempty"`
	Snippets   []item[Text]     `yaml:"snippets,omitempty"`
}

// Tag is a label of the caller's.
type Tag struct {
	Name  string `yaml:"name"`
	Color string `yaml:"color"`
}

// Identity is a login with where its secrets are.
type Identity struct {
	Name       string  `yaml:"name"`
	Type       string  `yaml:"type"`
	Username   string  `yaml:"username,omitempty"`
	Password   *Secret `yaml:"password,omitempty"`
	SSHKey     *Secret `yaml:"sshKey,omitempty"`
	Passphrase *Secret `yaml:"passphrase,omitempty"`
}

// Secret says where a secret is: in a file, a variable or standard input.
type Secret struct {
	File  string `yaml:"file,omitempty"`
	Env   string `yaml:"env,omitempty"`
	Stdin bool   `yaml:"stdin,omitempty"`

	// kept is what it was when it was read.
	kept func() (string, error)
}

// Entry is a host or a guest, with names where the API has ids.
type Entry struct {
	Name       string      `yaml:"name"`
	Folder     string      `yaml:"folder,omitempty"`
	Type       string      `yaml:"type,omitempty"`
	Icon       string      `yaml:"icon,omitempty"`
	Renderer   string      `yaml:"renderer,omitempty"`
	Identities []reference `yaml:"identities,omitempty"`
	// Tags that are nil are not looked after: they are the caller's, also on what others share.
	Tags   []string `yaml:"tags,omitempty"`
	Config values   `yaml:"config"`
}

// Text is a script, which has content, or a snippet, which has a command.
type Text struct {
	Name        string   `yaml:"name"`
	Content     string   `yaml:"content,omitempty"`
	Command     string   `yaml:"command,omitempty"`
	Description string   `yaml:"description,omitempty"`
	OSFilter    []string `yaml:"osFilter,omitempty"`
}

// Member is an account in an organization.
type Member struct {
	Username    string            `yaml:"username"`
	Permissions map[string]string `yaml:"permissions,omitempty"`
}

// Group is a set of permissions on the whole server.
type Group struct {
	Name        string            `yaml:"name"`
	Color       string            `yaml:"color,omitempty"`
	Permissions map[string]string `yaml:"permissions,omitempty"`
	Members     []string          `yaml:"members,omitempty"`
}

// item is something of the file with the line at which it begins.
type item[T any] struct {
	it   T
	line int
}

func (i *item[T]) UnmarshalYAML(node *yaml.Node) error {
	i.line = node.Line
	return node.Decode(&i.it)
}

// reference names something: of the same owner, or of another.
type reference struct {
	Name string `yaml:"name"`
	// Organization is whose it is, of those that are elsewhere; empty for the caller.
	Organization string `yaml:"organization,omitempty"`
	elsewhere    bool
}

func (r *reference) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		r.Name = node.Value
		return nil
	}
	type plain reference
	r.elsewhere = true
	return node.Decode((*plain)(r))
}

func (r reference) String() string {
	switch {
	case !r.elsewhere:
		return r.Name
	case r.Organization == "":
		return "personal " + r.Name
	}
	return r.Organization + ": " + r.Name
}

// ErrDrift is that the server is not what the file says, in the end.
var ErrDrift = errors.New("the server differs from the file")
