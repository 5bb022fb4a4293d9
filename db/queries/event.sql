-- name: Notify :exec
select pg_notify('nexterm', '');

-- name: RecordEvents :exec
-- What one transaction has brought about, as rows for readers and, where the
-- action asks for it, in the audit log. An organization may switch a category
-- of the log off; what belongs to an account is always kept.
with given as materialized (
    select e.place, e.event ->> 'action'                                                                as action,
           (e.event ->> 'scope')::bigint                                                                 as scope,
           e.event ->> 'resource'                                                                        as resource,
           nullif((e.event ->> 'resourceId')::bigint, 0)                                                 as resource_id,
           e.event -> 'details'                                                                          as details,
           array(select jsonb_array_elements_text(e.event -> 'lists'))                                   as lists,
           array(select jsonb_array_elements_text(e.event -> 'accounts')::bigint)                        as accounts,
           array(select jsonb_array_elements_text(e.event -> 'accountLists'))                            as account_lists,
           array(select jsonb_array_elements_text(e.event -> 'endedSessions')::bigint)                   as ended_sessions,
           (e.event ->> 'auditId')::bigint                                                               as audit_id,
           e.event ->> 'reason'                                                                          as reason,
           (e.event -> 'audited')::boolean                                                               as audited,
           e.event ->> 'switch'                                                                          as switch
    from jsonb_array_elements(@events::jsonb) with ordinality as e (event, place)),
     recorded as (
         insert into events (actor, account_id, session_id, api_key_id, impersonator_id,
                             action, scope, resource, resource_id, details, lists, accounts, account_lists, ended_sessions)
             select @actor::text, sqlc.narg(account_id)::bigint, sqlc.narg(session_id)::bigint, sqlc.narg(api_key_id)::bigint,
                    sqlc.narg(impersonator_id)::bigint,
                    g.action, g.scope, g.resource, g.resource_id, g.details, g.lists, g.accounts, g.account_lists, g.ended_sessions
             from given g
             order by g.place)
insert
into audit_logs (id, actor, account_id, impersonator_id, organization_id, subject_id, action, resource, resource_id, details,
                 reason, ip_address, user_agent)
    overriding system value
select coalesce(g.audit_id, nextval('audit_logs_id_seq')), @actor::text, sqlc.narg(account_id)::bigint, sqlc.narg(impersonator_id)::bigint,
       case when g.scope < 0 then -g.scope end, case when g.scope >= 0 then g.scope end,
       g.action, g.resource, g.resource_id, g.details, g.reason, sqlc.narg(ip_address)::text, sqlc.narg(user_agent)::text
from given g
where g.audited
  and not exists (select
                  from organizations o
                  where o.id = -g.scope
                    and not is_audited(o.audit_settings, g.switch))
order by g.place;

-- name: GetEventsHorizon :one
select transaction_id::text::bigint as horizon
from events_horizon;

-- name: ReadEvents :one
-- What was committed after a position and below the horizon, in the one order
-- that all readers see; and whether more waits for its transaction's elders.
with horizon as materialized (select transaction_id from events_horizon),
     page as (select e.transaction_id, e.id, e.timestamp, e.actor, e.account_id, e.session_id, e.api_key_id, e.impersonator_id,
                     e.action, e.scope, e.resource, e.resource_id, e.details, e.lists, e.accounts, e.account_lists, e.ended_sessions
              from events e,
                   horizon h
              where (e.transaction_id, e.id) > (cast(@after_transaction::text as xid8), @after_id::bigint)
                and e.transaction_id < h.transaction_id
              order by e.transaction_id, e.id
              limit @most::integer)
select pg_snapshot_xmax(pg_current_snapshot())::text::bigint                             as end_transaction,
       exists (select from events e where e.transaction_id >= h.transaction_id)          as more_waits,
       coalesce((select json_agg(json_build_object(
               'transaction', p.transaction_id::text::bigint, 'id', p.id, 'timestamp', p.timestamp,
               'actor', p.actor, 'accountId', p.account_id, 'sessionId', p.session_id, 'apiKeyId', p.api_key_id,
               'impersonatorId', p.impersonator_id, 'action', p.action, 'scope', p.scope, 'resource', p.resource,
               'resourceId', p.resource_id, 'details', p.details, 'lists', p.lists, 'accounts', p.accounts, 'accountLists', p.account_lists,
               'endedSessions', p.ended_sessions) order by p.transaction_id, p.id)
                 from page p), '[]')::json                                               as events
from horizon h;

-- name: DeleteOldEvents :exec
delete
from events
where timestamp < now() - interval '7 days';
