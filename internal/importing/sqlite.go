package importing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

const (
	// maxValue is the longest text or blob that a database may have in a row, and
	// maxHeap what the reader takes of memory at most.
	maxValue, maxHeap = 4 << 20, 64 << 20
	// maxRecords bounds what is read of a table.
	maxRecords = 100_000
)

// database is a foreign SQLite file, which is only read. SQLite itself runs in the
// memory of a Wasm module, out of which a hostile file does not get.
type database struct {
	conn *sqlite3.Conn
	name string
	// columns are those of each table.
	columns map[string][]string
	// read are the columns of each table that somebody has asked for.
	read map[string][]string
}

func openDatabase(ctx context.Context, name string) (*database, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	magic := make([]byte, 16)
	_, err = io.ReadFull(file, magic)
	if file.Close(); err != nil || string(magic) != "SQLite format 3\x00" {
		return nil, fmt.Errorf("%s is no database of SQLite", name)
	}
	for _, journal := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(name + journal); err == nil && info.Size() > 0 {
			return nil, fmt.Errorf("%s is in use, or was not closed: there is %s beside it. Stop the server that it belongs to, properly", name, filepath.Base(name+journal))
		}
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	address := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: "mode=ro&immutable=1"}
	conn, err := sqlite3.OpenFlags(address.String(), sqlite3.OPEN_READONLY|sqlite3.OPEN_URI)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	conn.SetInterrupt(ctx)
	conn.HardHeapLimit(maxHeap)
	conn.Limit(sqlite3.LIMIT_LENGTH, maxValue)
	d := &database{conn: conn, name: name, columns: map[string][]string{}, read: map[string][]string{}}
	if err := d.schema(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return d, nil
}

// schema finds the tables. Views, and tables that are computed, are none: what they
// say is a program.
func (d *database) schema() error {
	for option, value := range map[sqlite3.DBConfig]bool{
		sqlite3.DBCONFIG_DEFENSIVE: true, sqlite3.DBCONFIG_TRUSTED_SCHEMA: false, sqlite3.DBCONFIG_ENABLE_VIEW: false, sqlite3.DBCONFIG_ENABLE_TRIGGER: false,
	} {
		if _, err := d.conn.Config(option, value); err != nil {
			return d.fail(err)
		}
	}
	err := d.query("pragma cell_size_check = on", func(*sqlite3.Stmt) error { return nil })
	if err != nil {
		return err
	}
	return d.query(`select s.name, c.name from sqlite_schema s, pragma_table_xinfo(s.name) c
		where s.type = 'table' and s.rootpage > 0 and c.hidden = 0 and s.name not like 'sqlite\_%' escape '\' order by s.name, c.cid`,
		func(s *sqlite3.Stmt) error {
			table := s.ColumnText(0)
			d.columns[table] = append(d.columns[table], s.ColumnText(1))
			return nil
		})
}

func (d *database) fail(err error) error { return fmt.Errorf("%s cannot be read: %w", d.name, err) }

func (d *database) query(statement string, use func(*sqlite3.Stmt) error) error {
	s, _, err := d.conn.Prepare(statement)
	if err != nil {
		return d.fail(err)
	}
	defer s.Close() //nolint:errcheck // It repeats what Step has failed with.
	for rows := 0; s.Step(); rows++ {
		if rows == maxRecords {
			return fmt.Errorf("%s: %w: a table has more than %d rows", d.name, ErrTooLarge, maxRecords)
		}
		if err := use(s); err != nil {
			return err
		}
	}
	if err := s.Err(); err != nil {
		return d.fail(err)
	}
	return nil
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func (d *database) has(table string, columns ...string) bool {
	there := d.columns[table]
	return there != nil && !slices.ContainsFunc(columns, func(c string) bool { return !slices.Contains(there, c) })
}

// record is a row. Columns that the table does not have are null.
type record struct {
	numbers map[string]int64
	texts   map[string]string
}

// each reads those of the columns that the table has, in the order of its rows.
func (d *database) each(table string, columns []string, use func(record) error) error {
	if !d.has(table) {
		return nil
	}
	var there, expressions []string
	for _, column := range columns {
		if d.has(table, column) {
			there, expressions = append(there, column), append(expressions, quoted(column))
		}
	}
	d.read[table] = append(d.read[table], there...)
	if len(there) == 0 {
		return nil
	}
	return d.query("select "+strings.Join(expressions, ", ")+" from "+quoted(table)+" order by "+expressions[0], func(s *sqlite3.Stmt) error {
		r := record{map[string]int64{}, map[string]string{}}
		for i, column := range there {
			switch s.ColumnType(i) {
			case sqlite3.NULL:
			case sqlite3.INTEGER:
				r.numbers[column] = s.ColumnInt64(i)
				r.texts[column] = s.ColumnText(i)
			default:
				r.texts[column] = string(s.ColumnBlob(i, nil))
			}
		}
		return use(r)
	})
}

// unread says what is in the database that nobody has asked for: columns that have
// values, and tables that have rows.
func (d *database) unread() (left []string, err error) {
	// What needs no word: everything has these.
	common := []string{"id", "createdAt", "updatedAt", "position", "sortOrder", "status", "renderer"}
	tables := make([]string, 0, len(d.columns))
	for table := range d.columns {
		tables = append(tables, table)
	}
	slices.Sort(tables)
	for _, table := range tables {
		if table == "SequelizeMeta" {
			continue
		}
		read := d.read[table]
		if read == nil {
			err = errors.Join(err, d.query("select count(*) from "+quoted(table), func(s *sqlite3.Stmt) error {
				if rows := s.ColumnInt64(0); rows > 0 {
					left = append(left, fmt.Sprintf("%s: %d rows", visible(table), rows))
				}
				return nil
			}))
			continue
		}
		var columns []string
		for _, column := range d.columns[table] {
			if slices.Contains(read, column) || slices.Contains(common, column) {
				continue
			}
			err = errors.Join(err, d.query("select 1 from "+quoted(table)+" where "+quoted(column)+" is not null limit 1", func(*sqlite3.Stmt) error {
				columns = append(columns, visible(column))
				return nil
			}))
		}
		if len(columns) > 0 {
			left = append(left, fmt.Sprintf("%s: %s", table, strings.Join(columns, ", ")))
		}
	}
	return left, err
}
