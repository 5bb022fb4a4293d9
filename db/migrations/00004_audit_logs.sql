-- +goose Up
-- What happened, for good: no id is a foreign key, because the trail outlives
-- the account, the organization and the resource that it names.
create table audit_logs (
    id              bigint      not null generated always as identity,
    -- What acted: an account in one of three ways, or nobody's account.
    actor           text        not null default 'session',
    -- Who acted, and who really did where that is somebody else. Null where there
    -- is nobody: jobs, the command line, a refused sign-in.
    account_id      bigint,
    impersonator_id bigint,
    organization_id bigint,
    -- The account whose log a row without an organization belongs to; 0 is the
    -- server's own.
    subject_id      bigint,
    scope           bigint generated always as (coalesce(-organization_id, subject_id)) stored,
    action          text        not null,
    resource        text,
    resource_id     bigint,
    details         jsonb,
    reason          text,
    ip_address      text,
    user_agent      text,
    timestamp       timestamptz not null default now(),
    constraint audit_logs_in_order primary key (timestamp, id),
    constraint audit_logs_actor_known check (actor in ('session', 'api_key', 'impersonation', 'job', 'operator', 'system')),
    constraint audit_logs_details_object check (details is null or jsonb_typeof(details) = 'object'),
    constraint audit_logs_user_agent_length check (char_length(user_agent) <= 512)
) partition by range (timestamp);
-- What no month's partition takes.
create table audit_logs_rest partition of audit_logs default;

-- One for each trail, and for every filter on it: searching and counting read
-- these alone, and no rows but those of the page.
create index audit_logs_by_account on audit_logs (account_id, timestamp desc, id desc)
    include (scope, action, resource)
    where account_id is not null;
create index audit_logs_by_scope on audit_logs (scope, timestamp desc, id desc)
    include (account_id, action, resource)
    where scope is not null;
-- Adds the partitions of a table that a span of time touches, each as long as a
-- step of a month or of hours. A span that the rest already has rows of stays
-- there. Whoever writes waits meanwhile, so it gives up soon when others are long
-- at it.
-- +goose StatementBegin
create function make_partitions(parent text, step interval, since timestamptz, until timestamptz) returns void
    language plpgsql
    set lock_timeout = '3s'
as
$$
declare
    monthly   boolean     := step >= interval '1 month';
    start     timestamptz := case when monthly then date_trunc('month', since, 'UTC') else date_bin(step, since, 'epoch') end;
    following timestamptz;
    partition text;
    taken     boolean;
begin
    perform pg_advisory_xact_lock(hashtextextended('nexterm.' || parent, 0));
    while start < until
        loop
            following := (start at time zone 'UTC' + step) at time zone 'UTC';
            partition := parent || to_char(start at time zone 'UTC', case when monthly then '_YYYY_MM' else '_YYYY_MM_DD_HH24' end);
            if to_regclass(partition) is null then
                execute format('select exists (select from %I r where r.timestamp >= %L and r.timestamp < %L)',
                               parent || '_rest', start, following) into taken;
                if not taken then
                    execute format('create table %I partition of %I for values from (%L) to (%L)', partition, parent, start, following);
                end if;
            end if;
            start := following;
        end loop;
end
$$;

-- Drops the partitions that hold nothing but rows from before a time.
create function drop_partitions(parent text, before timestamptz) returns void
    language plpgsql
    set lock_timeout = '3s'
as
$$
declare
    partition text;
begin
    perform pg_advisory_xact_lock(hashtextextended('nexterm.' || parent, 0));
    for partition in
        select c.relname
        from pg_inherits i
                 join pg_class c on c.oid = i.inhrelid
        where i.inhparent = parent::regclass
          -- The rest has no end.
          and substring(pg_get_expr(c.relpartbound, c.oid) from $bound$TO \('(.*)'\)$bound$)::timestamptz <= before
        loop
            execute format('drop table %I', partition);
        end loop;
end
$$;

-- Whether an organization keeps the actions that a switch covers. Recordings are found
-- by their rows, so those are kept while it records.
create function is_audited(settings jsonb, switch text) returns boolean
    language sql immutable as
$$
select coalesce(settings -> switch <> 'false', true)
           or switch in ('enableServerConnectionAudit', 'enableScriptExecutionAudit')
                  and coalesce(settings -> 'enableSessionRecording' = 'true', false)
$$;

-- How many rows the planner expects of two trails, without reading them.
create function estimate_audit_logs(actor bigint, personal boolean, audited bigint[], since timestamptz, until timestamptz,
                                    action text, category text, resource text) returns bigint
    language plpgsql
as
$$
declare
    plan json;
begin
    execute 'explain (format json) select from audit_logs where ' || concat_ws(' and ',
            format('(account_id = %L and (not %L or scope is null or scope >= 0) or scope = any(%L))', actor, personal, audited),
            format('timestamp >= %L', since),
            format('timestamp < %L', until),
            case when action is not null then format('action = %L', action) end,
            case when category is not null then format('starts_with(action, %L)', category) end,
            case when resource is not null then format('resource = %L', resource) end)
        into plan;
    return (plan -> 0 -> 'Plan' ->> 'Plan Rows')::bigint;
end
$$;
-- +goose StatementEnd

-- +goose Down
drop function is_audited;
drop function estimate_audit_logs;
drop function drop_partitions;
drop function make_partitions;
drop table audit_logs;
