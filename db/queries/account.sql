-- name: LockSetup :exec
-- Serialises registrations, so that only one of two first accounts becomes the
-- administrator.
select pg_advisory_xact_lock(hashtextextended('nexterm.setup', 0));

-- name: FindRegistrationRules :one
select not exists (select from accounts) as first_time_setup,
       exists (select from auth_providers p where p.is_internal and p.enabled and p.allow_registration) as self_registration;

-- name: InsertAccount :one
insert into accounts (username, first_name, last_name, password_hash)
values (@username, @first_name, @last_name, @password_hash)
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

-- name: UpdateName :exec
update accounts
set first_name = coalesce(sqlc.narg(first_name), first_name),
    last_name  = coalesce(sqlc.narg(last_name), last_name)
where id = @id;

-- name: UpdatePassword :execrows
update accounts
set password_hash = @password_hash
where id = @id;
