-- name: DeleteOldDeviceCodes :exec
-- Codes are kept for a while after their end, so that what became of them can
-- be told.
delete
from device_codes
where expires_at <= now() - interval '10 minutes';

-- name: CreateDeviceCode :one
-- No row: the code is taken.
insert into device_codes (code, token_hash, client_type, ip_address, user_agent, created_by_account_id)
values (@code, @token_hash, @client_type, @ip_address, @user_agent, sqlc.narg(created_by_account_id))
on conflict on constraint device_codes_code_unique do nothing
returning expires_at;

-- name: PollDeviceCode :one
-- Whoever gets the row has claimed the code; nobody gets it again.
update device_codes
set claimed_at = now()
where token_hash = @token_hash
  and authorized_by_account_id is not null
  and claimed_at is null
  and expires_at > now()
returning authorized_by_account_id::bigint as account_id;

-- name: IsDeviceCodeOpen :one
select exists (select
               from device_codes
               where token_hash = @token_hash and claimed_at is null and expires_at > now()) as open;

-- name: GetDeviceCode :one
-- Whoever can read the code on the device may see who shows it.
select ip_address, user_agent, client_type, expires_at,
       (authorized_by_account_id is not null)::boolean as authorized
from device_codes
where code = @code
  and claimed_at is null
  and expires_at > now();

-- name: AuthorizeDeviceCode :one
-- Of two approvals at once, one finds the code.
update device_codes
set authorized_by_account_id = @account_id::bigint
where code = @code
  and authorized_by_account_id is null
  and expires_at > now()
returning ip_address, user_agent, client_type;

-- name: GetDeviceLinkStatus :one
select case
           when claimed_at is not null then 'claimed'
           when expires_at <= now() then 'expired'
           when authorized_by_account_id is not null then 'authorized'
           else 'pending' end::text as status
from device_codes
where code = @code
  and (created_by_account_id = @account_id::bigint or authorized_by_account_id = @account_id::bigint);
