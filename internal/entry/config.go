package entry

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

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
// that it names; all others are kept as they are.
type config map[string]any

func parseConfig(raw []byte) (config, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var c config
	return c, decoder.Decode(&c)
}

// clean drops what is not stored, writes numbers plainly and checks the bounds
// that a schema cannot express.
func (c config) clean() error {
	for _, name := range knownMembers {
		if c[name] == nil {
			delete(c, name)
		}
	}
	for _, name := range secretMembers {
		delete(c, name)
	}
	for name, member := range c {
		plain, err := plainNumbers(member, 1)
		if err != nil {
			return err
		}
		c[name] = plain
	}
	if len(c.encode()) > maxConfigBytes {
		return errConfigSize
	}
	return nil
}

// plainNumbers rewrites numbers with an exponent, and very long ones, as the
// double that they stand for: PostgreSQL writes out every digit, so a few bytes
// would become megabytes.
func plainNumbers(value any, depth int) (any, error) {
	if depth > maxConfigDepth {
		return nil, errConfigDepth
	}
	var err error
	switch v := value.(type) {
	case map[string]any:
		for name := range v {
			if v[name], err = plainNumbers(v[name], depth+1); err != nil {
				return nil, err
			}
		}
	case []any:
		for i := range v {
			if v[i], err = plainNumbers(v[i], depth+1); err != nil {
				return nil, err
			}
		}
	case json.Number:
		if len(v) <= maxNumber && !strings.ContainsAny(string(v), "eE") {
			return v, nil
		}
		double, err := v.Float64()
		if err != nil {
			return nil, errConfigNumber
		}
		return json.Number(strconv.FormatFloat(double, 'f', -1, 64)), nil
	}
	return value, nil
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
