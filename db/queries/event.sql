-- name: Notify :exec
select pg_notify('nexterm', payload) from unnest(@payloads::text[]) as payload;
