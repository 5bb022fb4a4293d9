-- name: ListAuditLogs :many
-- Two trails, either of which may be left out: what the actor did (0 is nobody),
-- and what the logs of the audited scopes hold. Each is read from its index,
-- newest first, and no further than the page can reach. It goes on behind the
-- cursor, the last row of the page before. Current names are shown of what is in
-- the caller's reach.
with matching as not materialized (select id, account_id, scope, timestamp
                                   from audit_logs
                                   where timestamp >= coalesce(sqlc.narg(since)::timestamptz, '-infinity')
                                     and timestamp < coalesce(sqlc.narg(until)::timestamptz, 'infinity')
                                     and (timestamp, id) < (coalesce(sqlc.narg(cursor_time)::timestamptz, 'infinity'), @cursor_id::bigint)
                                     and (sqlc.narg(action)::text is null or action = sqlc.narg(action)::text)
                                     and (sqlc.narg(category)::text is null or starts_with(action, sqlc.narg(category)::text))
                                     and (sqlc.narg(resource)::text is null or resource = sqlc.narg(resource)::text)),
     page as (select reached.id, reached.timestamp
              from ((select m.id, m.timestamp
                     from matching m
                     where m.account_id = @actor_id::bigint
                       and (not @personal::boolean or m.scope is null or m.scope >= 0)
                     order by m.timestamp desc, m.id desc
                     limit @deepest::bigint)
                    union
                    (select trail.id, trail.timestamp
                     from unnest(@audited::bigint[]) as audited (scope)
                              cross join lateral (select m.id, m.timestamp
                                                  from matching m
                                                  where m.scope = audited.scope
                                                  order by m.timestamp desc, m.id desc
                                                  limit @deepest::bigint) as trail)) as reached
              order by reached.timestamp desc, reached.id desc
              limit @page_size::bigint offset @skip::bigint)
select l.id, l.actor, l.account_id, l.impersonator_id, l.organization_id, l.subject_id, l.action, l.resource, l.resource_id,
       (case when d.details is null then l.details else coalesce(l.details, '{}') || d.details end)::jsonb as details, l.reason,
       l.ip_address, l.user_agent, l.timestamp,
       coalesce(case l.resource
                    when 'identity' then coalesce(i.name, l.details ->> 'identityName')
                    when 'folder' then coalesce(f.name, l.details ->> 'folderName')
                    when 'entry' then coalesce(e.name, l.details ->> 'name')
                    when 'script' then coalesce(s.name, l.details ->> 'name')
                    when 'file' then null
                    else case when l.resource is not null then l.details ->> 'name' end
                    end, '')::text as resource_name,
       a.first_name as actor_first_name, a.last_name as actor_last_name, o.name as organization_name
from page
         join audit_logs l on l.timestamp = page.timestamp and l.id = page.id
         left join audit_details d on d.audit_log_id = l.id
         left join accounts a on a.id = l.account_id
         left join organizations o on o.id = l.organization_id
         left join identities i on l.resource = 'identity' and i.id = l.resource_id
    and i.scope = any(@reach::bigint[])
         left join folders f on l.resource = 'folder' and f.id = l.resource_id
    and f.scope = any(@reach::bigint[])
         left join entries e on l.resource = 'entry' and e.id = l.resource_id
    and e.scope = any(@reach::bigint[])
         left join scripts s on l.resource = 'script' and s.id = l.resource_id
    and s.scope = any(@reach::bigint[])
order by l.timestamp desc, l.id desc;

-- name: CountAuditLogs :one
-- The same two trails; what the actor did in an audited scope counts in the
-- scope's. No more than the given number of either are counted.
with matching as not materialized (select account_id, scope
                                   from audit_logs
                                   where timestamp >= coalesce(sqlc.narg(since)::timestamptz, '-infinity')
                                     and timestamp < coalesce(sqlc.narg(until)::timestamptz, 'infinity')
                                     and (sqlc.narg(action)::text is null or action = sqlc.narg(action)::text)
                                     and (sqlc.narg(category)::text is null or starts_with(action, sqlc.narg(category)::text))
                                     and (sqlc.narg(resource)::text is null or resource = sqlc.narg(resource)::text))
select ((select count(*)
         from (select 1
               from matching m
               where m.account_id = @actor_id::bigint
                 and (not @personal::boolean or m.scope is null or m.scope >= 0)
                 and (m.scope is null or m.scope <> all(@audited::bigint[]))
               limit @most::bigint) as own)
    + (select count(*)
       from (select 1
             from matching m
             where m.scope = any(@audited::bigint[])
             limit @most::bigint) as others))::bigint as total;

-- name: EstimateAuditLogs :one
select estimate_audit_logs(@actor_id::bigint, @personal::boolean, @audited::bigint[],
                           coalesce(sqlc.narg(since)::timestamptz, '-infinity'), coalesce(sqlc.narg(until)::timestamptz, 'infinity'),
                           sqlc.narg(action)::text, sqlc.narg(category)::text, sqlc.narg(resource)::text)::bigint as total;

-- name: MakeAuditPartitions :exec
-- This month's and the next two.
select make_partitions('audit_logs', interval '1 month', now(), now() + interval '2 months');

-- name: DropAuditPartitions :exec
select drop_partitions('audit_logs', @before::timestamptz);

-- name: DeleteOldAuditLogs :execrows
-- What is older, in the partitions that stay; some at a time, the oldest first.
delete
from audit_logs l
    using (select o.timestamp, o.id
           from audit_logs o
           where o.timestamp < @before::timestamptz
           order by o.timestamp, o.id
           limit @most::bigint) as old
where l.timestamp = old.timestamp
  and l.id = old.id;

-- name: GetAuditSettings :one
select audit_settings
from organizations
where id = @id;

-- name: UpdateAuditSettings :one
update organizations o
set audit_settings = o.audit_settings || @changes::jsonb,
    updated_at     = now()
from (select b.id, b.audit_settings from organizations b where b.id = @id for update) as before
where o.id = before.id
returning o.name, before.audit_settings as before, o.audit_settings as after;
