package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/nexterm-go/nexterm/gen/db"
)

// The server's own statements, so that both sides always run the same text.
var (
	findCaller = statement(func(q *db.Queries) { _, _ = q.GetCallerBySession(context.Background(), db.GetCallerBySessionParams{}) })
	listRows   = statement(func(q *db.Queries) { _, _ = q.ListIdentities(context.Background(), db.ListIdentitiesParams{}) })
	findMe     = statement(func(q *db.Queries) { _, _ = q.GetMe(context.Background(), 0) })
	insertRow  = statement(func(q *db.Queries) { _, _ = q.CreateIdentity(context.Background(), db.CreateIdentityParams{}) })
	setSecrets = statement(func(q *db.Queries) { _ = q.SetCredentials(context.Background(), db.SetCredentialsParams{}) })
)

// statement is the text that a generated method sends.
func statement(call func(*db.Queries)) string {
	var r recorder
	call(db.New(&r))
	return r.text
}

// recorder takes the place of a database and keeps what it is asked.
type recorder struct{ text string }

var errRecorded = errors.New("recorded, not run")

func (r *recorder) Exec(_ context.Context, text string, _ ...any) (pgconn.CommandTag, error) {
	r.text = text
	return pgconn.CommandTag{}, errRecorded
}

func (r *recorder) Query(_ context.Context, text string, _ ...any) (pgx.Rows, error) {
	r.text = text
	return nil, errRecorded
}

func (r *recorder) QueryRow(_ context.Context, text string, _ ...any) pgx.Row {
	r.text = text
	return r
}

func (r *recorder) Scan(...any) error { return errRecorded }
