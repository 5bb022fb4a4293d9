-- name: LockSetup :exec
-- Serialises registrations, so that only one of two first accounts becomes the
-- administrator.
select pg_advisory_xact_lock(hashtextextended('nexterm.setup', 0));

-- name: GetRegistrationRules :one
select not exists (select from accounts) as first_time_setup,
       exists (select from auth_providers p where p.is_internal and p.enabled and p.allow_registration) as self_registration;

-- name: CreateAccount :one
insert into accounts (username, folded_username, first_name, last_name, password_hash)
values (@username, nullif(@folded_username::text, @username), @first_name, @last_name, @password_hash)
returning id;

-- name: AddAdministrator :exec
insert into group_members (group_id, account_id)
select g.id, @account_id
from permission_groups g
where g.is_admin
on conflict do nothing;

-- name: GetMe :one
select id, username, first_name, last_name, totp_enabled, session_sync, preferences, active_theme_id, avatar_hash
from accounts
where id = @id;

-- name: UpdateName :one
update accounts
set first_name = coalesce(sqlc.narg(first_name), first_name),
    last_name  = coalesce(sqlc.narg(last_name), last_name)
where id = @id
returning username;

-- name: UpdatePassword :one
update accounts
set password_hash = @password_hash
where id = @id
returning username;

-- name: LockAccount :exec
-- Serialises what may be done only so many times for one account.
select id
from accounts
where id = @id for no key update;

-- name: SearchAccounts :many
select id, username, first_name, last_name, avatar_hash
from accounts
where lower(username) like containing(@search::text)
   or lower(first_name) like containing(@search::text)
   or lower(last_name) like containing(@search::text)
order by username
limit 5;

-- name: UpdatePreferences :one
-- Merges two levels in one statement, so that changes at the same time add up.
update accounts
set preferences = preferences || (select coalesce(jsonb_object_agg(s.key, coalesce(preferences -> s.key, '{}') || s.value), '{}')
                                  from jsonb_each(@patch::jsonb) s)
where id = @id
returning preferences;

-- name: UpdateSessionSync :execrows
update accounts
set session_sync = @session_sync
where id = @id;

-- name: SetAvatar :exec
with stored as (
    insert into avatars (account_id, image)
    values (@account_id, @image)
    on conflict on constraint avatars_pkey do update set image = excluded.image, updated_at = now())
update accounts
set avatar_hash = @avatar_hash::text
where id = @account_id;

-- name: DeleteAvatar :execrows
with deleted as (delete from avatars where avatars.account_id = @account_id)
update accounts
set avatar_hash = null
where id = @account_id;

-- name: GetAvatar :one
select image
from avatars
where account_id = @account_id;
