package importing

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// Columns are what a CSV file can have, in any order. Name and host have to be there.
var Columns = []string{
	"name", "folder", "protocol", "host", "port", "username", "password", "key_file", "passphrase", "jump_hosts", "notes", "mac_address",
}

// CSV reads a table with a head of Columns. Commas, semicolons or tabs divide it,
// whichever its head has the most of.
func CSV(name string, from io.Reader) ([]*Row, error) {
	limited := bounded(from)
	content := bufio.NewReaderSize(limited, 64<<10)
	start, err := content.Peek(4 << 10)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	switch mark := "\xef\xbb\xbf"; {
	case bytes.HasPrefix(start, []byte(mark)):
		start = start[len(mark):]
		if _, err := content.Discard(len(mark)); err != nil {
			return nil, err
		}
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return nil, fmt.Errorf("%s is UTF-16: save it as UTF-8", name)
	}
	reader := csv.NewReader(content)
	reader.ReuseRecord, reader.FieldsPerRecord = true, -1
	head, _, _ := strings.Cut(string(start), "\n")
	for _, r := range ";\t" {
		if strings.Count(head, string(r)) > strings.Count(head, string(reader.Comma)) {
			reader.Comma = r
		}
	}
	table := csvTable{file: name}
	for {
		limited.next()
		fields, err := reader.Read()
		switch {
		case errors.Is(err, io.EOF):
			if table.columns == nil {
				return nil, fmt.Errorf("%s is empty", name)
			}
			return table.rows, table.jumps()
		case err != nil:
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		line, _ := reader.FieldPos(0)
		if !utf8.ValidString(strings.Join(fields, "")) {
			return nil, fmt.Errorf("%s, line %d, is not UTF-8, but Latin-1 perhaps: save it as UTF-8", name, line)
		}
		if err := table.add(line, fields); err != nil {
			return nil, err
		}
	}
}

type csvTable struct {
	file    string
	columns []string
	rows    []*Row
	// ways are the jump hosts of the rows, as they are written.
	ways []string
}

func (t *csvTable) add(line int, fields []string) error {
	if t.columns == nil {
		return t.head(line, fields)
	}
	row := &Row{File: t.file, Line: line}
	t.rows, t.ways = append(t.rows, row), append(t.ways, "")
	if len(fields) != len(t.columns) {
		row.Skip = fmt.Sprintf("it has %d fields where the head has %d", len(fields), len(t.columns))
		return tooMany(t.rows)
	}
	login := Login{}
	for i, column := range t.columns {
		// Fields share the memory of their whole line, passwords among them.
		value := strings.Clone(fields[i])
		if trimmed := strings.TrimSpace(value); column != "password" && column != "passphrase" {
			value = trimmed
		}
		switch column {
		case "name":
			row.Name = value
		case "folder":
			if path := strings.Trim(value, "/"); path != "" {
				row.Folder = strings.Split(path, "/")
			}
		case "protocol":
			row.Config.Protocol = strings.ToLower(value)
		case "host":
			row.Config.IP = value
		case "port":
			port, err := strconv.Atoi(value)
			if value != "" && (err != nil || port < 1) {
				row.Skip = fmt.Sprintf("its port is %.20q", value)
			}
			row.Config.Port = port
		case "username":
			login.Username = value
		case "password":
			login.Password = nexterm.Secret(value)
		case "key_file":
			login.KeyFile = value
		case "passphrase":
			login.Passphrase = nexterm.Secret(value)
		case "jump_hosts":
			t.ways[len(t.ways)-1] = value
		case "notes":
			row.Config.Notes = value
		case "mac_address":
			row.Config.MACAddress = value
		}
	}
	if row.Config.Protocol == "" {
		row.Config.Protocol = "ssh"
	}
	if login != (Login{}) {
		row.Logins = []Login{login}
	}
	return tooMany(t.rows)
}

func (t *csvTable) head(line int, fields []string) error {
	for _, field := range fields {
		column := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(field)), " ", "_")
		switch {
		case !slices.Contains(Columns, column):
			return fmt.Errorf("%s, line %d: the column %.50q is none of %s", t.file, line, field, strings.Join(Columns, ", "))
		case slices.Contains(t.columns, column):
			return fmt.Errorf("%s, line %d: there are two columns %q", t.file, line, column)
		}
		t.columns = append(t.columns, column)
	}
	for _, needed := range []string{"name", "host"} {
		if !slices.Contains(t.columns, needed) {
			return fmt.Errorf("%s, line %d: there is no column %q", t.file, line, needed)
		}
	}
	return nil
}

// jumps finds the jump hosts among the rows, by their names.
func (t *csvTable) jumps() error {
	byName := named(t.rows)
	for i, way := range t.ways {
		if way == "" {
			continue
		}
		for _, name := range strings.Split(way, ">") {
			hop, err := byName.only(strings.TrimSpace(name))
			if err != nil {
				t.rows[i].Skip = err.Error()
				break
			}
			t.rows[i].Via = append(t.rows[i].Via, hop)
			if len(t.rows[i].Via) > maxHops {
				t.rows[i].Skip = "it has more than 10 jump hosts"
				break
			}
		}
	}
	return nil
}

// byName finds rows; nil is a name that several have.
type byName map[string]*Row

func named(rows []*Row) byName {
	found := byName{}
	for _, row := range rows {
		if _, twice := found[row.Name]; twice {
			found[row.Name] = nil
		} else {
			found[row.Name] = row
		}
	}
	return found
}

func (b byName) only(name string) (*Row, error) {
	row, known := b[name]
	switch {
	case !known:
		return nil, fmt.Errorf("its jump host %.50q is not in the file", name)
	case row == nil:
		return nil, fmt.Errorf("its jump host %.50q is in the file several times", name)
	}
	return row, nil
}
