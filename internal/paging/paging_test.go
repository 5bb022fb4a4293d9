package paging_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/paging"
)

// numbers are those up to a last one, in pages of so many at most.
func numbers(t *testing.T, until, most int, asked *int) *paging.List[int] {
	return &paging.List[int]{
		Context: t.Context(), Size: func(*int) int { return paging.Bytes / 100 },
		Read: func(_ context.Context, last *int) (page []int, _ error) {
			*asked++
			next := 1
			if last != nil {
				next = *last + 1
			}
			for ; next <= until && len(page) < most; next++ {
				page = append(page, next)
			}
			return page, nil
		},
	}
}

func TestListsEndWhereTheirPagesAreNotFull(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ until, most, asked int }{
		{0, 101, 1}, {1, 101, 1}, {99, 101, 1},
		{101, 101, 2}, {300, 101, 3}, {303, 101, 4}, // full of bytes
	} {
		asked, found := 0, 0
		list := numbers(t, test.until, test.most, &asked)
		for page, err := list.Page(); len(page) > 0; page, err = list.Page() {
			require.NoError(t, err)
			for _, n := range page {
				found++
				require.Equal(t, found, n)
			}
		}
		require.Equal(t, [2]int{test.until, test.asked}, [2]int{found, asked}, test)
	}
	asked := 0
	short := numbers(t, 2*paging.Length, paging.Length, &asked)
	short.Size = nil
	for range 3 {
		_, err := short.Next()
		require.NoError(t, err)
	}
	page, err := short.Page()
	require.NoError(t, err)
	require.Empty(t, page)
	require.Equal(t, 3, asked, "full of items")
}

// The request's time is for the first page; others come as the client takes them.
func TestPagesOutliveTheRequestsTime(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	list := &paging.List[int]{Context: ctx, Read: func(ctx context.Context, last *int) ([]int, error) {
		_, limited := ctx.Deadline()
		require.Equal(t, last != nil, limited)
		return make([]int, paging.Length), ctx.Err()
	}}
	_, err := list.Page()
	require.NoError(t, err)
	cancel()
	_, err = list.Page()
	require.NoError(t, err)

	list = &paging.List[int]{Context: ctx, Read: func(ctx context.Context, _ *int) ([]int, error) { return nil, ctx.Err() }}
	_, err = list.Page()
	require.True(t, errors.Is(err, context.Canceled))
}
