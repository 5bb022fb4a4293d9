// Package paging owns lists that would not fit into memory: they are read page by page
// while the client takes them. It does not know what is in them.
package paging

import (
	"context"
	"time"
)

const (
	// Length is how many items a page has at most, and Bytes how long its texts are
	// together before the last of them.
	Length = 500
	Bytes  = 1 << 20
	// readTime is how long reading a page after the first may take.
	readTime = 10 * time.Second
)

// List is read as it is needed. As an answer, it has the operation's type beside it.
type List[Item any] struct {
	Context context.Context
	// Read returns the items after the last one of the page before, which is nil at first.
	Read func(ctx context.Context, last *Item) ([]Item, error)
	// Size is how long the texts of an item are. Without it they are short.
	Size func(*Item) int

	last  *Item
	ended bool
}

// Page is the next one, and empty at the end.
func (l *List[Item]) Page() ([]Item, error) {
	if l.ended {
		return nil, nil
	}
	ctx := l.Context
	if l.last != nil {
		// How quickly a client takes what has come is its own affair.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), readTime)
		defer cancel()
	}
	items, err := l.Read(ctx, l.last)
	size := 0
	for i := range items {
		l.last = &items[i]
		if l.Size != nil {
			size += l.Size(l.last)
		}
	}
	l.ended = len(items) < Length && size < Bytes
	return items, err
}

// Next is Page for whoever writes lists of any kind.
func (l *List[Item]) Next() (any, error) { return l.Page() }
