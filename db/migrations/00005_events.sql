-- +goose Up
-- What has changed, for readers that follow: rows are only added, and swept when
-- they are old. Those of one transaction have its id, by which readers go.
create table events (
    transaction_id  xid8        not null default pg_current_xact_id(),
    id              bigint      not null generated always as identity,
    timestamp       timestamptz not null default now(),
    actor           text        not null,
    account_id      bigint,
    session_id      bigint,
    api_key_id      bigint,
    impersonator_id bigint,
    action          text        not null,
    -- Whose thing it happened to: an account, an organization below zero, or 0 for
    -- the server's own.
    scope           bigint      not null,
    resource        text,
    resource_id     bigint,
    details         jsonb       not null default '{}',
    -- The lists that are out of date for the owner, and those that are for others.
    lists           text[]      not null default '{}',
    accounts        bigint[]    not null default '{}',
    account_lists   text[]      not null default '{}',
    ended_sessions  bigint[]    not null default '{}',
    constraint events_in_order primary key (transaction_id, id),
    constraint events_actor_known check (actor in ('session', 'api_key', 'impersonation', 'job', 'operator', 'system')),
    constraint events_details_object check (jsonb_typeof(details) = 'object')
);
create index events_by_time on events using brin (timestamp);

-- Below the horizon every transaction of this database has ended: what can be
-- read there is all that there will ever be. Transactions of other databases do
-- not hold it back, for they write no events here.
create view events_horizon as
select coalesce(min(running.transaction_id), pg_snapshot_xmax(pg_current_snapshot())) as transaction_id
from pg_snapshot_xip(pg_current_snapshot()) as running (transaction_id)
where not exists (select
                  from pg_stat_get_activity(null) other
                  where other.backend_xid = running.transaction_id::xid
                    and other.datid <> (select oid from pg_database where datname = current_database()));

-- +goose Down
drop view events_horizon;
drop table events;
