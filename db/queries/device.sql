-- name: CreateDeviceCode :one
-- No row: the code is taken.
insert into device_codes (code, token_hash, client_type, ip_address, user_agent, created_by_account_id)
values (@code, @token_hash, @client_type, @ip_address, @user_agent, sqlc.narg(created_by_account_id))
on conflict on constraint device_codes_code_unique do nothing
returning expires_at;

-- name: PollDeviceCode :one
-- Whoever gets the row has claimed the code; nobody gets it again. The account
-- is locked before its code, in the order in which its deletion takes them.
with approver as materialized (select a.id
                               from device_codes d
                                        join accounts a on a.id = d.authorized_by_account_id
                               where d.token_hash = @token_hash
                               for key share of a)
update device_codes d
set claimed_at = now()
from approver
where d.token_hash = @token_hash
  and d.authorized_by_account_id = approver.id
  and d.claimed_at is null
  and d.expires_at > now()
returning approver.id as account_id;

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
-- Of two approvals at once, one finds the code. The account is locked before its
-- code here, too.
with approver as materialized (select a.id from accounts a where a.id = @account_id for key share)
update device_codes d
set authorized_by_account_id = approver.id
from approver
where d.code = @code
  and d.authorized_by_account_id is null
  and d.expires_at > now()
returning d.ip_address, d.user_agent, d.client_type;

-- name: GetDeviceLinkStatus :one
select case
           when claimed_at is not null then 'claimed'
           when expires_at <= now() then 'expired'
           when authorized_by_account_id is not null then 'authorized'
           else 'pending' end::text as status
from device_codes
where code = @code
  and (created_by_account_id = @account_id::bigint or authorized_by_account_id = @account_id::bigint);
