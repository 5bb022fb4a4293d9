-- name: RecordAudit :exec
-- An organization may switch a category off; personal actions are always kept.
insert into audit_logs (account_id, organization_id, action, resource, resource_id, details, ip_address, user_agent)
select @account_id, sqlc.narg(organization_id)::bigint, @action, @resource, sqlc.narg(resource_id)::bigint,
       @details::jsonb, sqlc.narg(ip_address)::text, sqlc.narg(user_agent)::text
where not exists (select
                  from organizations o
                  where o.id = sqlc.narg(organization_id)::bigint
                    and o.audit_settings -> @switch::text = 'false');

-- name: ListAuditLogs :many
-- Two trails, either of which may be left out: what the actor did (0 is nobody),
-- and what happened in the audited organizations. Each is read from its index,
-- newest first, and no further than the page can reach. Current names are shown
-- of what is in the caller's reach.
with matching as not materialized (select id, account_id, organization_id, timestamp
                                   from audit_logs
                                   where timestamp >= coalesce(sqlc.narg(since)::timestamptz, '-infinity')
                                     and timestamp < coalesce(sqlc.narg(until)::timestamptz, 'infinity')
                                     and (sqlc.narg(action)::text is null or action = sqlc.narg(action)::text)
                                     and (sqlc.narg(category)::text is null or starts_with(action, sqlc.narg(category)::text))
                                     and (sqlc.narg(resource)::text is null or resource = sqlc.narg(resource)::text)),
     page as (select reached.id, reached.timestamp
              from ((select m.id, m.timestamp
                     from matching m
                     where m.account_id = @actor_id::bigint
                       and (not @personal::boolean or m.organization_id is null)
                     order by m.timestamp desc, m.id desc
                     limit @reach::bigint)
                    union
                    (select trail.id, trail.timestamp
                     from unnest(@audited_ids::bigint[]) as audited (id)
                              cross join lateral (select m.id, m.timestamp
                                                  from matching m
                                                  where m.organization_id = audited.id
                                                  order by m.timestamp desc, m.id desc
                                                  limit @reach::bigint) as trail)) as reached
              order by reached.timestamp desc, reached.id desc
              limit @page_size::bigint offset @skip::bigint)
select l.id, l.account_id, l.organization_id, l.action, l.resource, l.resource_id, l.details, l.reason,
       l.ip_address, l.user_agent, l.timestamp,
       coalesce(case l.resource
                    when 'identity' then coalesce(i.name, l.details ->> 'identityName')
                    when 'folder' then coalesce(f.name, l.details ->> 'folderName')
                    when 'entry' then coalesce(e.name, l.details ->> 'name')
                    when 'script' then coalesce(s.name, l.details ->> 'name')
                    end, '')::text as resource_name,
       a.first_name as actor_first_name, a.last_name as actor_last_name, o.name as organization_name
from page
         join audit_logs l on l.id = page.id
         left join accounts a on a.id = l.account_id
         left join organizations o on o.id = l.organization_id
         left join identities i on l.resource = 'identity' and i.id = l.resource_id
    and (i.account_id = @account_id::bigint or i.organization_id = any(@organization_ids::bigint[]))
         left join folders f on l.resource = 'folder' and f.id = l.resource_id
    and (f.account_id = @account_id::bigint or f.organization_id = any(@organization_ids::bigint[]))
         left join entries e on l.resource = 'entry' and e.id = l.resource_id
    and (e.account_id = @account_id::bigint or e.organization_id = any(@organization_ids::bigint[]))
         left join scripts s on l.resource = 'script' and s.id = l.resource_id
    and (s.account_id = @account_id::bigint or s.organization_id = any(@organization_ids::bigint[]))
order by l.timestamp desc, l.id desc;

-- name: CountAuditLogs :one
-- The same two trails; what the actor did in an audited organization counts in
-- the organization's.
with matching as not materialized (select account_id, organization_id
                                   from audit_logs
                                   where timestamp >= coalesce(sqlc.narg(since)::timestamptz, '-infinity')
                                     and timestamp < coalesce(sqlc.narg(until)::timestamptz, 'infinity')
                                     and (sqlc.narg(action)::text is null or action = sqlc.narg(action)::text)
                                     and (sqlc.narg(category)::text is null or starts_with(action, sqlc.narg(category)::text))
                                     and (sqlc.narg(resource)::text is null or resource = sqlc.narg(resource)::text))
select ((select count(*)
         from matching m
         where m.account_id = @actor_id::bigint
           and (not @personal::boolean or m.organization_id is null)
           and (m.organization_id is null or m.organization_id <> all(@audited_ids::bigint[])))
    + (select count(*) from matching m where m.organization_id = any(@audited_ids::bigint[])))::bigint as total;

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
returning before.audit_settings as before, o.audit_settings as after;
-- name: RecordAudits :exec
-- RecordAudit for many events of one caller at once.
insert into audit_logs (account_id, organization_id, action, resource, resource_id, details, ip_address, user_agent)
select @account_id, (e.event ->> 'organizationId')::bigint, e.event ->> 'action', e.event ->> 'resource',
       (e.event ->> 'resourceId')::bigint, e.event -> 'details', sqlc.narg(ip_address)::text, sqlc.narg(user_agent)::text
from jsonb_array_elements(@events::jsonb) with ordinality as e (event, place)
where not exists (select
                  from organizations o
                  where o.id = (e.event ->> 'organizationId')::bigint
                    and o.audit_settings -> (e.event ->> 'switch') = 'false')
order by e.place;
