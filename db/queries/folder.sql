-- name: ListFolders :many
-- Depth first: parents before children, siblings by position. How many scopes there
-- are is kept from the planner, which would plan anew each time: that takes longer than
-- reading.
with recursive tree as (
    select f.id, f.name, f.parent_id, f.organization_id, f.type, f.integration_id, f.position,
           array [f.position::bigint, f.id] as path
    from folders f
    where f.parent_id is null
      and f.scope = any((select @reach::bigint[])::bigint[])
    union all
    select f.id, f.name, f.parent_id, f.organization_id, f.type, f.integration_id, f.position,
           t.path || array [f.position::bigint, f.id]
    from folders f
             join tree t on t.id = f.parent_id)
select id, name, parent_id, organization_id, type, integration_id, position
from tree
order by organization_id nulls first, path;

-- name: ListTreeOrganizations :many
-- The organizations whose folders and entries a member's tree shows.
select o.id, o.name,
       coalesce(o.audit_settings -> 'requireConnectionReason' = 'true', false)::boolean as require_connection_reason
from organizations o
where o.id = any(@organization_ids::bigint[])
order by o.id;

-- name: LockScopes :many
-- Serialises changes of order and structure, scope by scope, until the
-- transaction ends. Locked in ascending order, so that two changes never wait
-- for each other. Scopes are given as numbers or by what lies in them; those of
-- organizations that the caller has nothing to do with are not locked. Planned once, as
-- ListFolders is.
with named as (
    select f.scope
    from folders f
    where f.id = any((select @folder_ids::bigint[])::bigint[])
      and (f.scope = any((select @reach::bigint[])::bigint[]) or @manages_all::boolean and f.scope < 0)
    union
    select e.scope
    from entries e
    where e.id = any((select @entry_ids::bigint[])::bigint[])
      and (e.scope = any((select @reach::bigint[])::bigint[]) or @manages_all::boolean and e.scope < 0)
    union
    select given.scope
    from unnest((select @scopes::bigint[])::bigint[]) as given (scope)
    where case when given.scope < 0 and not @manages_all::boolean then given.scope = any((select @reach::bigint[])::bigint[]) else true end),
     locked as materialized (
         select n.scope, pg_advisory_xact_lock(hashtextextended('nexterm.scope', n.scope))
         from (select scope from named order by scope) n)
select scope::bigint as scope
from locked;

-- name: LockFolder :one
-- manages_all is set for callers who may manage all organizations.
select id, scope, parent_id, type, name
from folders
where id = @id
  and (scope = any(@reach::bigint[]) or @manages_all::boolean and scope < 0)
for update;

-- name: CreateFolder :one
-- every owner: a new row; the caller's right to its place is checked before
insert into folders (account_id, organization_id, parent_id, name, position)
select nullif(greatest(@scope::bigint, 0), 0), nullif(greatest(0 - @scope::bigint, 0), 0), sqlc.narg(parent_id)::bigint, @name,
       (select coalesce(max(f.position) + 1, 0)
        from folders f
        where f.scope = @scope
          and f.parent_id is not distinct from sqlc.narg(parent_id)::bigint)
returning id;

-- name: MeasureFolder :one
-- every owner: the caller's right to the folder and the parent is checked before.
-- How deep the parent lies, how many levels the folder has, itself included,
-- whether the parent lies in it, and whether an integration does. Chains longer
-- than any tree end the search.
with recursive up as (
    select f.id, f.parent_id, 1 as depth
    from folders f
    where f.id = sqlc.narg(parent_id)::bigint
    union all
    select f.id, f.parent_id, u.depth + 1
    from folders f
             join up u on u.parent_id = f.id
    where u.depth < 100),
               down as (
                   select f.id, f.type, 1 as height
                   from folders f
                   where f.id = sqlc.narg(id)::bigint
                   union all
                   select f.id, f.type, d.height + 1
                   from folders f
                            join down d on d.id = f.parent_id
                   where d.height < 100)
select (select coalesce(max(depth), 0) from up)::integer                     as depth,
       (select coalesce(max(height), 1) from down)::integer                  as height,
       (exists (select from up where up.id = sqlc.narg(id)::bigint))::boolean as is_cycle,
       (exists (select from down where down.type is not null))::boolean       as has_integration;

-- name: UpdateFolder :exec
update folders
set name = @name, updated_at = now()
where id = @id
  and (scope = any(@reach::bigint[]) or @manages_all::boolean and scope < 0);

-- name: MoveFolder :many
-- every owner: the folder is in the caller's reach, so is what lies in it.
-- Moves a folder to the end of its new place, with all that it contains, and
-- returns the entries that change their scope. One statement, because the foreign keys hold a tree
-- in one scope at the end of each.
with recursive subtree as (
    select f.id, 1 as depth
    from folders f
    where f.id = @id
      and (f.scope = any(@reach::bigint[]) or @manages_all::boolean and f.scope < 0)
    union all
    select f.id, s.depth + 1
    from folders f
             join subtree s on s.id = f.parent_id
    where s.depth < 100),
               last as (
                   select coalesce(max(f.position), -1) as position
                   from folders f
                   where f.scope = @new_scope
                     and f.parent_id is not distinct from sqlc.narg(new_parent_id)::bigint
                     and f.id <> @id),
               moved as (
                   update folders f
                       set account_id = nullif(greatest(@new_scope::bigint, 0), 0), organization_id = nullif(greatest(0 - @new_scope::bigint, 0), 0),
                           parent_id = case when f.id = @id then sqlc.narg(new_parent_id)::bigint else f.parent_id end,
                           position = case when f.id = @id then last.position + 1 else f.position end,
                           updated_at = now()
                       from subtree s, last
                       where f.id = s.id
                         and (f.id = @id or f.scope <> @new_scope))
update entries e
set account_id = nullif(greatest(@new_scope::bigint, 0), 0), organization_id = nullif(greatest(0 - @new_scope::bigint, 0), 0), updated_at = now()
from subtree s
where e.folder_id = s.id
  and e.scope <> @new_scope
returning e.id;

-- name: ListFolderContents :many
-- every owner: the folder is in the caller's reach, so is what lies in it.
-- A folder, all folders in it and their entries, for the record of its deletion.
with recursive subtree as (
    select f.id, f.name, f.type, f.parent_id, 1 as depth
    from folders f
    where f.id = @id
      and (f.scope = any(@reach::bigint[]) or @manages_all::boolean and f.scope < 0)
    union all
    select f.id, f.name, f.type, f.parent_id, s.depth + 1
    from folders f
             join subtree s on s.id = f.parent_id
    where s.depth < 100)
select true::boolean as is_folder, s.id, s.name, s.parent_id as folder_id,
       coalesce(s.type = 'integration-root', false)::boolean as is_integration
from subtree s
union all
select false, e.id, e.name, e.folder_id, false
from entries e
         join subtree s on s.id = e.folder_id;

-- name: DeleteFolder :exec
-- What the folder contains goes with it, by foreign keys.
delete
from folders
where id = @id
  and (scope = any(@reach::bigint[]) or @manages_all::boolean and scope < 0);
