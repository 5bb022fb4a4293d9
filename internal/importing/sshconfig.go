package importing

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

const (
	// maxIncludes is how deep files include each other, as in OpenSSH.
	maxIncludes = 16
	// maxDirectives bounds what all files say together.
	maxDirectives = 200_000
	// maxNames and maxSteps bound the work of matching hosts and patterns: names against patterns
	// without wildcards, and steps, of which each character against each takes one.
	maxNames, maxSteps = 200_000_000, 2_000_000_000
	// maxHops is how many jump hosts an entry has at most.
	maxHops = 10
)

// SSHConfig reads a client configuration of OpenSSH, as ssh_config(5) has it: the
// aliases that are no patterns, each with what the whole configuration says of it. The
// name is the file's; what it includes is read, if include is set.
func SSHConfig(name string, from io.Reader, include bool) ([]*Row, error) {
	c := &sshConfig{main: name, include: include, hosts: map[string]*Row{}}
	c.home, _ = os.UserHomeDir()
	if err := c.read(name, from, nil, nil); err != nil {
		return nil, err
	}
	aliases := c.rows
	if err := tooMany(aliases); err != nil {
		return nil, err
	}
	letters := 0
	for _, row := range aliases {
		letters += len(row.Name)
	}
	if len(aliases)*max(c.names, len(c.directives)) > maxNames || letters*c.wild > maxSteps {
		return nil, fmt.Errorf("%w: %d hosts and %d settings", ErrTooLarge, len(aliases), len(c.directives))
	}
	jumps := map[*Row][]string{}
	for _, row := range aliases {
		if row.Skip == "" {
			jumps[row] = c.resolve(row, row.Name)
		}
	}
	for _, row := range aliases {
		c.way(row, jumps, nil)
	}
	return c.rows, tooMany(c.rows)
}

// sshConfig is a configuration with its included files in their places.
type sshConfig struct {
	main, home string
	include    bool
	directives []directive
	rows       []*Row
	hosts      map[string]*Row
	// blocks counts Host and Match lines, names the patterns without wildcards, wild the
	// characters of the others.
	blocks, names, wild int
}

// directive is a line, which is for the hosts that match all conditions: those of the
// block around it, and of the blocks around the includes that lead to it.
type directive struct {
	file       string
	line       int
	key        string
	arguments  []string
	conditions []condition
	// block is alike for those that have the same conditions.
	block int
}

// condition is the patterns of a Host line; nil ones match nothing.
type condition []string

func (c *sshConfig) read(name string, from io.Reader, around []condition, through []string) error {
	if len(through) >= maxIncludes || slices.Contains(through, name) {
		return fmt.Errorf("%s includes itself, or is included %d files deep", name, len(through))
	}
	through = append(through[:len(through):len(through)], name)
	lines := bufio.NewScanner(bounded(from))
	lines.Buffer(nil, 1<<20)
	conditions, block := around, c.nextBlock()
	for number := 1; lines.Scan(); number++ {
		words, err := sshWords(lines.Text())
		if err != nil {
			return fmt.Errorf("%s, line %d: %w", name, number, err)
		}
		if len(words) == 0 {
			continue
		}
		d := directive{file: name, line: number, key: words[0], arguments: words[1:], conditions: conditions, block: block}
		if len(c.directives) >= maxDirectives {
			return fmt.Errorf("%w: it has more than %d settings", ErrTooLarge, maxDirectives)
		}
		switch strings.ToLower(d.key) {
		case "host":
			conditions, block = append(around[:len(around):len(around)], condition(d.arguments)), c.nextBlock()
			c.aliases(d, conditions)
		case "match":
			conditions, block = append(around[:len(around):len(around)], c.match(d)), c.nextBlock()
		case "include":
			if err := c.includes(d, through); err != nil {
				return err
			}
		default:
			if len(d.arguments) == 0 {
				return fmt.Errorf("%s, line %d: %.50q has no value", name, number, d.key)
			}
			c.directives = append(c.directives, d)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, lineError(err))
	}
	return nil
}

func (c *sshConfig) nextBlock() int { c.blocks++; return c.blocks }

// sshWords splits a line into words, of which the first may end in "=". Quoted words
// may have spaces.
func sshWords(line string) (words []string, err error) {
	if unprintable(strings.ReplaceAll(line, "\t", " ")) {
		return nil, errors.New("it has control characters, or is not UTF-8: this is no SSH configuration")
	}
	for rest := strings.TrimSpace(line); rest != "" && rest[0] != '#'; rest = strings.TrimSpace(rest) {
		if quoted := rest[0] == '"'; quoted {
			word, after, closed := strings.Cut(rest[1:], `"`)
			if !closed {
				return nil, errors.New("a quote is not closed")
			}
			words, rest = append(words, word), after
		} else {
			end := strings.IndexAny(rest, " \t")
			if equals := strings.IndexByte(rest, '='); len(words) == 0 && equals >= 0 && (end < 0 || equals < end) {
				end = equals
			}
			if end < 0 {
				end = len(rest)
			}
			words, rest = append(words, rest[:end]), rest[end:]
		}
		if len(words) == 1 {
			rest = strings.TrimSpace(rest)
			rest = strings.TrimPrefix(rest, "=")
		}
	}
	return words, nil
}

// aliases makes rows of the names of a Host line that are no patterns.
func (c *sshConfig) aliases(d directive, conditions []condition) {
	for _, alias := range d.arguments {
		if strings.ContainsAny(alias, "*?") {
			c.wild += len(alias)
		} else {
			c.names++
		}
		if strings.ContainsAny(alias, "*?!") || alias == "" || c.hosts[alias] != nil || !matchAll(conditions, alias) {
			continue
		}
		row := &Row{File: d.file, Line: d.line, Name: alias}
		c.hosts[alias] = row
		c.rows = append(c.rows, row)
	}
}

// match is the condition of a Match line. All but one depend on more than a host's
// name: on who calls, from where, and what commands answer.
func (c *sshConfig) match(d directive) condition {
	if len(d.arguments) == 1 && strings.EqualFold(d.arguments[0], "all") {
		return condition{"*"}
	}
	c.rows = append(c.rows, &Row{File: d.file, Line: d.line, Skip: "Match blocks are left out: they depend on more than the host's name"})
	return nil
}

func (c *sshConfig) includes(d directive, through []string) error {
	if !c.include {
		return nil
	}
	for _, pattern := range d.arguments {
		pattern = c.expandHome(pattern)
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(filepath.Dir(c.main), pattern)
		}
		files, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("%s, line %d: %.100q is no pattern of file names", d.file, d.line, pattern)
		}
		for _, name := range files {
			if err := c.includeFile(name, d.conditions, through); err != nil {
				return fmt.Errorf("%s, line %d: %w", d.file, d.line, err)
			}
		}
	}
	return nil
}

func (c *sshConfig) includeFile(name string, conditions []condition, through []string) error {
	// A pipe or a device would be waited for.
	if info, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return nil
	} else if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	return c.read(name, file, conditions, through)
}

// matchAll reports whether a host is one of those that all conditions are for.
func matchAll(conditions []condition, host string) bool {
	return !slices.ContainsFunc(conditions, func(patterns condition) bool {
		matched := false
		for _, pattern := range patterns {
			plain, negated := strings.CutPrefix(pattern, "!")
			if wildcard(plain, host) {
				if negated {
					return true
				}
				matched = true
			}
		}
		return !matched
	})
}

// wildcard matches * and ?, in time that grows with both lengths at most.
func wildcard(pattern, text string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return pattern == text
	}
	star, back, p, t := -1, 0, 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*':
			p, t = p+1, t+1
		case p < len(pattern) && pattern[p] == '*':
			star, back, p = p, t, p+1
		case star >= 0:
			back++
			p, t = star+1, back
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// secretive settings may have secrets in them, and none belongs into a configuration
// that others read.
var secretive = []string{"setenv", "sendenv", "proxycommand", "localcommand", "remotecommand", "knownhostscommand"}

// resolve fills a row with what the configuration says of a host, the first word on
// each matter, and returns its jump hosts.
func (c *sshConfig) resolve(row *Row, host string) (jumps []string) {
	first, spelled, keys, left := map[string]string{}, []string{}, []string{}, []string{}
	asked, matched := 0, false
	for _, d := range c.directives {
		if d.block != asked {
			asked, matched = d.block, matchAll(d.conditions, host)
		}
		if !matched {
			continue
		}
		key := strings.ToLower(d.key)
		if value := strings.Join(d.arguments, " "); key == "identityfile" {
			keys = append(keys, value)
		} else if _, said := first[key]; !said {
			first[key] = value
			spelled = append(spelled, d.key)
		}
		// Of these two, the first that is said forbids the other.
		if _, jump := first["proxyjump"]; key == "proxycommand" && !jump {
			first["proxyjump"] = "none"
		}
	}
	row.Config = nexterm.EntryConfig{Protocol: "ssh", IP: host, Port: 22}
	if name := first["hostname"]; name != "" {
		row.Config.IP = strings.NewReplacer("%%", "%", "%h", host).Replace(name)
	}
	if text, said := first["port"]; said {
		port, err := strconv.Atoi(text)
		if err != nil || port < 1 {
			row.Skip = fmt.Sprintf("its Port is %.20q", text)
		}
		row.Config.Port = port
	}
	tokens := strings.NewReplacer("%%", "%", "%h", row.Config.IP, "%n", host, "%p", strconv.Itoa(row.Config.Port), "%r", first["user"], "%d", c.home)
	for _, key := range keys {
		if key != "none" {
			row.Logins = append(row.Logins, Login{Username: first["user"], KeyFile: tokens.Replace(c.expandHome(key))})
		}
	}
	if len(row.Logins) == 0 && first["user"] != "" {
		row.Logins = []Login{{Username: first["user"]}}
	}
	for _, option := range spelled {
		switch key := strings.ToLower(option); {
		case slices.Contains([]string{"hostname", "port", "user", "proxyjump", "ip", "protocol", "notes"}, key):
		case slices.Contains(secretive, key):
			if first[key] != "none" {
				left = append(left, option)
			}
		default:
			if row.Config.Extra == nil {
				row.Config.Extra = map[string]any{}
			}
			row.Config.Extra[option] = first[key]
		}
	}
	if len(left) > 0 {
		row.Note = "left out: " + strings.Join(left, ", ")
	}
	if jump := first["proxyjump"]; jump != "" && !strings.EqualFold(jump, "none") {
		jumps = strings.Split(tokens.Replace(jump), ",")
	}
	return jumps
}

const circular = "its ProxyJump leads back to itself, or over more than 10 hosts"

func (c *sshConfig) expandHome(path string) string {
	if rest, found := strings.CutPrefix(path, "~/"); found {
		return filepath.Join(c.home, rest)
	}
	return path
}

// way puts the jump hosts of a row together. The first hop is reached on its own way;
// the others from the hop before, whatever the configuration says of them.
func (c *sshConfig) way(row *Row, jumps map[*Row][]string, through []*Row) {
	hops := jumps[row]
	delete(jumps, row)
	if len(hops) > maxHops {
		row.Skip = circular
		return
	}
	for i, spec := range hops {
		hop, err := c.hop(row, strings.TrimSpace(spec), jumps)
		switch {
		case err != nil:
			row.Skip = err.Error()
			return
		case hop == row && len(hops) == 1:
			// OpenSSH too goes straight to what is its own jump host, as under `Host *`.
			return
		case hop == row || slices.Contains(through, hop):
			row.Skip = circular
			return
		}
		if i == 0 {
			c.way(hop, jumps, append(through, row))
			if row.Via, row.Skip = slices.Clone(hop.Via), hop.Skip; row.Skip != "" {
				return
			}
		}
		row.Via = append(row.Via, hop)
	}
	if len(row.Via) > maxHops {
		row.Skip = circular
	}
}

// hop is the row of [user@]host[:port] or ssh://[user@]host[:port]: an alias, or a new
// one, which the configuration may speak of by its patterns.
func (c *sshConfig) hop(row *Row, spec string, jumps map[*Row][]string) (*Row, error) {
	spec = strings.TrimSuffix(strings.TrimPrefix(spec, "ssh://"), "/")
	if known := c.hosts[spec]; known != nil {
		return known, nil
	}
	if len(c.rows) > maxRows {
		return nil, tooMany(c.rows)
	}
	user, host := "", spec
	if at := strings.LastIndexByte(spec, '@'); at >= 0 {
		user, host = spec[:at], spec[at+1:]
	}
	port := ""
	if rest, bracketed := strings.CutPrefix(host, "["); bracketed {
		var closed bool
		if host, port, closed = strings.Cut(rest, "]"); !closed {
			return nil, fmt.Errorf("its ProxyJump %.50q cannot be read", spec)
		}
		port = strings.TrimPrefix(port, ":")
	} else if strings.Count(host, ":") == 1 {
		host, port, _ = strings.Cut(host, ":")
	}
	hop := &Row{File: row.File, Line: row.Line, Name: spec}
	if known := c.hosts[host]; known != nil {
		hop.File, hop.Line = known.File, known.Line
	}
	jumps[hop] = c.resolve(hop, host)
	if port != "" {
		number, err := strconv.Atoi(port)
		if err != nil || number < 1 || number > 65535 {
			return nil, fmt.Errorf("its ProxyJump %.50q cannot be read", spec)
		}
		hop.Config.Port = number
	}
	for i := range hop.Logins {
		if user != "" {
			hop.Logins[i].Username = user
		}
	}
	if user != "" && len(hop.Logins) == 0 {
		hop.Logins = []Login{{Username: user}}
	}
	c.hosts[spec] = hop
	c.rows = append(c.rows, hop)
	return hop, nil
}
