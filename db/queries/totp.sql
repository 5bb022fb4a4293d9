-- name: CreatePendingTotpSecret :exec
-- Of two first calls at once, one secret stays.
insert into totp_secrets (account_id, kind, key_id, ciphertext)
values (@account_id, 'pending', @key_id, @ciphertext)
on conflict on constraint totp_secrets_one_of_a_kind do nothing;

-- name: GetTotpSecret :one
select a.username, a.totp_enabled, s.ciphertext
from accounts a
         left join totp_secrets s on s.account_id = a.id and s.kind = 'pending'
where a.id = @account_id;

-- name: EnableTotp :execrows
-- Only while TOTP is off, and only for the pending secret that was proved. The
-- account is locked before its secrets, in the order in which its deletion takes
-- them.
with owner as materialized (
    select o.id
    from accounts o
    where o.id = @account_id and not o.totp_enabled
    for no key update),
     taken as (
    delete from totp_secrets s
    using owner
    where s.account_id = owner.id and s.kind = 'pending' and s.ciphertext = @pending_ciphertext
    returning s.account_id),
     enabled as (
    update accounts a
    set totp_enabled = true, totp_last_step = null
    from taken t
    where a.id = t.account_id
    returning a.id)
insert
into totp_secrets (account_id, kind, key_id, ciphertext)
select e.id, 'active', @key_id, @ciphertext
from enabled e
on conflict on constraint totp_secrets_one_of_a_kind do update
    set key_id = excluded.key_id, ciphertext = excluded.ciphertext, updated_at = now();

-- name: DisableTotp :one
-- No row: TOTP is disabled already.
with forgotten as (
    delete from totp_secrets s
    where s.account_id = @account_id and s.kind = 'active')
update accounts
set totp_enabled = false, totp_last_step = null
where id = @account_id and totp_enabled
returning username;

-- name: UseTotpStep :execrows
-- A code holds once: its time step and older ones are used up, on all servers.
update accounts
set totp_last_step = @step::bigint
where id = @account_id
  and totp_enabled
  and (totp_last_step is null or totp_last_step < @step::bigint);
