package postgres

// ErrNotFound is what a machine without PostgreSQL answers; the one that runs these tests
// always has it.
var ErrNotFound = errNotFound
