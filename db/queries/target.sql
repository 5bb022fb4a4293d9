-- name: ListTargets :many
-- every owner: background work goes by the rights of each entry's owner.
-- The way to each entry: its hops in order, then itself, as hop 0. What the owner
-- may not use as a hop is not there. Its login is the first linked identity that
-- the owner may use, an organization before its members, and that may be sent this
-- way: all of the way belongs to those who may use the identity, or it is the one
-- for which the identity has been linked.
with targets as materialized (
    select t.id, t.scope, t.account_id, t.organization_id, t.config,
           t.scope || array(select -m.organization_id
                            from organization_members m
                            where m.account_id = t.account_id
                              and m.status = 'active') as reach
    from entries t
    where t.id = any(@ids::bigint[])),
     way as (
         select t.id as target_id, t.scope, t.account_id, t.organization_id, t.reach,
                h.place, h.id, h.name, h.type, h.protocol, h.host, h.port, h.engine, h.owners, h.route
         from targets t
                  cross join lateral way(t.id, t.config, t.reach) as h (place, id, name, type, protocol, host, port, engine, owners, route))
select w.target_id, w.scope, coalesce(w.place, 0)::integer as hop,
       coalesce(w.id, 0)::bigint                           as entry_id,
       coalesce(w.name, '')::text                          as name,
       coalesce(w.type, '')::text                          as type,
       coalesce(w.protocol, '')::text                      as protocol,
       coalesce(w.host, '')::text                          as host,
       coalesce(w.port, 0)::integer                        as port,
       -- This server is the engine of the id 1.
       coalesce(w.engine not in ('1', '"1"', '""'), false)::boolean as other_engine,
       coalesce((select true from entries_identities l where l.entry_id = w.id limit 1), false)::boolean as linked,
       coalesce(login.id, 0)::bigint                       as identity_id,
       coalesce(login.username, '')::text                  as username,
       (select c.ciphertext from credentials c where c.identity_id = login.id and c.kind = 'password') as password,
       (select c.ciphertext from credentials c where c.identity_id = login.id and c.kind = 'ssh-key') as private_key,
       (select c.ciphertext from credentials c where c.identity_id = login.id and c.kind = 'passphrase') as passphrase
from way w
         left join lateral (
    select i.id, i.username
    from entries_identities l
             join identities i on i.id = l.identity_id
    where l.entry_id = w.id
      and (i.scope = any(w.reach)
        or (select m.status = 'active'
            from organization_members m
            where m.organization_id = w.organization_id
              and m.account_id = i.account_id))
      and (w.owners <@ array [i.scope, w.account_id] or l.route = w.route)
    order by i.scope <> w.scope and w.organization_id is not null, l.position, l.identity_id
    limit 1) login on w.place is not null or @with_logins::boolean
order by w.target_id, w.place;

-- name: ListLogins :many
-- The way to one entry for a person who connects: its hops in order, then itself, as
-- hop 0. What the person cannot read as a hop is not there. The logins are as in
-- ListTargets, but the person's own; the entry's is the identity that is named, if
-- one is.
with way as (
         select t.id as target_id, t.scope, t.account_id, h.place, h.id, h.name, h.type, h.protocol, h.host, h.port, h.engine, h.owners, h.route
         from entries t
                  cross join lateral way(t.id, t.config, @reach::bigint[]) as h (place, id, name, type, protocol, host, port, engine, owners, route)
         where t.id = @id::bigint
           and t.scope = any(@reach::bigint[]))
select w.target_id, w.scope, coalesce(w.place, 0)::integer as hop,
       coalesce(w.id, 0)::bigint                           as entry_id,
       coalesce(w.name, '')::text                          as name,
       coalesce(w.type, '')::text                          as type,
       coalesce(w.protocol, '')::text                      as protocol,
       coalesce(w.host, '')::text                          as host,
       coalesce(w.port, 0)::integer                        as port,
       coalesce(w.engine not in ('1', '"1"', '""'), false)::boolean as other_engine,
       (login.id is not null
           or exists (select from entries_identities l where l.entry_id = w.id))::boolean as linked,
       coalesce(login.id, 0)::bigint                       as identity_id,
       coalesce(login.username, '')::text                  as username,
       (select c.ciphertext from credentials c where c.identity_id = login.id and c.kind = 'password') as password,
       (select c.ciphertext from credentials c where c.identity_id = login.id and c.kind = 'ssh-key') as private_key,
       (select c.ciphertext from credentials c where c.identity_id = login.id and c.kind = 'passphrase') as passphrase
from way w
         left join lateral (
    select i.id, i.username
    from identities i
             left join entries_identities l on l.identity_id = i.id and l.entry_id = w.id
    where i.scope = any(@reach::bigint[])
      and case
              when w.place is null and sqlc.narg(identity_id)::bigint is not null then i.id = sqlc.narg(identity_id)
              else l.entry_id is not null and (w.owners <@ array [i.scope, w.account_id] or l.route = w.route) end
    order by l.position, l.identity_id
    limit 1) login on true
order by w.place;
