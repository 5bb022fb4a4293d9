package tree

import (
	"cmp"
	"context"
	"reflect"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/fail"
)

const (
	// longList and longBytes are from where on a list has to wait for others that are as
	// long, in rows and in bytes, and longLists is how many of them are read at a time.
	longList, longBytes, longLists = 5000, 4 << 20, 2
	// mostBytes is how long a list may be, in bytes: what may be a hundred organizations'
	// is made into one answer.
	mostBytes = 128 << 20
)

// Reader reads long lists from a database.
type Reader struct {
	conn      db.DBTX
	long      chan struct{}
	mostBytes int
}

// NewReader returns what reads from a database, lists of so many bytes or, with 0, of the
// preset number.
func NewReader(conn db.DBTX, most int) *Reader {
	return &Reader{conn, make(chan struct{}, longLists), cmp.Or(most, mostBytes)}
}

// Each hands out the rows of a query that lists many, one by one as they come: all
// of them at once take several times what is made of them.
func Each[Row any](ctx context.Context, r *Reader, query func(*db.Queries) error, each func(Row)) error {
	held := &holding{DBTX: r.conn}
	if err := query(db.New(held)); err != nil {
		return err
	}
	defer held.rows.Close()
	row := new(Row)
	fields := make([]any, reflect.TypeFor[Row]().NumField())
	for i := range fields {
		fields[i] = reflect.ValueOf(row).Elem().Field(i).Addr().Interface()
	}
	bytes, waited := 0, false
	for count := 1; held.rows.Next(); count++ {
		for _, value := range held.rows.RawValues() {
			bytes += len(value)
		}
		if bytes > r.mostBytes {
			return fail.ErrTooLong
		}
		if !waited && (count >= longList || bytes >= longBytes) {
			waited = true
			select {
			case r.long <- struct{}{}:
				defer func() { <-r.long }()
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		*row = *new(Row)
		if err := held.rows.Scan(fields...); err != nil {
			return err
		}
		each(*row)
	}
	return held.rows.Err()
}

// holding keeps the rows of a query from who asks for them.
type holding struct {
	db.DBTX
	rows pgx.Rows
}

func (h *holding) Query(ctx context.Context, statement string, arguments ...any) (rows pgx.Rows, err error) {
	h.rows, err = h.DBTX.Query(ctx, statement, arguments...)
	return none{h.rows}, err
}

// none are rows without any.
type none struct{ pgx.Rows }

func (none) Next() bool { return false }
func (none) Close()     {}
func (none) Err() error { return nil }
