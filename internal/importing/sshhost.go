package importing

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

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

// kept are the settings that an entry's configuration keeps, as the web client's import
// does. Others may have secrets in them, as SetEnv has, or are none, but the lines of
// whatever file a foreign configuration includes.
var kept = strings.Fields(`addkeystoagent addressfamily batchmode bindaddress bindinterface canonicaldomains canonicalizehostname
	casignaturealgorithms checkhostip ciphers compression connectionattempts connecttimeout controlmaster controlpath controlpersist
	dynamicforward escapechar exitonforwardfailure forwardagent forwardx11 forwardx11timeout forwardx11trusted gatewayports
	gssapiauthentication gssapidelegatecredentials hashknownhosts hostbasedauthentication hostkeyalgorithms hostkeyalias identitiesonly
	ipqos kbdinteractiveauthentication kexalgorithms localforward loglevel macs nohostauthenticationforlocalhost numberofpasswordprompts
	passwordauthentication permitlocalcommand preferredauthentications pubkeyacceptedalgorithms pubkeyauthentication rekeylimit
	remoteforward requesttty requiredrsasize serveralivecountmax serveraliveinterval sessiontype stricthostkeychecking tcpkeepalive
	updatehostkeys userknownhostsfile verifyhostkeydns visualhostkey`)

// resolve fills a row with what the configuration says of a host, the first word on
// each matter, and returns its jump hosts.
func (c *sshConfig) resolve(row *Row, host string) (jumps []string) {
	first, spelled, keys := map[string]string{}, []string{}, []string{}
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
	left := 0
	for _, option := range spelled {
		switch key := strings.ToLower(option); {
		case slices.Contains([]string{"hostname", "port", "user", "proxyjump"}, key) || first[key] == "none":
		case !slices.Contains(kept, key):
			left++
		default:
			if row.Config.Extra == nil {
				row.Config.Extra = map[string]any{}
			}
			row.Config.Extra[option] = first[key]
		}
	}
	if left > 0 {
		row.Note = fmt.Sprintf("settings left out: %d, such as commands and environments", left)
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
