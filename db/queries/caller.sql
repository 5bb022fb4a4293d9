-- name: FindCallerBySession :one
select s.id as session_id,
       -- By the clock that wrote the activity: a server's own may be another.
       (s.last_activity < now() - interval '1 minute' or s.ip = 'Admin')::boolean as stale,
       c.account_id, c.is_admin::boolean as is_admin, c.permissions::text[] as permissions,
       c.organization_ids::bigint[] as organization_ids,
       c.owned_organization_ids::bigint[] as owned_organization_ids,
       c.override_organization_ids::bigint[] as override_organization_ids,
       c.override_permissions::text[] as override_permissions,
       c.override_allows::boolean[] as override_allows
from sessions s
         join callers c on c.account_id = s.account_id
where s.token_hash = @token_hash;

-- name: FindCallerByAPIKey :one
select k.id as api_key_id,
       (k.last_used_at is null or k.last_used_at < now() - interval '1 minute')::boolean as stale,
       c.account_id, c.is_admin::boolean as is_admin, c.permissions::text[] as permissions,
       c.organization_ids::bigint[] as organization_ids,
       c.owned_organization_ids::bigint[] as owned_organization_ids,
       c.override_organization_ids::bigint[] as override_organization_ids,
       c.override_permissions::text[] as override_permissions,
       c.override_allows::boolean[] as override_allows
from api_keys k
         join callers c on c.account_id = k.account_id
where k.token_hash = @token_hash
  and (k.expires_at is null or k.expires_at > now());

-- name: TouchSession :exec
update sessions
set last_activity = now(), ip = @ip
where id = @id
  and (last_activity < now() - interval '1 minute' or ip = 'Admin');

-- name: TouchAPIKey :exec
update api_keys
set last_used_at = now()
where id = @id
  and (last_used_at is null or last_used_at < now() - interval '1 minute');

-- name: FindCallersByAccount :many
-- Accounts as they stand now, and which of the given login sessions are theirs and hold.
select c.account_id, c.is_admin::boolean as is_admin, c.permissions::text[] as permissions,
       c.organization_ids::bigint[] as organization_ids,
       c.owned_organization_ids::bigint[] as owned_organization_ids,
       c.override_organization_ids::bigint[] as override_organization_ids,
       c.override_permissions::text[] as override_permissions,
       c.override_allows::boolean[] as override_allows,
       array(select s.id
             from sessions s
             where s.id = any(@session_ids::bigint[]) and s.account_id = c.account_id)::bigint[] as session_ids
from callers c
where c.account_id = any(@account_ids::bigint[]);
