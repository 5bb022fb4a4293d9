-- name: Login :one
-- Everything that decides a sign-in. No row: there is no such account.
select a.id, a.password_hash, a.totp_enabled, t.ciphertext as totp_ciphertext
from accounts a
         left join totp_secrets t on t.account_id = a.id and t.kind = 'active'
where a.username = @username;

-- name: IsPasswordLoginEnabled :one
select exists (select from auth_providers p where p.is_internal and p.enabled) as enabled;

-- name: InsertSession :one
-- No row: the account is gone, also when that becomes true only now.
insert into sessions (account_id, token_hash, ip, user_agent)
select a.id, @token_hash, @ip, @user_agent
from accounts a
where a.id = @account_id
for key share
returning id;

-- name: Logout :one
delete
from sessions
where token_hash = @token_hash
returning id;

-- name: ListSessions :many
select id, ip, user_agent, last_activity, created_at
from sessions
where account_id = @account_id
order by last_activity desc, id desc;

-- name: DeleteSession :execrows
delete
from sessions
where id = @id
  and account_id = @account_id;
