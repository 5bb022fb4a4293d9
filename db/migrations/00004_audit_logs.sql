-- +goose Up
-- What happened, for good: no id is a foreign key, because the trail outlives
-- the account, the organization and the resource that it names.
create table audit_logs (
    id              bigint generated always as identity primary key,
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
    constraint audit_logs_actor_known check (actor in ('session', 'api_key', 'impersonation', 'job', 'operator', 'system')),
    constraint audit_logs_details_object check (details is null or jsonb_typeof(details) = 'object'),
    constraint audit_logs_user_agent_length check (char_length(user_agent) <= 512)
);
-- Searching and counting read these alone, and no rows but those of the page.
create index audit_logs_by_account on audit_logs (account_id, timestamp desc, id desc)
    include (scope, action, resource)
    where account_id is not null;
create index audit_logs_by_scope on audit_logs (scope, timestamp desc, id desc)
    include (account_id, action, resource)
    where scope is not null;

-- +goose Down
drop table audit_logs;
