-- name: Notify :exec
select pg_notify('nexterm', @payload::text);
