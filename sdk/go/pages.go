package nexterm

import "iter"

// pages walks a paged list. next reads a page, makes the query that of the next one,
// and says whether there is one.
func pages[Q, T any](query Q, next func(*Q) (items []T, more bool, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		// A second walk begins at the beginning.
		query := query
		for more := true; more; {
			items, further, err := next(&query)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			more = further
		}
	}
}

// first is the query that a call may be given, or one that asks for nothing in particular.
func first[Q any](query []Q) Q {
	if len(query) == 0 {
		var none Q
		return none
	}
	return query[0]
}
