package importing

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// puttySession is a session as PuTTY keeps it: settings by their names.
type puttySession struct {
	file     string
	line     int
	name     string
	settings map[string]string
}

// puttySettings are those that are of use here.
var puttySettings = []string{"HostName", "PortNumber", "Protocol", "UserName", "PublicKeyFile", "ProxyMethod", "ProxyHost", "ProxyPort", "ProxyUsername", "ProxyPassword"}

const puttyKey = `\Software\SimonTatham\PuTTY\Sessions\`

// PuTTYRegistry reads the sessions of a registry export of regedit, in UTF-16 or, as
// older ones are, in the system's code page.
func PuTTYRegistry(name string, from io.Reader) ([]*Row, error) {
	// A mark decides the encoding; files without one are those of the code page.
	decoded := transform.NewReader(bounded(from), unicode.BOMOverride(charmap.Windows1252.NewDecoder()))
	lines := bufio.NewScanner(decoded)
	lines.Buffer(nil, 1<<20)
	var sessions []*puttySession
	var session *puttySession
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case number == 1:
			if line != "Windows Registry Editor Version 5.00" && line != "REGEDIT4" {
				return nil, fmt.Errorf("%s is no export of the registry", name)
			}
		case strings.HasPrefix(line, "["):
			session = nil
			key := strings.TrimSuffix(strings.TrimPrefix(line, "["), "]")
			if at := strings.Index(strings.ToLower(key), strings.ToLower(puttyKey)); at >= 0 {
				session = &puttySession{file: name, line: number, name: puttyName(key[at+len(puttyKey):]), settings: map[string]string{}}
				sessions = append(sessions, session)
			}
			if len(sessions) > maxRows {
				return nil, fmt.Errorf("%s: %w", name, ErrTooLarge)
			}
		case session != nil && strings.HasPrefix(line, `"`):
			setting, value, _ := strings.Cut(line[1:], `"=`)
			session.set(setting, registryValue(value))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, lineError(err))
	}
	if len(sessions) == 0 {
		return nil, fmt.Errorf("%s has no sessions of PuTTY in it", name)
	}
	return puttyRows(sessions), nil
}

var registryEscapes = strings.NewReplacer(`\\`, `\`, `\"`, `"`)

// registryValue is a text or a number; other kinds do not matter here.
func registryValue(value string) string {
	if number, found := strings.CutPrefix(value, "dword:"); found {
		if n, err := strconv.ParseUint(number, 16, 32); err == nil {
			return strconv.FormatUint(n, 10)
		}
		return ""
	}
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return ""
	}
	return registryEscapes.Replace(value[1 : len(value)-1])
}

// PuTTYSessions reads the sessions of a directory such as ~/.putty/sessions, in which
// each is a file.
func PuTTYSessions(dir string) ([]*Row, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(files) > maxRows {
		return nil, fmt.Errorf("%s: %w", dir, ErrTooLarge)
	}
	var sessions []*puttySession
	for _, entry := range files {
		if !entry.Type().IsRegular() {
			continue
		}
		session := &puttySession{file: filepath.Join(dir, entry.Name()), name: puttyName(entry.Name()), settings: map[string]string{}}
		if err := session.read(); err != nil {
			return nil, fmt.Errorf("%s: %w", session.file, err)
		}
		sessions = append(sessions, session)
	}
	if len(sessions) == 0 {
		return nil, fmt.Errorf("%s has no sessions of PuTTY in it", dir)
	}
	return puttyRows(sessions), nil
}

func (s *puttySession) read() error {
	file, err := os.Open(s.file)
	if err != nil {
		return err
	}
	defer file.Close()
	// A session has some 200 settings.
	lines := bufio.NewScanner(io.LimitReader(file, 1<<20))
	for lines.Scan() {
		if setting, value, found := strings.Cut(lines.Text(), "="); found {
			s.set(setting, value)
		}
	}
	return lineError(lines.Err())
}

func (s *puttySession) set(setting, value string) {
	if slices.Contains(puttySettings, setting) {
		s.settings[setting] = strings.Clone(value)
	}
}

// puttyName is a session's name without the escapes, which stand for bytes of UTF-8 or,
// on Windows, of a code page.
func puttyName(escaped string) string {
	name, err := url.PathUnescape(escaped)
	if err != nil {
		return escaped
	}
	if !utf8.ValidString(name) {
		if name, err = charmap.Windows1252.NewDecoder().String(name); err != nil {
			return escaped
		}
	}
	return name
}

// puttyRows makes rows of sessions.
func puttyRows(sessions []*puttySession) []*Row {
	var rows []*Row
	for _, s := range sessions {
		rows = append(rows, s.row())
	}
	known := named(rows)
	proxies := map[string]*Row{}
	for i, s := range sessions {
		const none, ssh = "0", "6"
		switch method := s.settings["ProxyMethod"]; {
		case method == "" || method == none:
		case method != ssh || s.settings["ProxyHost"] == "":
			rows[i].note("its proxy is left out")
		default:
			// What is no saved session is a host.
			hop, err := known.only(s.settings["ProxyHost"])
			if err != nil {
				hop = s.proxy()
				if same := proxies[hop.Name]; same != nil {
					hop = same
				} else {
					proxies[hop.Name], rows = hop, append(rows, hop)
				}
			}
			rows[i].Via = []*Row{hop}
		}
	}
	return rows
}

func (s *puttySession) row() *Row {
	row := &Row{File: s.file, Line: s.line, Name: s.name}
	user, host := s.settings["UserName"], s.settings["HostName"]
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		user, host = host[:at], host[at+1:]
	}
	row.Config = nexterm.EntryConfig{Protocol: s.settings["Protocol"], IP: host}
	port, err := strconv.Atoi(s.settings["PortNumber"])
	switch {
	case s.name == "Default Settings":
		row.Skip = "it is for sessions to come"
	case row.Config.Protocol != "ssh" && row.Config.Protocol != "telnet":
		row.Skip = fmt.Sprintf("its protocol is %.20q", row.Config.Protocol)
	case host == "":
		row.Skip = "it has no host"
	case s.settings["PortNumber"] != "" && err != nil:
		row.Skip = fmt.Sprintf("its port is %.20q", s.settings["PortNumber"])
	}
	row.Config.Port = port
	if login := (Login{Username: user, KeyFile: s.settings["PublicKeyFile"]}); login != (Login{}) && row.Config.Protocol == "ssh" {
		row.Logins = []Login{login}
		if login.KeyFile != "" {
			row.note(fmt.Sprintf("convert its key %q by `puttygen -O private-openssh`, and add it to the identity", base(login.KeyFile)))
		}
	}
	return row
}

// proxy is the row of a jump host that is no session.
func (s *puttySession) proxy() *Row {
	user, host := s.settings["ProxyUsername"], s.settings["ProxyHost"]
	port, err := strconv.Atoi(s.settings["ProxyPort"])
	if err != nil {
		port = 22
	}
	row := &Row{File: s.file, Line: s.line, Name: host, Config: nexterm.EntryConfig{Protocol: "ssh", IP: host, Port: port}}
	if user != "" {
		row.Name = user + "@" + host
	}
	if port != 22 {
		row.Name += ":" + strconv.Itoa(port)
	}
	if login := (Login{Username: user, Password: nexterm.Secret(s.settings["ProxyPassword"])}); login != (Login{}) {
		row.Logins = []Login{login}
	}
	return row
}

// PuTTY reads a directory of sessions or an export of the registry.
func PuTTY(path string) ([]*Row, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.IsDir() {
		rows, failure := PuTTYSessions(path)
		return rows, errors.Join(err, failure)
	}
	return PuTTYRegistry(path, file)
}
