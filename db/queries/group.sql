-- name: ListHolders :many
-- All accounts but administrators, and which of the named permissions they hold.
-- No account has the id 0: it stands for whoever comes next, who has the default
-- group and nothing else.
select a.id, coalesce(array_agg(p.permission) filter (where p.permission is not null), '{}')::text[] as permissions
from accounts a
         left join effective_permissions p on p.account_id = a.id and p.permission = any(@permissions::text[])
where not exists (select from administrators d where d.account_id = a.id)
group by a.id
union all
select 0, array(select p.permission
                from permission_groups g
                         join group_permissions p on p.group_id = g.id
                where g.is_default and p.value = 'allow' and p.permission = any(@permissions::text[]))::text[];

-- name: HasAdministrator :one
select exists (select from administrators) as found;

-- name: ListGroups :many
select g.id, g.name, g.color, g.is_admin, g.is_default, g.sort_order,
       (select count(*) from group_members m where m.group_id = g.id)          as member_count,
       array(select p.permission
             from group_permissions p
             where p.group_id = g.id and p.value = 'allow')::text[]            as allowed,
       array(select p.permission
             from group_permissions p
             where p.group_id = g.id and p.value = 'deny')::text[]             as denied
from permission_groups g
order by g.is_default, g.sort_order, g.id;

-- name: CreateGroup :one
-- Behind all others. The last position there is may be shared: ids decide then.
insert into permission_groups (name, color, sort_order)
select @name, coalesce(sqlc.narg(color)::text, '#314BD3'), least(max(g.sort_order)::bigint + 1, 2147483647)::integer
from permission_groups g
returning id, name, color, is_admin, is_default, sort_order;

-- name: OrderGroups :exec
-- The first mention of a group counts; built-in groups have their places.
update permission_groups g
set sort_order = placed.position
from (select c.id, (row_number() over (order by array_position(@ids::bigint[], c.id)))::integer as position
      from permission_groups c
      where c.id = any(@ids::bigint[])
        and not c.is_admin
        and not c.is_default) as placed
where g.id = placed.id;

-- name: GetGroup :one
select g.id, g.name, g.color, g.is_admin, g.is_default, g.sort_order,
       array(select p.permission
             from group_permissions p
             where p.group_id = g.id and p.value = 'allow')::text[] as allowed,
       array(select p.permission
             from group_permissions p
             where p.group_id = g.id and p.value = 'deny')::text[]  as denied
from permission_groups g
where g.id = @id;

-- name: ListGroupMembers :many
select a.id, a.username, a.first_name, a.last_name, a.avatar_hash
from group_members m
         join accounts a on a.id = m.account_id
where m.group_id = @id
order by a.username;

-- name: UpdateGroup :one
update permission_groups
set name       = coalesce(sqlc.narg(name), name),
    color      = coalesce(sqlc.narg(color), color),
    sort_order = coalesce(sqlc.narg(sort_order), sort_order)
where id = @id
returning id, name, color, is_admin, is_default, sort_order;

-- name: DeleteGroup :exec
delete
from permission_groups
where id = @id;

-- name: UpdateGroupPermissions :exec
with neutral as (
    delete
    from group_permissions
    where group_id = @id
      and permission = any(@neutral::text[])
)
insert into group_permissions (group_id, permission, value)
select @id, named.permission, named.value
from (select unnest(@allowed::text[]) as permission, 'allow' as value
      union all
      select unnest(@denied::text[]), 'deny') as named
on conflict (group_id, permission) do update set value = excluded.value;

-- name: AddGroupMember :execrows
insert into group_members (group_id, account_id)
values (@id, @account_id)
on conflict do nothing;

-- name: RemoveGroupMember :execrows
delete
from group_members
where group_id = @id
  and account_id = @account_id;

-- name: GetUserPermissions :one
select a.id, a.username, a.first_name, a.last_name, a.avatar_hash,
       c.is_admin::boolean as is_admin, c.permissions::text[] as permissions,
       array(select m.group_id from group_members m where m.account_id = a.id order by m.group_id)::bigint[] as group_ids,
       array(select o.permission
             from account_permissions o
             where o.account_id = a.id and o.value = 'allow')::text[]                                       as allowed,
       array(select o.permission
             from account_permissions o
             where o.account_id = a.id and o.value = 'deny')::text[]                                        as denied
from accounts a
         join callers c on c.account_id = a.id
where a.id = @account_id;

-- name: MakesAdministrator :one
-- Whether one of these groups is the administrators'.
select exists (select from permission_groups g where g.is_admin and g.id = any(@group_ids::bigint[])) as found;

-- name: UpdateUserGroups :exec
with removed as (
    delete
    from group_members
    where account_id = @account_id
      and group_id <> all(@group_ids::bigint[])
)
insert into group_members (group_id, account_id)
select g.id, @account_id
from permission_groups g
where g.id = any(@group_ids::bigint[])
on conflict do nothing;

-- name: UpdateUserPermissions :exec
with neutral as (
    delete
    from account_permissions
    where account_id = @account_id
      and permission = any(@neutral::text[])
)
insert into account_permissions (account_id, permission, value)
select @account_id, named.permission, named.value
from (select unnest(@allowed::text[]) as permission, 'allow' as value
      union all
      select unnest(@denied::text[]), 'deny') as named
on conflict (account_id, permission) do update set value = excluded.value;
