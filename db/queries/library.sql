-- name: LockOrder :exec
-- Whoever appends to or rearranges a scope holds this lock until the end of the transaction.
select pg_advisory_xact_lock(hashtextextended(@scope::text, 0));
