-- The three ways to find a caller answer the same columns. Sessions that are idle
-- for so many days do not hold any more; 0 stands for no limit.

-- name: GetCallerBySession :one
select s.id as session_id, 0::bigint as api_key_id, coalesce(s.impersonator_id, 0)::bigint as impersonator_id,
       -- By the clock that wrote the activity: a server's own may be another.
       (s.last_activity < now() - interval '1 minute' or s.ip is null)::boolean as stale,
       c.account_id, c.is_admin::boolean as is_admin, c.permissions::text[] as permissions,
       c.organization_ids::bigint[] as organization_ids,
       c.owned_organization_ids::bigint[] as owned_organization_ids,
       c.override_organization_ids::bigint[] as override_organization_ids,
       c.override_permissions::text[] as override_permissions,
       c.override_allows::boolean[] as override_allows,
       array [s.id]::bigint[] as held_sessions
from valid_sessions s
         join callers c on c.account_id = s.account_id
where s.token_hash = @token_hash
  and (@idle_days::integer = 0 or s.last_activity > now() - make_interval(days => @idle_days::integer));

-- name: GetCallerByAPIKey :one
select 0::bigint as session_id, k.id as api_key_id, 0::bigint as impersonator_id,
       (k.last_used_at is null or k.last_used_at < now() - interval '1 minute')::boolean as stale,
       c.account_id, c.is_admin::boolean as is_admin, c.permissions::text[] as permissions,
       c.organization_ids::bigint[] as organization_ids,
       c.owned_organization_ids::bigint[] as owned_organization_ids,
       c.override_organization_ids::bigint[] as override_organization_ids,
       c.override_permissions::text[] as override_permissions,
       c.override_allows::boolean[] as override_allows,
       '{}'::bigint[] as held_sessions
from api_keys k
         join callers c on c.account_id = k.account_id
where k.token_hash = @token_hash
  and (k.expires_at is null or k.expires_at > now());

-- name: DeleteExpiredAPIKey :exec
delete
from api_keys
where token_hash = @token_hash
  and expires_at <= now();

-- name: ListCallers :many
-- Accounts as they stand now, and which of the given login sessions are theirs and hold.
select 0::bigint as session_id, 0::bigint as api_key_id, 0::bigint as impersonator_id, false as stale,
       c.account_id, c.is_admin::boolean as is_admin, c.permissions::text[] as permissions,
       c.organization_ids::bigint[] as organization_ids,
       c.owned_organization_ids::bigint[] as owned_organization_ids,
       c.override_organization_ids::bigint[] as override_organization_ids,
       c.override_permissions::text[] as override_permissions,
       c.override_allows::boolean[] as override_allows,
       array(select s.id
             from valid_sessions s
             where s.id = any(@session_ids::bigint[])
               and s.account_id = c.account_id
               and (@idle_days::integer = 0 or s.last_activity > now() - make_interval(days => @idle_days::integer)))::bigint[] as held_sessions
from callers c
where c.account_id = any(@account_ids::bigint[]);

-- name: TouchSession :exec
update sessions
set last_activity = now(), ip = @ip::text
where id = @id
  and (last_activity < now() - interval '1 minute' or ip is null);

-- name: TouchAPIKey :exec
update api_keys
set last_used_at = now()
where id = @id
  and (last_used_at is null or last_used_at < now() - interval '1 minute');
