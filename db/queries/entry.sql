-- name: ListEntries :many
-- Container by container; in what order the tree shows those is for the folders
-- to tell. Positions are counted in the order of the answer and aggregates take
-- their input sorted, so that nothing is sorted twice; a tag becomes JSON once.
with links as (
    select s.entry_id, array_agg(s.identity_id) as identities
    from (select l.entry_id, l.identity_id
          from identities i
                   join entries_identities l on l.identity_id = i.id
          where i.scope = any(@reach::bigint[])
          order by l.entry_id, l.position, l.identity_id) s
    group by s.entry_id),
     own as materialized (
         select t.id, row_number() over (order by t.name collate "C") as place,
                json_build_object('id', t.id, 'name', t.name, 'color', t.color) as tag
         from tags t
         where t.account_id = @account_id::bigint),
     labels as (
         select s.entry_id, json_agg(s.tag) as tags
         from (select a.entry_id, t.tag
               from own t
                        join entry_tags a on a.tag_id = t.id
               order by a.entry_id, t.place) s
         group by s.entry_id)
select e.id, e.account_id, e.organization_id, e.folder_id, e.integration_id, e.type, e.renderer, e.name, e.icon,
       (row_number() over (partition by e.folder_id, e.organization_id order by e.rank, e.id) - 1)::bigint as position,
       e.status, e.config, e.created_at, e.updated_at,
       coalesce(l.identities, '{}')::bigint[]      as identities,
       coalesce(g.tags, '[]')::json                as tags,
       coalesce(e.config ->> 'protocol', '')::text as protocol,
       coalesce(e.config ->> 'ip', '')::text       as ip
from entries e
         left join links l on l.entry_id = e.id
         left join labels g on g.entry_id = e.id
where e.scope = any(@reach::bigint[])
order by e.folder_id, e.organization_id, e.rank, e.id;

-- name: ListEntryTree :many
-- What the tree shows of entries, in the order of ListEntries.
with links as (
    select s.entry_id, array_agg(s.identity_id) as identities
    from (select l.entry_id, l.identity_id
          from identities i
                   join entries_identities l on l.identity_id = i.id
          where i.scope = any(@reach::bigint[])
          order by l.entry_id, l.position, l.identity_id) s
    group by s.entry_id),
     own as materialized (
         select t.id, row_number() over (order by t.name collate "C") as place,
                json_build_object('id', t.id, 'name', t.name, 'color', t.color) as tag
         from tags t
         where t.account_id = @account_id::bigint),
     labels as (
         select s.entry_id, json_agg(s.tag) as tags
         from (select a.entry_id, t.tag
               from own t
                        join entry_tags a on a.tag_id = t.id
               order by a.entry_id, t.place) s
         group by s.entry_id)
select e.id, e.organization_id, e.folder_id, e.integration_id, e.type, e.renderer, e.name, e.icon, e.status,
       (row_number() over (partition by e.folder_id, e.organization_id order by e.rank, e.id) - 1)::bigint as position,
       coalesce(l.identities, '{}')::bigint[]                 as identities,
       coalesce(g.tags, '[]')::json                           as tags,
       coalesce(e.config ->> 'protocol', '')::text            as protocol,
       coalesce(e.config ->> 'ip', '')::text                  as ip,
       coalesce(e.config ->> 'macAddress', '')::text          as mac_address,
       coalesce(e.config ->> 'wakeOnLanEnabled', '')::text    as wake_on_lan_enabled,
       coalesce(e.config ->> 'notes', '')::text               as notes,
       coalesce(e.config -> 'showNoteInList' = 'true', false)::boolean as show_note_in_list
from entries e
         left join links l on l.entry_id = e.id
         left join labels g on g.entry_id = e.id
where e.scope = any(@reach::bigint[])
order by e.folder_id, e.organization_id, e.rank, e.id;

-- name: GetEntry :one
select e.id, e.account_id, e.organization_id, e.folder_id, e.integration_id, e.type, e.renderer, e.name, e.icon,
       (select count(*)
        from entries s
        where s.scope = e.scope
          and coalesce(s.folder_id, 0) = coalesce(e.folder_id, 0)
          and (s.rank, s.id) < (e.rank, e.id)) as position,
       e.status, e.config, e.created_at, e.updated_at,
       array(select l.identity_id
             from entries_identities l
                      join identities i on i.id = l.identity_id
             where l.entry_id = e.id
               and i.scope = any(@reach::bigint[])
             order by l.position, l.identity_id)::bigint[] as identities,
       coalesce((select json_agg(json_build_object('id', t.id, 'name', t.name, 'color', t.color)
                                 order by t.name collate "C")
                 from entry_tags a
                          join tags t on t.id = a.tag_id
                 where a.entry_id = e.id
                   and t.account_id = @account_id::bigint), '[]')::json as tags,
       coalesce(e.config ->> 'protocol', '')::text as protocol,
       coalesce(e.config ->> 'ip', '')::text       as ip
from entries e
where e.id = @id
  and e.scope = any(@reach::bigint[]);

-- name: ListRecentEntries :many
-- The caller's latest connections to what the caller can still read.
select e.id, e.account_id, e.organization_id, e.folder_id, e.integration_id, e.type, e.renderer, e.name, e.icon,
       (select count(*)
        from entries s
        where s.scope = e.scope
          and coalesce(s.folder_id, 0) = coalesce(e.folder_id, 0)
          and (s.rank, s.id) < (e.rank, e.id)) as position,
       e.status, e.config, e.created_at, e.updated_at,
       array(select l.identity_id
             from entries_identities l
                      join identities i on i.id = l.identity_id
             where l.entry_id = e.id
               and i.scope = any(@reach::bigint[])
             order by l.position, l.identity_id)::bigint[] as identities,
       coalesce((select json_agg(json_build_object('id', t.id, 'name', t.name, 'color', t.color)
                                 order by t.name collate "C")
                 from entry_tags a
                          join tags t on t.id = a.tag_id
                 where a.entry_id = e.id
                   and t.account_id = @account_id::bigint), '[]')::json as tags,
       coalesce(e.config ->> 'protocol', '')::text as protocol,
       coalesce(e.config ->> 'ip', '')::text       as ip,
       r.action, r.connected_at
from recent_connections r
         join entries e on e.id = r.entry_id
where r.account_id = @account_id::bigint
  and e.scope = any(@reach::bigint[])
order by r.connected_at desc, e.id desc
limit @most::integer;

-- name: WakeEntry :one
select type,
       coalesce(config ->> 'macAddress', '')::text          as mac_address,
       coalesce(config ->> 'wolBroadcastAddress', '')::text as broadcast_address
from entries
where id = @id
  and scope = any(@reach::bigint[]);

-- name: LockEntry :one
-- manages_all is set for callers who may manage all organizations. The
-- configuration, which can be long, is read only when the change concerns it.
select id, scope, folder_id, integration_id, type, renderer, name, icon,
       case when @with_config::boolean then config end::jsonb as config
from entries
where id = @id
  and (scope = any(@reach::bigint[]) or @manages_all::boolean and scope < 0)
for update;

-- name: GetEntryPlace :one
select scope, folder_id
from entries
where id = @id
  and (scope = any(@reach::bigint[]) or @manages_all::boolean and scope < 0);

-- name: CreateEntry :one
-- every owner: a new row; the caller's right to its place is checked before
insert into entries (account_id, organization_id, folder_id, type, renderer, name, icon, config, rank)
select nullif(greatest(@scope::bigint, 0), 0), nullif(greatest(0 - @scope::bigint, 0), 0), sqlc.narg(folder_id)::bigint, @type, sqlc.narg(renderer),
       @name, @icon, @config,
       (select coalesce(floor(max(s.rank)) + 1, 0)
        from entries s
        where s.scope = @scope
          and coalesce(s.folder_id, 0) = coalesce(sqlc.narg(folder_id)::bigint, 0))
returning id;

-- name: UpdateEntry :exec
update entries
set name       = coalesce(sqlc.narg(name), name),
    icon       = coalesce(sqlc.narg(icon), icon),
    type       = coalesce(sqlc.narg(type), type),
    renderer   = case when @set_renderer::boolean then sqlc.narg(renderer) else renderer end,
    config     = coalesce(sqlc.narg(config)::jsonb, config),
    updated_at = now()
where id = @id
  and (scope = any(@reach::bigint[]) or @manages_all::boolean and scope < 0);

-- name: DeleteEntry :exec
-- Links, tag assignments and recent connections go with it, by foreign keys.
delete
from entries
where id = @id
  and (scope = any(@reach::bigint[]) or @manages_all::boolean and scope < 0);

-- name: DuplicateEntry :one
-- The copy stands at the end until it is repositioned.
insert into entries (account_id, organization_id, folder_id, type, renderer, name, icon, config, rank)
select e.account_id, e.organization_id, e.folder_id, e.type, e.renderer, left(e.name, 255 - 7) || ' (Copy)', e.icon, e.config,
       (select coalesce(floor(max(s.rank)) + 1, 0)
        from entries s
        where s.scope = e.scope
          and coalesce(s.folder_id, 0) = coalesce(e.folder_id, 0))
from entries e
where e.id = @id
  and (e.scope = any(@reach::bigint[]) or @manages_all::boolean and e.scope < 0)
returning id, name;

-- name: CopyLinks :exec
-- Those that the caller may use, locked so that none is deleted meanwhile.
insert into entries_identities (entry_id, identity_id, position, route)
select @copy_id, l.identity_id, l.position, l.route
from entries_identities l
         join identities i on i.id = l.identity_id
where l.entry_id = @id
  and i.scope = any(@reach::bigint[])
for key share of i;

-- name: RepositionEntry :one
-- Puts an entry next to another one, or at the end without one, and moves it to
-- that container. Only this row is written. No row: there is no such target.
-- is_crowded tells that the ranks there have become too long, or were no
-- order at all: the container has to be renumbered.
with target as (
    select t.id, t.rank
    from entries t
    where t.id = sqlc.narg(target_id)::bigint
      and t.id <> @id
      and t.scope = @new_scope::bigint
      and coalesce(t.folder_id, 0) = coalesce(sqlc.narg(new_folder_id)::bigint, 0)),
     gap as (
         select coalesce((select s.rank
                          from entries s
                          where s.scope = @new_scope
                            and coalesce(s.folder_id, 0) = coalesce(sqlc.narg(new_folder_id)::bigint, 0)
                            and (s.rank, s.id) < (t.rank, t.id)
                            and s.id <> @id
                          order by s.rank desc, s.id desc
                          limit 1), floor(t.rank) - 2) as low,
                t.rank                                 as high
         from target t
         where @placement::text = 'before'
         union all
         select t.rank,
                coalesce((select s.rank
                          from entries s
                          where s.scope = @new_scope
                            and coalesce(s.folder_id, 0) = coalesce(sqlc.narg(new_folder_id)::bigint, 0)
                            and (s.rank, s.id) > (t.rank, t.id)
                            and s.id <> @id
                          order by s.rank, s.id
                          limit 1), floor(t.rank) + 2)
         from target t
         where @placement::text = 'after'
         union all
         select l.rank, l.rank + 2
         from (select coalesce(floor(max(s.rank)), -1) as rank
               from entries s
               where s.scope = @new_scope
                 and coalesce(s.folder_id, 0) = coalesce(sqlc.narg(new_folder_id)::bigint, 0)) l
         where sqlc.narg(target_id)::bigint is null),
     spot as (
         select trim_scale((low + high) * 0.5) as rank, low >= high as tied
         from gap)
update entries e
set account_id      = nullif(greatest(@new_scope::bigint, 0), 0),
    organization_id = nullif(greatest(0 - @new_scope::bigint, 0), 0),
    folder_id       = sqlc.narg(new_folder_id)::bigint,
    rank            = spot.rank,
    updated_at      = now()
from spot
where e.id = @id
  and (e.scope = any(@reach::bigint[]) or @manages_all::boolean and e.scope < 0)
returning (spot.tied or scale(spot.rank) > 300)::boolean as is_crowded;

-- name: RenumberEntries :exec
-- every owner: the caller's right to the container is checked before
update entries e
set rank = n.rank
from (select s.id, row_number() over (order by s.rank, s.id) - 1 as rank
      from entries s
      where s.scope = @scope
        and coalesce(s.folder_id, 0) = coalesce(sqlc.narg(folder_id)::bigint, 0)) n
where e.id = n.id
  and e.rank <> n.rank;

-- name: LockUsableIdentities :many
-- Locked, so that none is deleted before it is linked.
select id
from identities
where id = any(@ids::bigint[])
  and scope = any(@reach::bigint[])
order by id
for key share;

-- name: SetLinks :exec
-- Replaces the links that the caller can see and keeps the others. The given
-- ones become the first, and so the default, unless a kept one is. A link that
-- stays keeps its route: clients send all links whenever they save something.
with old as (
    select l.identity_id, l.position,
           (i.scope = any(@reach::bigint[])) as visible
    from entries_identities l
             join identities i on i.id = l.identity_id
    where l.entry_id = @entry_id),
     gone as (
         delete from entries_identities l
             using old o
             where l.entry_id = @entry_id
               and l.identity_id = o.identity_id
               and o.visible
               and l.identity_id <> all (@identity_ids::bigint[]))
insert
into entries_identities (entry_id, identity_id, position, route)
select @entry_id, g.id,
       case
           when (select not o.visible from old o order by o.position, o.identity_id limit 1)
               then (select max(o.position) from old o) + g.place
           else (select coalesce(min(o.position), 0) from old o) - cardinality(@identity_ids::bigint[]) + g.place
           end,
       (select route(e.config) from entries e where e.id = @entry_id and e.scope = any(@reach::bigint[]))
from unnest(@identity_ids::bigint[]) with ordinality as g (id, place)
on conflict (entry_id, identity_id) do update set position = excluded.position;

-- name: RenewLinks :exec
-- every owner: it follows a change of an entry that the caller may make.
-- Of the identities that the caller may use, those on the entry, and on the
-- entries behind it, go along to its new address; not where somebody else has
-- changed the rest of the way meanwhile. An organization's identities on its own
-- entries go anywhere.
with edited as materialized (
    select route(e.config) as route, address(e.config) as address,
           route(@before::jsonb) as old_route, address(@before::jsonb) as old_address
    from entries e
    where e.id = @id),
     led as materialized (
         select @id::bigint as id
         union
         select e.id from entries e where e.config -> 'jumpHosts' @> to_jsonb(@id::bigint))
update entries_identities l
set route = found.route
from (select l.entry_id, l.identity_id,
             case when e.id = @id then h.route else array_replace(l.route, h.old_address, h.address) end as route
      from edited h
               cross join led
               join entries e on e.id = led.id
               join entries_identities l on l.entry_id = e.id
               join identities i on i.id = l.identity_id
      where i.scope = any(@reach::bigint[])
        and num_nonnulls(i.account_id, e.account_id) > 0
        and (e.id <> @id or trim_array(l.route, 1) = trim_array(h.old_route, 1))
      order by l.entry_id, l.identity_id
      for update of l) as found
where l.entry_id = found.entry_id
  and l.identity_id = found.identity_id
  and l.route <> found.route;

-- name: ListJumpHosts :many
select id, coalesce(config ->> 'protocol' = 'ssh', false)::boolean as is_ssh
from entries
where id = any(@ids::bigint[])
  and scope = any(@reach::bigint[]);

-- name: RemoveUnreachableLinks :exec
-- every owner: it follows a move, for whoever can read the entries no more.
-- Kept are identities of the entries' owner and, on an organization's entries,
-- personal ones of its active members.
delete from entries_identities l
    using entries e, identities i
where e.id = any(@entry_ids::bigint[])
  and l.entry_id = e.id
  and i.id = l.identity_id
  and (i.account_id = e.account_id or i.organization_id = e.organization_id
    or exists (select
               from organization_members m
               where m.organization_id = e.organization_id
                 and m.account_id = i.account_id
                 and m.status = 'active')) is not true;

-- name: RemoveUnreachableTags :exec
-- every owner: it follows a move, for whoever can read the entries no more
delete from entry_tags a
    using entries e, tags t
where e.id = any(@entry_ids::bigint[])
  and a.entry_id = e.id
  and t.id = a.tag_id
  and (t.account_id = e.account_id
    or exists (select
               from organization_members m
               where m.organization_id = e.organization_id
                 and m.account_id = t.account_id
                 and m.status = 'active')) is not true;

-- name: ListEntryNames :many
-- every owner: the caller's right to the folder is checked before
select distinct name
from entries
where folder_id = @folder_id::bigint
  and name = any(@names::text[]);

-- name: ImportSSHConfig :many
-- every owner: new rows; the caller's right to their folder is checked before.
-- Appended in the given order; ordinal tells which entry became of which item.
with last as (
    select coalesce(floor(max(s.rank)), -1) as rank
    from entries s
    where s.scope = @scope
      and coalesce(s.folder_id, 0) = @folder_id::bigint),
     given as (
         select unnest(@names::text[])                            as name,
                unnest(@configs::text[])                          as config,
                generate_series(1, cardinality(@names::text[])) as place),
     created as (
         insert into entries (account_id, organization_id, folder_id, type, renderer, name, config, rank)
             select nullif(greatest(@scope::bigint, 0), 0), nullif(greatest(0 - @scope::bigint, 0), 0), @folder_id::bigint, 'server', 'terminal',
                    g.name, g.config::jsonb, last.rank + g.place
             from given g, last
             returning id, rank)
select c.id, (c.rank - last.rank - 1)::integer as item
from created c, last
order by c.rank;

-- name: LinkEntries :exec
-- every owner: the entries are new ones of the caller's
insert into entries_identities (entry_id, identity_id, position, route)
select e.id, g.identity_id, g.position, route(e.config)
from (select unnest(@entry_ids::bigint[])      as entry_id,
             unnest(@identity_ids::bigint[])   as identity_id,
             unnest(@positions::integer[])     as position) g
         join entries e on e.id = g.entry_id;
