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
	"strings"
)

const (
	// maxIncludes is how deep files include each other, as in OpenSSH, and maxFiles how
	// many are read in all.
	maxIncludes, maxFiles = 16, 1000
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
	letters := 0
	for _, row := range aliases {
		letters += len(row.Name)
	}
	if len(aliases)*max(c.names, len(c.directives)) > maxNames || letters*c.wild > maxSteps {
		return nil, fmt.Errorf("%s: %w: %d hosts and %d settings", name, ErrTooLarge, len(aliases), len(c.directives))
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
	// files counts those that are read, blocks Host and Match lines, names the patterns without wildcards, wild the
	// characters of the others.
	files, blocks, names, wild int
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
	if c.files++; c.files > maxFiles {
		return fmt.Errorf("%w: it includes more than %d files", ErrTooLarge, maxFiles)
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
			return fmt.Errorf("%s: %w: it has more than %d settings", name, ErrTooLarge, maxDirectives)
		}
		switch strings.ToLower(d.key) {
		case "host":
			conditions, block = append(around[:len(around):len(around)], condition(d.arguments)), c.nextBlock()
			c.aliases(d, conditions)
			if err := tooMany(c.rows); err != nil {
				return err
			}
		case "match":
			conditions, block = append(around[:len(around):len(around)], c.match(d)), c.nextBlock()
		case "include":
			if err := c.includes(d, through); err != nil {
				return err
			}
		default:
			if len(d.arguments) == 0 {
				return fmt.Errorf("%s, line %d: a setting has no value", name, number)
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
