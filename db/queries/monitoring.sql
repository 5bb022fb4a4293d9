-- name: ListMonitoredTargets :many
-- The newest of each is kept beside the history, which is not read. Once that
-- sample is past the retention, it is not retained. The planner has to be told
-- that there is one row of settings, and which entries those are before it is told
-- that a page of them is wanted.
with mine as materialized (select o.id
                           from entries o
                           where o.monitored
                             and o.scope = any(@reach::bigint[]))
select e.id, e.name, e.icon, e.status, e.monitored,
       coalesce(e.config ->> 'ip', '')::text                as ip,
       coalesce((e.config ->> 'port')::integer, 0)::integer as port,
       m.status_checker_enabled, m.data_retention_hours, c.checked_at,
       coalesce(s.updated_at > now() - make_interval(hours => m.data_retention_hours), false)::boolean as retained,
       s.updated_at, s.status as sample_status, s.cpu_usage, s.memory_usage, s.uptime, s.load_average, s.processes,
       s.error_message, s.last_seen_at, s.memory_total, s.disk, s.network, s.process_list, s.os_info
from (select o.id from mine o where o.id > @after::bigint order by o.id limit @most::integer) page
         join entries e on e.id = page.id
         cross join (select status_checker_enabled, data_retention_hours from monitoring_settings limit 1) m
         left join entry_checks c on c.entry_id = e.id
         left join monitoring_snapshots s on s.entry_id = e.id
order by e.id;

-- name: GetServerMonitoring :one
-- What ListMonitoredTargets has, of any entry.
select e.id, e.name, e.icon, e.status, e.monitored,
       coalesce(e.config ->> 'ip', '')::text                as ip,
       coalesce((e.config ->> 'port')::integer, 0)::integer as port,
       m.status_checker_enabled, m.data_retention_hours, c.checked_at,
       coalesce(s.updated_at > now() - make_interval(hours => m.data_retention_hours), false)::boolean as retained,
       s.updated_at, s.status as sample_status, s.cpu_usage, s.memory_usage, s.uptime, s.load_average, s.processes,
       s.error_message, s.last_seen_at, s.memory_total, s.disk, s.network, s.process_list, s.os_info
from entries e
         cross join (select status_checker_enabled, data_retention_hours from monitoring_settings limit 1) m
         left join entry_checks c on c.entry_id = e.id
         left join monitoring_snapshots s on s.entry_id = e.id
where e.id = @id
  and e.scope = any(@reach::bigint[]);

-- name: ListMonitoringSamples :many
-- The history of an entry that the caller can read, which is checked before. It
-- ends now, so that partitions of the time to come are not opened.
select id, timestamp, cpu_usage, memory_usage, uptime, load_average, processes, error_message
from monitoring_samples
where entry_id = @entry_id
  and timestamp > now() - make_interval(hours => @hours::integer)
  and timestamp <= now()
order by timestamp desc, id desc
limit @most::integer;

-- name: GetMonitoringMetrics :many
-- Without the processes, which are the most of it and not shown. Values are
-- current for three intervals: those of the newest sample, and those of the
-- newest one that was collected. Pages are those of ListMonitoredTargets.
with mine as materialized (select o.id
                           from entries o
                           where o.monitored
                             and o.scope = any(@reach::bigint[]))
select e.id, e.name, e.organization_id,
       coalesce(e.config ->> 'ip', '')::text                 as ip,
       coalesce((e.config ->> 'port')::integer, 22)::integer as port,
       coalesce(s.updated_at > now() - make_interval(hours => m.data_retention_hours), false)::boolean      as retained,
       coalesce(s.updated_at > now() - make_interval(secs => 3 * m.monitoring_interval), false)::boolean   as current,
       coalesce(s.last_seen_at > now() - make_interval(secs => 3 * m.monitoring_interval), false)::boolean as seen,
       s.updated_at, s.status as sample_status, s.cpu_usage, s.memory_usage, s.uptime, s.load_average, s.processes, s.memory_total, s.disk, s.network, s.os_info
from (select o.id from mine o where o.id > @after::bigint order by o.id limit @most::integer) page
         join entries e on e.id = page.id
         cross join (select data_retention_hours, monitoring_interval from monitoring_settings limit 1) m
         left join monitoring_snapshots s on s.entry_id = e.id
order by e.id;

-- name: GetMonitoringSettings :one
-- The order of columns is the contract's, in this and the next two.
select batch_size, connection_timeout, data_retention_hours, monitoring_enabled, monitoring_interval, status_checker_enabled,
       status_interval
from monitoring_settings;

-- name: LockMonitoringSettings :one
select batch_size, connection_timeout, data_retention_hours, monitoring_enabled, monitoring_interval, status_checker_enabled,
       status_interval
from monitoring_settings
for update;

-- name: UpdateMonitoringSettings :one
update monitoring_settings
set batch_size             = coalesce(sqlc.narg(batch_size), batch_size),
    connection_timeout     = coalesce(sqlc.narg(connection_timeout), connection_timeout),
    data_retention_hours   = coalesce(sqlc.narg(data_retention_hours), data_retention_hours),
    monitoring_enabled     = coalesce(sqlc.narg(monitoring_enabled), monitoring_enabled),
    monitoring_interval    = coalesce(sqlc.narg(monitoring_interval), monitoring_interval),
    status_checker_enabled = coalesce(sqlc.narg(status_checker_enabled), status_checker_enabled),
    status_interval        = coalesce(sqlc.narg(status_interval), status_interval)
returning batch_size, connection_timeout, data_retention_hours, monitoring_enabled, monitoring_interval, status_checker_enabled,
    status_interval;

-- name: UncheckEntries :many
-- every owner: the status checker is the deployment's; told are those who have
-- such entries.
with locked as materialized (
    select e.id
    from entries e
    where e.type = 'server'
      and e.status is distinct from 'online'
    order by e.id
    for no key update),
     unchecked as (
         update entries e
             set status = 'online'
             from locked l
             where e.id = l.id
             returning e.scope)
select distinct scope
from unchecked
order by scope;

-- name: MakeSamplePartitions :exec
-- For a day to come: nothing is lost should this fail for so long.
select make_partitions('monitoring_samples', interval '3 hours', now() - interval '3 hours', now() + interval '1 day');

-- name: DropSamplePartitions :exec
select drop_sample_partitions(now() - make_interval(hours => data_retention_hours))
from monitoring_settings;

-- name: StoreSamples :exec
-- every owner: background work. The samples are a JSON array of objects as
-- read_samples takes them. Entries that are deleted are left out, and so are those
-- that are being changed: waiting for them while others are held could be waiting
-- for each other.
with given as materialized (
    select g.entry_id, g.updated_at, g.status, g.cpu_usage, g.memory_usage, g.uptime, g.load_average, g.processes, g.error_message,
           g.last_seen_at, g.memory_total, g.disk, g.network, g.process_list, g.os_info, g.boot_id, g.cpu_total, g.cpu_idle, g.took_ms
    from read_samples(@samples::json) g),
     present as materialized (
         select e.id
         from entries e
         where e.id in (select g.entry_id from given g)
         order by e.id
         for key share skip locked),
     stored as (
         insert into monitoring_samples (entry_id, timestamp, status, cpu_usage, memory_usage, uptime, load_average, processes, error_message)
             select g.entry_id, g.updated_at, g.status, g.cpu_usage, g.memory_usage, g.uptime, g.load_average, g.processes, g.error_message
             from given g
                      join present p on p.id = g.entry_id)
insert
into monitoring_snapshots as s (entry_id, updated_at, status, cpu_usage, memory_usage, uptime, load_average, processes, error_message,
                                last_seen_at, memory_total, disk, network, process_list, os_info, boot_id, cpu_total, cpu_idle, took_ms)
select distinct on (g.entry_id) g.entry_id, g.updated_at, g.status, g.cpu_usage, g.memory_usage, g.uptime, g.load_average, g.processes,
       g.error_message, g.last_seen_at, g.memory_total, g.disk, g.network, g.process_list, g.os_info, g.boot_id, g.cpu_total, g.cpu_idle,
       g.took_ms
from given g
         join present p on p.id = g.entry_id
order by g.entry_id, g.updated_at desc
on conflict (entry_id) do update
    set updated_at    = excluded.updated_at,
        status        = excluded.status,
        cpu_usage     = excluded.cpu_usage,
        memory_usage  = excluded.memory_usage,
        uptime        = excluded.uptime,
        load_average  = excluded.load_average,
        processes     = excluded.processes,
        error_message = excluded.error_message,
        took_ms       = excluded.took_ms,
        last_seen_at  = coalesce(excluded.last_seen_at, s.last_seen_at),
        memory_total  = case when excluded.status = 'online' then excluded.memory_total else s.memory_total end,
        disk          = case when excluded.status = 'online' then excluded.disk else s.disk end,
        network       = case when excluded.status = 'online' then excluded.network else s.network end,
        process_list  = case when excluded.status = 'online' then excluded.process_list else s.process_list end,
        os_info       = case when excluded.status = 'online' then excluded.os_info else s.os_info end,
        boot_id       = case when excluded.status = 'online' then excluded.boot_id else s.boot_id end,
        cpu_total     = case when excluded.status = 'online' then excluded.cpu_total else s.cpu_total end,
        cpu_idle      = case when excluded.status = 'online' then excluded.cpu_idle else s.cpu_idle end
-- Another server may have been quicker with a later one.
where excluded.updated_at >= s.updated_at;

-- name: StoreChecks :many
-- every owner: background work. For each entry: how many milliseconds ago the
-- check ended and how many it took, and the status, empty where the check cannot
-- tell and unknown where nobody can. Answers those whose status is another now. Deleted entries and
-- those that are being changed are left out, as in StoreSamples. A checker that
-- was switched off meanwhile has no say any more: the settings are held before
-- any entry is.
with settings as materialized (
    select m.status_checker_enabled as checking
    from monitoring_settings m
    for share),
     given as materialized (
         select distinct on (g.entry_id) g.entry_id, now() - g.age * interval '1 millisecond' as checked_at, g.took, g.status
         from (select unnest(@entry_ids::bigint[]) as entry_id, unnest(@ages::bigint[]) as age, unnest(@took::integer[]) as took,
                      unnest(@statuses::text[]) as status) g
         order by g.entry_id, g.age),
     present as materialized (
         select e.id, e.scope, e.name, e.status
         from entries e
         where (select s.checking from settings s)
           and e.id in (select g.entry_id from given g)
         order by e.id
         for no key update skip locked),
     checked as (
         insert into entry_checks as c (entry_id, checked_at, took_ms)
             select g.entry_id, g.checked_at, g.took
             from given g
                      join present p on p.id = g.entry_id
             order by g.entry_id
             on conflict (entry_id) do update
                 set checked_at = excluded.checked_at,
                     took_ms    = excluded.took_ms),
     changed as (
         update entries e
             set status = nullif(g.status, 'unknown')
             from present p
                 join given g on g.entry_id = p.id
             where e.id = p.id
                 and nullif(g.status, 'unknown') is distinct from p.status
                 and g.status <> ''
             returning e.id, e.scope, e.name, p.status as before, g.status)
select c.id, c.scope, c.name, c.before, c.status::text as status
from changed c
order by c.id;
