-- name: ListAccounts :many
select a.id, a.username, a.first_name, a.last_name, a.totp_enabled,
       exists (select from administrators d where d.account_id = a.id) as is_admin
from accounts a
order by a.id;

-- name: SetPassword :one
update accounts
set password_hash = @password_hash
where coalesce(folded_username, username) = @folded_username::text
returning id;

-- name: GetAccountID :one
select id
from accounts
where coalesce(folded_username, username) = @folded_username::text;

-- name: ResetTOTP :one
-- No row: there is no such account. The answer is what it was before.
with forgotten as (
    delete from totp_secrets s
    using accounts f
    where coalesce(f.folded_username, f.username) = @folded_username::text and s.account_id = f.id and s.kind = 'active')
update accounts a
set totp_enabled = false, totp_last_step = null
from (select b.id, b.totp_enabled from accounts b where coalesce(b.folded_username, b.username) = @folded_username::text for update) as before
where a.id = before.id
returning a.id, before.totp_enabled;

-- name: EnablePasswords :one
-- No row: they are enabled already.
update auth_providers
set enabled = true
where is_internal
  and not enabled
returning id, name;
