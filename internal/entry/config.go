package entry

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/internal/fail"
)

const (
	// maxConfigBytes bounds a configuration as JSON.
	maxConfigBytes = 100 << 10
	// maxConfigDepth bounds its nesting, far below what PostgreSQL can read.
	maxConfigDepth = 32
	// maxNumber is the longest number that is kept digit by digit.
	maxNumber = 40
)

var (
	errConfigSize   = fail.BadRequest("config must be less than or equal to 102400 bytes long")
	errConfigDepth  = fail.BadRequest("config is nested too deeply")
	errConfigNumber = fail.BadRequest("config contains a number that is out of range")
)

// knownMembers are those that the contract names; a null of them is dropped.
var knownMembers = []string{
	"protocol", "ip", "port", "engineId", "jumpHosts", "monitoringEnabled",
	"macAddress", "wakeOnLanEnabled", "wolBroadcastAddress",
	"keyboardLayout", "rdpSecurity", "colorDepth", "resizeMethod", "enableAudio", "enableWallpaper", "enableTheming",
	"enableFontSmoothing", "enableFullWindowDrag", "enableDesktopComposition", "enableMenuAnimations",
	"backspaceMode", "deleteMode", "functionKeyMode", "notes", "showNoteInList", "nodeName", "vmid", "providerId",
}

var (
	// secretMembers belong into identities.
	secretMembers = []string{"password", "passphrase", "sshKey", "privateKey"}
	// hostMembers of a Proxmox guest come from its integration alone, so that
	// nobody can send the integration's login elsewhere.
	hostMembers = []string{"ip", "port", "protocol", "username", "password"}
	// syncedMembers tie a managed entry to what it stands for.
	syncedMembers = []string{"nodeName", "vmid", "providerId"}
)

// renderers are the views that protocols need.
var renderers = map[string]string{
	"ssh": "terminal", "telnet": "terminal",
	"rdp": "guac", "vnc": "guac", "demo": "guac",
	"sftp": "sftp", "ftp": "sftp", "ftps": "sftp",
}

// config is an entry's configuration. The contract has validated the members
// that it names; all others are kept as they are, as json.RawMessage.
type config map[string]any

// readConfig reads the configuration of a request, which the guard has taken apart.
func readConfig(given any) (config, error) {
	members, _ := given.(map[string]any)
	if members == nil {
		return config{}, nil
	}
	return parseConfig(config(members).encode())
}

// parseConfig reads a configuration without what is not stored, writes numbers
// plainly and checks the bounds that a schema cannot express, while it reads:
// little text can stand for much.
func parseConfig(raw []byte) (config, error) {
	var written bytes.Buffer
	checked := jsontext.AllowDuplicateNames(true)
	from, to := jsontext.NewDecoder(bytes.NewBuffer(raw), checked), jsontext.NewEncoder(&written, checked)
	if _, err := from.ReadToken(); err != nil {
		return nil, err
	}
	c := config{}
	for from.PeekKind() != '}' {
		token, err := from.ReadToken()
		if err != nil {
			return nil, err
		}
		name := token.String()
		known := slices.Contains(knownMembers, name)
		if slices.Contains(secretMembers, name) || known && from.PeekKind() == 'n' {
			if err := from.SkipValue(); err != nil {
				return nil, err
			}
			continue
		}
		start := written.Len()
		if err := copyPlainly(to, from); err != nil {
			return nil, err
		}
		member := json.RawMessage(written.Bytes()[start : written.Len()-len("\n")])
		if c[name] = member; !known {
			continue
		}
		decoder := json.NewDecoder(bytes.NewReader(member))
		decoder.UseNumber()
		var value any
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		c[name] = value
	}
	if len(c.encode()) > maxConfigBytes {
		return nil, errConfigSize
	}
	return c, nil
}

// copyPlainly copies a value and rewrites numbers with an exponent, and very long
// ones, as the double that they stand for: PostgreSQL writes out every digit, so a
// few bytes would become megabytes.
func copyPlainly(to *jsontext.Encoder, from *jsontext.Decoder) error {
	for outer, inside := from.StackDepth(), true; inside; inside = from.StackDepth() > outer {
		if next := from.PeekKind(); from.StackDepth() > maxConfigDepth && next != ']' && next != '}' {
			return errConfigDepth
		}
		token, err := from.ReadToken()
		if err != nil {
			return err
		}
		if token.Kind() == '0' {
			text := token.String()
			if len(text) > maxNumber || strings.ContainsAny(text, "eE") {
				double, err := strconv.ParseFloat(text, 64)
				if err != nil {
					return errConfigNumber
				}
				text = strconv.FormatFloat(double, 'f', -1, 64)
			}
			err = to.WriteValue(jsontext.Value(text))
		} else {
			err = to.WriteToken(token)
		}
		if err != nil {
			return err
		}
		if to.OutputOffset() > maxConfigBytes {
			return errConfigSize
		}
	}
	return nil
}

// fit applies what the entry's type forbids.
func (c config) fit(entryType string) {
	if api.EntryType(entryType) == api.EntryTypeServer {
		return
	}
	for _, name := range hostMembers {
		delete(c, name)
	}
}

// keepSynced takes over what ties a managed entry to its guest.
func (c config) keepSynced(stored config) {
	for _, name := range syncedMembers {
		delete(c, name)
		if member, given := stored[name]; given {
			c[name] = member
		}
	}
}

func (c config) encode() []byte {
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(map[string]any(c)); err != nil {
		panic(err) // it was read from JSON
	}
	return bytes.TrimSuffix(encoded.Bytes(), []byte("\n"))
}

func (c config) protocol() string {
	protocol, _ := c["protocol"].(string)
	return protocol
}

// renderer is the view that the protocol needs, else the given one.
func (c config) renderer(given *string) *string {
	if derived, known := renderers[c.protocol()]; known {
		return &derived
	}
	return given
}

// jumpHosts lists the hops that are not among the stored ones: those were
// checked when they came, and an unrelated change must not fail over them.
func (c config) jumpHosts(stored config) []int64 {
	known := hops(stored)
	return slices.DeleteFunc(hops(c), func(id int64) bool { return slices.Contains(known, id) })
}

// leadsAs reports whether nothing differs that leads to the host.
func (c config) leadsAs(other config) bool {
	return !slices.ContainsFunc([]string{"protocol", "ip", "port", "jumpHosts"}, func(name string) bool {
		return !reflect.DeepEqual(c[name], other[name])
	})
}

func hops(c config) []int64 {
	list, _ := c["jumpHosts"].([]any)
	var ids []int64
	for _, item := range list {
		switch id := item.(type) {
		case int64:
			ids = append(ids, id)
		case json.Number:
			if n, err := id.Int64(); err == nil {
				ids = append(ids, n)
			}
		}
	}
	return ids
}
