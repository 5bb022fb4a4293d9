// Package importing owns how servers come from other programs' files: parsers that
// make rows of a file, and one way to bring rows to a server, through its API. It does
// not own the commands, which are internal/cli's, nor what the server accepts.
package importing

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

const (
	// maxFile bounds what is read of a file, and so the memory that a hostile one takes.
	maxFile = 32 << 20
	// maxRows is as many entries as an owner has at most, by default.
	maxRows = 20_000
)

// Kind is what becomes of a row.
type Kind string

// Kinds of rows; a server has none. The others come with the original's database.
const (
	KindFolder       Kind = "folder"
	KindIdentity     Kind = "identity"
	KindScript       Kind = "script"
	KindSnippet      Kind = "snippet"
	KindAccount      Kind = "account"
	KindOrganization Kind = "organization"
	KindMember       Kind = "member"
)

// Row is one server of a foreign file.
type Row struct {
	// File and Line are where it stands; a line of 0 is not known.
	File string
	Line int

	// Kind is what the row is, if it is no server.
	Kind   Kind
	Name   string
	Folder []string
	Icon   string
	// Config is all of the entry's but for the jump hosts.
	Config nexterm.EntryConfig
	Logins []Login
	// Via are the hosts on the way, in order.
	Via []*Row

	// Skip says why the row does not become an entry.
	Skip string
	// Note says what of it is left out.
	Note string
}

// Login becomes an identity. One that has a Name is called so, others after the first
// server that they are for: a secret never gets into a name.
type Login struct {
	Name, Username            string
	Password, Key, Passphrase nexterm.Secret
	// KeyFile is the name of a key that is not read, or from which Key is.
	KeyFile string
	// Type is decided by what there is, if it is not given.
	Type nexterm.IdentityType
}

func (l Login) identityType() nexterm.IdentityType {
	key := l.Key != "" || l.KeyFile != ""
	switch {
	case l.Type != "":
		return l.Type
	case key && l.Password != "":
		return nexterm.IdentityTypeBoth
	case key:
		return nexterm.IdentityTypeSSH
	case l.Username == "":
		return nexterm.IdentityTypePasswordOnly
	}
	return nexterm.IdentityTypePassword
}

// label is the name of a login's identity, alike in every run over the same file. The
// path is that of the first server that it is for.
func (l Login) label(path string) string {
	who := l.Username
	if who == "" {
		who = "login"
	}
	switch {
	case l.Name != "" && utf8.RuneCountInString(l.Name) < 3:
		return l.Name + " (imported)"
	case l.Name != "":
		return l.Name
	case l.KeyFile != "":
		return shorten(fmt.Sprintf("%s (%s)", who, base(l.KeyFile)))
	case l.Password != "" || l.Key != "":
		return shorten(fmt.Sprintf("%s (%s)", who, path))
	case utf8.RuneCountInString(who) < 3:
		return who + " (login)"
	}
	return shorten(who)
}

// base is the last part of a path of any system.
func base(path string) string { return path[strings.LastIndexAny(path, `/\`)+1:] }

func shorten(name string) string {
	if runes := []rune(name); len(runes) > 250 {
		return string(runes[:250])
	}
	return name
}

var defaultPorts = map[string]int{"ssh": 22, "sftp": 22, "telnet": 23, "rdp": 3389, "vnc": 5900, "ftp": 21, "ftps": 21}

// problem is why the server would not take the row, as far as that can be known here.
func (r *Row) problem() string {
	switch {
	case r.Name == "":
		return "it has no name"
	case utf8.RuneCountInString(r.Name) > 255:
		return "the name is longer than 255 characters"
	case unprintable(r.Name):
		return "the name has control characters or is not UTF-8"
	case defaultPorts[r.Config.Protocol] == 0:
		return fmt.Sprintf("the protocol %q is none of ssh, sftp, telnet, rdp, vnc, ftp, ftps", r.Config.Protocol)
	case r.Config.IP == "":
		return "it has no host"
	case utf8.RuneCountInString(r.Config.IP) > 255 || unprintable(r.Config.IP) || strings.ContainsFunc(r.Config.IP, unicode.IsSpace):
		return fmt.Sprintf("%.50q is no host", r.Config.IP)
	case r.Config.Port < 1 || r.Config.Port > 65535:
		return fmt.Sprintf("the port %d is not between 1 and 65535", r.Config.Port)
	}
	for _, folder := range r.Folder {
		switch {
		case folder == "" || utf8.RuneCountInString(folder) > 50:
			return fmt.Sprintf("the folder name %.60q is empty or longer than 50 characters", folder)
		case unprintable(folder):
			return "a folder name has control characters or is not UTF-8"
		}
	}
	return ""
}

func unprintable(text string) bool {
	return !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl)
}

// ErrTooLarge is a file with more to it than a server could take.
var ErrTooLarge = errors.New("the file is too large to be one of this kind")

// maxItem is the longest part that a parser has to keep whole.
const maxItem = 1 << 20

// bounded reads no more than maxFile bytes, and fails at the next one.
func bounded(from io.Reader) *limit { return &limit{from: from, left: maxFile, item: maxFile} }

type limit struct {
	from       io.Reader
	left, item int64
}

// next begins a part that is kept whole: a record or an element.
func (l *limit) next() { l.item = maxItem }

func (l *limit) Read(p []byte) (int, error) {
	most := min(l.left, l.item)
	if most == 0 {
		if n, err := io.ReadFull(l.from, p[:1]); n == 0 {
			return 0, err
		}
		if l.left > 0 {
			return 0, fmt.Errorf("%w: a part of it has more than %d MiB", ErrTooLarge, maxItem>>20)
		}
		return 0, fmt.Errorf("%w: it has more than %d MiB", ErrTooLarge, maxFile>>20)
	}
	n, err := l.from.Read(p[:min(int64(len(p)), most)])
	l.left -= int64(n)
	l.item -= int64(n)
	return n, err
}

// lineError says of a line that is too long what it is.
func lineError(err error) error {
	if errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("%w: a line of it is too long", ErrTooLarge)
	}
	return err
}

// tooMany is the failure of a parser that has read more rows than an owner can have.
func tooMany(rows []*Row) error {
	if len(rows) > maxRows {
		return fmt.Errorf("%s: %w: it has more than %d servers", rows[0].File, ErrTooLarge, maxRows)
	}
	return nil
}
