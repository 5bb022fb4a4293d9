-- name: ListTargets :many
-- every owner: background work goes by the rights of each entry's owner.
-- The way to each entry: its hops in order, then itself, where place is null. What
-- the owner may not use as a hop is not there. Its login is the first linked
-- identity that the owner may use and that may be sent this way: the way belongs to
-- those who may use the identity, or is the one for which it has been linked.
with steps as (
    select t.id as target_id, t.scope, t.account_id, t.organization_id, h.place, h.entry_id
    from entries t
             cross join lateral (
        select j.place, j.id::numeric::bigint as entry_id
        from jsonb_array_elements_text(coalesce(t.config -> 'jumpHosts', '[]')) with ordinality as j (id, place)
        union all
        select null, t.id) h
    where t.id = any(@ids::bigint[])),
     way as (
         select w.target_id, w.scope, w.account_id, w.organization_id, w.place, e.id, e.name, e.type,
                e.config ->> 'protocol'                                              as protocol,
                e.config ->> 'ip'                                                    as host,
                port(e.config)                                                       as port,
                e.config ->> 'engineId'                                              as engine_id,
                array_agg(e.scope) over way                                          as owners,
                array_agg((e.config ->> 'ip') || ':' || port(e.config)) over (way rows between unbounded preceding and 1 preceding)
                    || concat_ws(' ', e.config ->> 'protocol', (e.config ->> 'ip') || ':' || port(e.config)) as route
         from steps w
                  left join entries e on e.id = w.entry_id
             and (e.scope = w.scope
                 or exists (select
                            from organization_members m
                            where m.organization_id = e.organization_id
                              and m.account_id = w.account_id
                              and m.status = 'active'))
         window way as (partition by w.target_id order by w.place))
select w.target_id, w.scope, coalesce(w.place, 0)::integer as hop,
       coalesce(w.id, 0)::bigint                           as entry_id,
       coalesce(w.name, '')::text                          as name,
       coalesce(w.type, '')::text                          as type,
       coalesce(w.protocol, '')::text                      as protocol,
       coalesce(w.host, '')::text                          as host,
       coalesce(w.port, 0)::integer                        as port,
       coalesce(w.engine_id, '')::text                     as engine_id,
       exists (select from entries_identities l where l.entry_id = w.id) as linked,
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
      and (i.scope = w.scope
        or exists (select
                   from organization_members m
                   where m.organization_id = coalesce(i.organization_id, w.organization_id)
                     and m.account_id = coalesce(w.account_id, i.account_id)
                     and m.status = 'active'))
      and (w.owners <@ array [i.scope, w.account_id] or l.route = w.route)
    order by i.scope <> w.scope and w.organization_id is not null, l.position, l.identity_id
    limit 1) login on w.place is not null or @with_logins::boolean
order by w.target_id, w.place;
