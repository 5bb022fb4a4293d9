-- name: ListOrganizations :many
select id, name, description, audit_settings, session_settings, created_at, updated_at
from organizations
where id = any(@organization_ids::bigint[])
order by id;

-- name: CreateOrganization :one
-- An organization without its owner never exists, not even for a moment.
with created as (
    insert into organizations (name, description)
    values (@name, nullif(sqlc.narg(description)::text, ''))
    returning id, name, description, audit_settings, session_settings, created_at, updated_at
), owned as (
    insert into organization_members (organization_id, account_id, role, status, invited_by)
    select c.id, @account_id::bigint, 'owner', 'active', @account_id::bigint
    from created c
)
select id, name, description, audit_settings, session_settings, created_at, updated_at
from created;

-- name: HasOrganization :one
select exists (select from organizations where id = @id) as found;

-- name: GetOrganization :one
select id, name, description, audit_settings, session_settings, created_at, updated_at
from organizations
where id = @id;

-- name: UpdateOrganization :one
update organizations
set name        = coalesce(sqlc.narg(name), name),
    description = case
                      when @set_description::boolean then nullif(sqlc.narg(description)::text, '')
                      else description end,
    updated_at  = now()
where id = @id
returning id, name, description, audit_settings, session_settings, created_at, updated_at;

-- name: DeleteOrganization :one
-- No row: there is no such organization. Foreign keys take along what it owns.
-- The former members are told.
with deleted as (
    delete
    from organizations
    where id = @id
    returning id, name
)
select d.name,
       array(select m.account_id
             from organization_members m
             where m.organization_id = d.id and m.status = 'active')::bigint[] as former_members
from deleted d;

-- name: GetOrganizationSessionSettings :one
select session_settings
from organizations
where id = @id;

-- name: UpdateOrganizationSessionSettings :one
update organizations
set session_settings = session_settings || @changes::jsonb,
    updated_at       = now()
where id = @id
returning name, session_settings;

-- name: ListMembers :many
select a.id, a.username, a.first_name, a.last_name, a.avatar_hash, m.role, m.status
from organization_members m
         join accounts a on a.id = m.account_id
where m.organization_id = @organization_id
order by a.id;

-- name: InviteMember :one
-- No row: there is no such organization. The unique constraint decides between
-- two invitations at once; the loser sees neither a status nor itself invited.
with target as (
    select o.id as organization_id, a.id as account_id, a.username
    from organizations o
             left join accounts a on coalesce(a.folded_username, a.username) = @folded_username::text
    where o.id = @organization_id
), invited as (
    insert into organization_members (organization_id, account_id, invited_by)
    select t.organization_id, t.account_id, @invited_by
    from target t
    where t.account_id is not null
    on conflict on constraint organization_members_unique do nothing
    returning account_id
)
select t.account_id, t.username, m.status, exists (select from invited) as invited
from target t
         left join organization_members m on m.organization_id = t.organization_id and m.account_id = t.account_id;

-- name: RemoveMember :one
-- No row: there is no such organization. The role is the one before.
with removed as (
    delete
    from organization_members
    where organization_id = @organization_id
      and account_id = @account_id
      and role <> 'owner'
    returning account_id
)
select m.role, coalesce(a.username, '')::text as username, exists (select from removed) as removed
from organizations o
         left join organization_members m on m.organization_id = o.id and m.account_id = @account_id
         left join accounts a on a.id = m.account_id
where o.id = @organization_id;

-- name: LeaveOrganization :execrows
delete
from organization_members
where organization_id = @organization_id
  and account_id = @account_id
  and status = 'active'
  and role <> 'owner';

-- name: ListPendingInvitations :many
select o.id, o.name, o.description, m.created_at,
       a.id as inviter_id, a.username as inviter_username, a.first_name as inviter_first_name,
       a.last_name as inviter_last_name, a.avatar_hash as inviter_avatar_hash
from organization_members m
         join organizations o on o.id = m.organization_id
         left join accounts a on a.id = m.invited_by
where m.account_id = @account_id
  and m.status = 'pending'
order by m.created_at desc, o.id desc;

-- name: AcceptInvitation :execrows
update organization_members
set status = 'active', updated_at = now()
where organization_id = @organization_id
  and account_id = @account_id
  and status = 'pending';

-- name: DeclineInvitation :execrows
delete
from organization_members
where organization_id = @organization_id
  and account_id = @account_id
  and status = 'pending';

-- name: LockMember :exec
-- Changes of one member's permissions wait for each other.
select account_id
from organization_members
where organization_id = @organization_id
  and account_id = @account_id
for no key update;

-- name: GetMemberPermissions :one
-- No row: there is no such organization. No role: no active membership.
select m.role, coalesce(c.is_admin, false)::boolean as is_admin,
       coalesce(c.permissions, '{}')::text[] as permissions,
       array(select p.permission
             from organization_member_permissions p
             where p.organization_id = m.organization_id and p.account_id = m.account_id and p.value = 'allow')::text[] as allowed,
       array(select p.permission
             from organization_member_permissions p
             where p.organization_id = m.organization_id and p.account_id = m.account_id and p.value = 'deny')::text[] as denied
from organizations o
         left join organization_members m on m.organization_id = o.id and m.account_id = @account_id and m.status = 'active'
         left join callers c on c.account_id = m.account_id
where o.id = @organization_id;

-- name: UpdateMemberPermissions :exec
with neutral as (
    delete
    from organization_member_permissions
    where organization_id = @organization_id
      and account_id = @account_id
      and permission = any(@neutral::text[])
)
insert into organization_member_permissions (organization_id, account_id, permission, value)
select @organization_id, @account_id, named.permission, named.value
from (select unnest(@allowed::text[]) as permission, 'allow' as value
      union all
      select unnest(@denied::text[]), 'deny') as named
on conflict (organization_id, account_id, permission) do update set value = excluded.value;
