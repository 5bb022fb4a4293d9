-- name: Login :one
-- Everything that decides a sign-in. No row: nobody signs in with a password. The
-- id 0: there is no such account.
select coalesce(a.id, 0)::bigint as id, coalesce(a.password_hash, '')::text as password_hash,
       coalesce(a.totp_enabled, false)::boolean as totp_enabled, t.ciphertext as totp_ciphertext
from auth_providers p
         left join accounts a on a.username = @username
         left join totp_secrets t on t.account_id = a.id and t.kind = 'active'
where p.is_internal
  and p.enabled;

-- name: CreateSession :one
-- No row: the account is gone, also when that becomes true only now.
insert into sessions (account_id, impersonator_id, token_hash, ip, user_agent)
select a.id, sqlc.narg(impersonator_id)::bigint, @token_hash, sqlc.narg(ip)::text, @user_agent
from accounts a
where a.id = @account_id
for key share
returning id;

-- name: DeleteOldestSessions :many
-- Those that were used least recently, but for so many. Impersonations are not
-- the account's own.
delete
from sessions
where id in (select s.id
             from sessions s
             where s.account_id = @account_id
               and s.impersonator_id is null
             order by s.last_activity desc, s.id desc
             offset @most::bigint)
returning id;

-- name: Logout :one
delete
from sessions
where token_hash = @token_hash
returning id, account_id, impersonator_id;

-- name: ListSessions :many
select id, ip, user_agent, last_activity, created_at
from sessions
where account_id = @account_id
order by last_activity desc, id desc;

-- name: DeleteSession :one
delete
from sessions
where id = @id
  and account_id = @account_id
returning impersonator_id;
