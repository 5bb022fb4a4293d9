-- name: ListCycles :many
select c.service, now()::timestamptz as read_at, c.number, c.slot_at, c.started_at, c.ended_at,
       (select coalesce(max(l.leased_until), 'epoch') from monitoring_lanes l where l.service = c.service)::timestamptz as leased_until,
       (case c.service when 'status' then s.status_checker_enabled else s.monitoring_enabled end)::boolean as enabled,
       (case c.service when 'status' then s.status_interval else s.monitoring_interval end)::integer as seconds,
       s.connection_timeout, s.batch_size
from monitoring_cycles c,
     monitoring_settings s
order by c.service;

-- name: LockCycle :exec
select
from monitoring_cycles
where service = @service
for update;

-- name: SkipCycle :exec
-- Without a slot the next cycle is due at once.
update monitoring_cycles
set slot_at = sqlc.narg(slot_at)
where service = @service;

-- name: DeleteBatches :exec
delete
from monitoring_batches
where service = @service;

-- name: PlanCycle :one
-- every owner: monitoring serves all of them
--
-- A cycle has as much as fits into its interval. Every target costs what it has
-- cost the last time; where all of them together cost more than the budget, the
-- owners who ask for much get an equal share of what the others leave, and of
-- theirs comes what has waited longest. An owner's quick targets have that share,
-- and so have the slow ones together with those that are new. The quick ones go
-- first, and the owners take turns.
with known as (select e.id, e.scope, c.checked_at as last, c.took_ms
               from entries e
                        left join entry_checks c on c.entry_id = e.id
               where @service::text = 'status'
               union all
               select e.id, e.scope, m.updated_at, m.took_ms
               from entries e
                        left join monitoring_snapshots m on m.entry_id = e.id
               where @service::text = 'metrics'
                 and e.monitored),
     costs as (select id, scope, last,
                      coalesce(took_ms > @slow_ms::integer, true) as slow,
                      coalesce(took_ms, @new_ms::integer)::bigint as cost
               from known),
     owners as (select scope, sum(cost) as cost from costs group by scope),
     -- Of the owners in the order of what they cost: what is left for each when all
     -- before have got all of theirs. The best of these is the share (max-min fair).
     levels as (select @budget_ms::bigint as budget,
                       coalesce(sum(cost) over (order by cost, scope rows between unbounded preceding and 1 preceding), 0) as below,
                       row_number() over (order by cost desc, scope desc) as others
                from owners),
     share as (select max((budget - below) / others) as cost from levels),
     turns as (select id, scope, slow,
                      row_number() over mine as turn,
                      sum(cost) over mine as spent
               from costs
               window mine as (partition by scope, slow order by last nulls first, id rows unbounded preceding)),
     chosen as (select t.id, t.scope, t.slow, row_number() over (order by t.slow, t.turn, t.id) - 1 as n
                from turns t,
                     share s
                where t.spent <= s.cost
                   or t.turn = 1),
     stored as (insert into monitoring_batches (service, batch, entry_ids, scopes)
         select @service::text, n / 500, array_agg(id order by n), array_agg(scope order by n)
         from chosen
         group by n / 500)
select count(*)::integer                                      as total,
       (count(*) filter (where not slow))::integer            as quick,
       (select count(*) from owners)::integer                 as owners,
       (select count(*) from costs)::integer                  as known,
       coalesce((select cost from share), 0)::bigint          as share_ms
from chosen;

-- name: DeleteLanes :exec
delete
from monitoring_lanes
where service = @service;

-- name: StartCycle :one
update monitoring_cycles
set number     = number + 1,
    slot_at    = @slot_at::timestamptz,
    started_at = now(),
    ended_at   = now(),
    until      = now() + make_interval(secs => @span_secs::double precision),
    total      = @total::integer,
    quick      = @quick::integer,
    handed     = 0
where service = @service
returning number;

-- name: CreateLanes :exec
insert into monitoring_lanes (service, lane, number, leased_until)
select @service, lane, @number, now() + make_interval(secs => @grace_secs::double precision)
from generate_series(1, @lanes::integer) lane;

-- name: RenewLane :execrows
-- None of a cycle that has been given up.
update monitoring_lanes
set leased_until = now() + make_interval(secs => @lease_secs::double precision)
where service = @service
  and lane = @lane
  and number = @number;

-- name: ClaimTargets :many
-- The next targets, but for those of owners who have spent their share: these are
-- passed over. Without any there may be more behind those that were looked at: one
-- row says so.
with running as materialized (select c.handed, c.total, c.quick
                            from monitoring_cycles c
                            where c.service = @service
                              and c.number = @number
                              and c.until > now()
                            for update),
     next as materialized (select t.id, t.scope, b.batch * 500 + t.n as place
                           from running c
                                    join monitoring_batches b on b.service = @service and b.batch in (c.handed / 500, c.handed / 500 + 1)
                                    cross join rows from (unnest(b.entry_ids), unnest(b.scopes)) with ordinality t (id, scope, n)
                           where b.batch * 500 + t.n > c.handed
                             and t.scope <> all (@spent::bigint[])
                           order by place
                           limit @most),
     claimed as (update monitoring_cycles m
         set handed = case when (select count(*) from next) = @most then (select max(place) from next)
                           else least(c.total, (c.handed / 500 + 2) * 500) end
         from running c
         where m.service = @service
         returning m.handed < m.total as more, m.quick)
select coalesce(n.id, 0)::bigint as id, coalesce(n.scope, 0)::bigint as scope, coalesce(n.place > c.quick, false)::boolean as slow,
       c.more::boolean as more
from claimed c
         left join next n on true
order by n.place;

-- name: EndLane :exec
with ended as (delete from monitoring_lanes l where l.service = @service and l.lane = @lane and l.number = @number returning l.service)
update monitoring_cycles c
set ended_at = now()
from ended e
where c.service = e.service;

-- name: ListCounters :many
-- every owner: monitoring serves all of them
select entry_id, coalesce(boot_id, '') as boot_id, coalesce(cpu_total, 0)::bigint as cpu_total, coalesce(cpu_idle, 0)::bigint as cpu_idle
from monitoring_snapshots
where entry_id = any(@ids::bigint[]);
