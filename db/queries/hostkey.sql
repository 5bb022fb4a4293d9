-- name: ListWay :many
-- The hops of an entry in their order, and the entry itself as the last one. Of a hop
-- nothing is told that connections of the entry's owner cannot go through, or that
-- the caller cannot read.
with target as (
    select e.id, e.scope, e.type, e.config
    from entries e
    where e.id = @id
      and (e.scope = any(@reach::bigint[]) or @manages_all::boolean and e.scope < 0))
select w.scope, coalesce(w.type, '')::text as type,
       coalesce(w.config ->> 'protocol', '')::text          as protocol,
       coalesce(w.config ->> 'ip', '')::text                as host,
       coalesce((w.config ->> 'port')::integer, 0)::integer as port
from (select j.number, t.scope, h.type, h.config
      from target t
               cross join jsonb_array_elements_text(t.config -> 'jumpHosts') with ordinality j (id, number)
               left join entries h on h.id = j.id::bigint
          and (h.scope = t.scope or t.scope > 0 and h.scope = any(@reach::bigint[]))
      union all
      select null, t.scope, t.type, t.config
      from target t) w
order by w.number;

-- name: ListHostKeys :many
-- every owner: the places are those of entries that are connected to, or that a
-- caller has read
select k.id, k.scope, k.host, k.port, k.via, k.type, k.public_key, k.pinned, k.added_by, k.first_seen, k.last_seen,
       k.offered_type, k.offered_key, k.offered_at
from generate_subscripts(@hosts::text[], 1) as p (number)
         join host_keys k on k.scope = (@scopes::bigint[])[p.number] and k.host = (@hosts::text[])[p.number]
    and k.port = (@ports::integer[])[p.number] and md5(k.via) = md5((@vias::text[])[p.number]) and k.via = (@vias::text[])[p.number]
order by p.number, k.type;

-- name: RememberHostKey :execrows
-- every owner: the owner is that of an entry that is connected to
insert into host_keys (account_id, organization_id, host, port, via, type, public_key, first_seen, last_seen)
values (nullif(greatest(@scope::bigint, 0), 0), nullif(greatest(0 - @scope::bigint, 0), 0), @host, @port, @via, @type, @public_key, now(), now())
on conflict (scope, host, port, md5(via), type) do nothing;

-- name: OfferHostKey :execrows
-- Keeps what a host shows instead of a trusted key, unless that is kept already or
-- another key has come to be trusted.
-- every owner: the key is that of an entry that is connected to
update host_keys
set offered_type = @offered_type::text,
    offered_key  = @offered_key::bytea,
    offered_at   = now()
where id = @id
  and public_key = @public_key
  and offered_key is distinct from @offered_key;

-- name: TouchHostKeys :exec
-- A key that another server writes just now has been seen there.
-- every owner: the keys are those of entries that have been connected to
update host_keys
set first_seen = coalesce(first_seen, now()),
    last_seen  = now()
where id in (select id from host_keys where id = any(@ids::bigint[]) for update skip locked);

-- name: PinHostKey :one
-- Pins a key unless another one of its type is trusted.
-- every owner: the owner is that of an entry that the caller may change
insert into host_keys (account_id, organization_id, host, port, via, type, public_key, pinned, added_by)
values (nullif(greatest(@scope::bigint, 0), 0), nullif(greatest(0 - @scope::bigint, 0), 0), @host, @port, @via, @type, @public_key, true, @added_by::bigint)
on conflict (scope, host, port, md5(via), type) do update
    set pinned   = true,
        added_by = coalesce(host_keys.added_by, excluded.added_by)
    where host_keys.public_key = excluded.public_key
returning id, scope, host, port, via, type, public_key, pinned, added_by, first_seen, last_seen, offered_type, offered_key, offered_at;

-- name: AcceptHostKey :one
-- Trusts the offered key, if it still is this one.
-- every owner: the key is that of an entry that the caller may change
update host_keys
set type         = offered_type,
    public_key   = offered_key,
    pinned       = true,
    added_by     = @added_by::bigint,
    first_seen   = offered_at,
    last_seen    = offered_at,
    offered_type = null,
    offered_key  = null,
    offered_at   = null
where id = @id
  and offered_key = @offered_key::bytea
returning id, scope, host, port, via, type, public_key, pinned, added_by, first_seen, last_seen, offered_type, offered_key, offered_at;

-- name: DeleteHostKey :one
-- every owner: the key is that of an entry that the caller may change
delete
from host_keys
where id = @id
returning type, public_key;
