-- name: Login :one
-- Everything that decides a sign-in. No row: nobody signs in with a password. The
-- id 0: there is no such account.
select coalesce(a.id, 0)::bigint as id, coalesce(a.password_hash, '')::text as password_hash,
       coalesce(a.totp_enabled, false)::boolean as totp_enabled, t.ciphertext as totp_ciphertext
from auth_providers p
         left join accounts a on coalesce(a.folded_username, a.username) = @folded_username::text
         left join totp_secrets t on t.account_id = a.id and t.kind = 'active'
where p.is_internal
  and p.enabled;

-- name: CreateSession :one
-- No row: the account is gone or, where one is given, the password another one by
-- now, also when that becomes true only at this moment. Of the
-- account's own sessions those that were used least recently end, so that it has
-- so many; 0 ends none.
with account as (select a.id
                 from accounts a
                 where a.id = @account_id
                   and (sqlc.narg(password_hash)::text is null or a.password_hash = sqlc.narg(password_hash)::text)
                 for key share),
     ended as (
         delete from sessions
             where id in (select s.id
                          from (select own.id,
                                       row_number() over (order by own.last_activity desc, own.id desc) as place
                                from sessions own
                                         join account on account.id = own.account_id
                                where own.impersonator_id is null) s
                          where s.place >= @most::bigint
                            and @most::bigint > 0)
             returning id)
insert
into sessions (account_id, impersonator_id, token_hash, ip, user_agent)
select account.id, sqlc.narg(impersonator_id)::bigint, @token_hash, sqlc.narg(ip)::text, @user_agent
from account
returning id, (select coalesce(array_agg(e.id), '{}') from ended e)::bigint[] as ended;

-- name: Logout :one
delete
from sessions
where token_hash = @token_hash
returning id, account_id, impersonator_id;

-- name: ListSessions :many
select id, ip, user_agent, last_activity, created_at
from valid_sessions
where account_id = @account_id
order by last_activity desc, id desc;

-- name: LockSignIns :exec
select id
from accounts
where id = @account_id for update;

-- name: EndSessions :many
-- The account's own, and those in which it acts as another one, but for one.
delete
from sessions
where (account_id = @account_id or impersonator_id = @account_id)
  and id <> @kept
returning id, account_id, impersonator_id;

-- name: EndExpiredSessions :many
-- What one round clears away is bounded, for each is an event.
delete
from sessions
where id in (select s.id
             from sessions s
             where not exists (select from valid_sessions v where v.id = s.id)
                or @idle_days::integer > 0 and s.last_activity <= now() - make_interval(days => @idle_days::integer)
             limit 1000)
returning id, account_id, impersonator_id;

-- name: EndForbiddenImpersonations :many
-- Of accounts that their impersonators could not act as now: one of the two has
-- other permissions than when it began.
delete
from sessions s
using callers i, callers t
where i.account_id = s.impersonator_id
  and t.account_id = s.account_id
  and not i.is_admin
  and (t.is_admin
    or 'users.impersonate' <> all (i.permissions)
    or exists (select from unnest(@permissions::text[]) p where p = any (t.permissions) and p <> all (i.permissions)))
returning s.id, s.account_id, s.impersonator_id;

-- name: DeleteSession :one
delete
from sessions
where id = @id
  and account_id = @account_id
returning impersonator_id;
