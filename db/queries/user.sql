-- name: LockPermissions :exec
-- Serialises whatever changes who may do what, so that rules on the outcome
-- hold, above all that an administrator remains. Taken first in a transaction.
select pg_advisory_xact_lock(hashtextextended('nexterm.permissions', 0));

-- name: ListUsers :many
-- Without a search the newest are all that is read; with one, see SearchAccounts. The
-- size of a page, and what is skipped, is kept from the planner, which would plan anew
-- each time: that takes longer than the page.
with found as materialized (
    select id, username, first_name, last_name, totp_enabled, avatar_hash, active_theme_id
    from accounts
    where lower(username) like (select containing(sqlc.narg(search)::text))
       or lower(first_name) like (select containing(sqlc.narg(search)::text))
       or lower(last_name) like (select containing(sqlc.narg(search)::text))),
     page as (
         (select id, username, first_name, last_name, totp_enabled, avatar_hash, active_theme_id
          from accounts
          where sqlc.narg(search)::text is null
          order by id desc
          limit (select @page_size::bigint) offset (select @skip::bigint))
         union all
         (select id, username, first_name, last_name, totp_enabled, avatar_hash, active_theme_id
          from found
          order by id desc
          limit (select @page_size::bigint) offset (select @skip::bigint)))
select p.id, p.username, p.first_name, p.last_name, p.totp_enabled, p.avatar_hash, p.active_theme_id,
       (select jsonb_agg(jsonb_build_object('id', g.id, 'name', g.name, 'color', g.color,
                                            'isAdmin', g.is_admin, 'isDefault', g.is_default)
                         order by g.is_default, g.sort_order, g.id)
        from permission_groups g
        where g.is_default
           or exists (select from group_members m where m.group_id = g.id and m.account_id = p.id))::jsonb as groups
from page p
order by p.id desc;

-- name: CountUsers :one
select case
           when sqlc.narg(search)::text is null then (select coalesce(sum(change), 0) from account_counts)
           else (select count(*)
                 from accounts
                 where lower(username) like (select containing(sqlc.narg(search)::text))
                    or lower(first_name) like (select containing(sqlc.narg(search)::text))
                    or lower(last_name) like (select containing(sqlc.narg(search)::text)))
           end::bigint as total;

-- name: LockUser :one
-- What decides whether somebody may act on an account. While it is locked, it
-- can neither sign in nor found an organization.
select a.id, a.username,
       exists (select from administrators d where d.account_id = a.id)                           as is_admin,
       exists (select from administrators d where d.account_id <> a.id)                          as other_admins,
       array(select p.permission from effective_permissions p where p.account_id = a.id)::text[] as permissions
from accounts a
where a.id = @id
for update of a;

-- name: LockOwnedOrganizations :many
-- The organizations of an owner, with their memberships locked: nobody joins or
-- leaves before the owner's successor is known.
with locked as materialized (select m.organization_id
                             from organization_members m
                             where m.organization_id in (select o.organization_id
                                                         from organization_members o
                                                         where o.account_id = @account_id
                                                           and o.role = 'owner')
                             order by m.organization_id, m.account_id
                             for update of m)
select distinct organization_id
from locked
order by organization_id;

-- name: DeleteUser :exec
delete
from accounts
where id = @id;

-- name: PassOnOrganizations :many
-- The member who joined first becomes the owner of an organization without one.
update organization_members m
set role       = 'owner',
    updated_at = now()
from (select distinct on (c.organization_id) c.organization_id, c.account_id
      from organization_members c
      where c.organization_id = any(@organization_ids::bigint[])
        and c.status = 'active'
      order by c.organization_id, c.created_at, c.account_id) as successor
         join organizations o on o.id = successor.organization_id
where m.organization_id = successor.organization_id
  and m.account_id = successor.account_id
returning m.organization_id, m.account_id, o.name;

-- name: DeleteOwnerlessOrganizations :many
delete
from organizations o
where o.id = any(@organization_ids::bigint[])
  and not exists (select from organization_members m where m.organization_id = o.id and m.role = 'owner')
returning o.id, o.name;
