-- name: ListEntryScopes :many
-- every owner: of entries on whose hosts something runs, to see who still reaches them
select id, scope
from entries
where id = any(@ids::bigint[]);

-- name: ListHeldAPIKeys :many
-- every owner: of API keys by which something runs, those that still hold
select id
from api_keys
where id = any(@ids::bigint[])
  and (expires_at is null or expires_at > now());

-- name: LockTunnels :exec
-- For the transaction: tunnels of an account are told of one after the other.
select pg_advisory_xact_lock(hashtextextended('nexterm.tunnels', @account_id::bigint));

-- name: HasTunnelAudit :one
-- Whether the log has told of such a tunnel within the last hour.
select exists (select
               from audit_logs
               where account_id = @account_id::bigint
                 and timestamp > now() - interval '1 hour'
                 and action = 'entry.ssh_connect'
                 and resource_id = @entry_id::bigint
                 and details = @details::jsonb) as told;
