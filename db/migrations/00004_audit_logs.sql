-- +goose Up
-- What happened, for good: neither id is a foreign key, because the trail
-- outlives the account, the organization and the resource that it names.
create table audit_logs (
    id              bigint generated always as identity primary key,
    account_id      bigint      not null,
    organization_id bigint,
    action          text        not null,
    resource        text,
    resource_id     bigint,
    details         jsonb,
    reason          text,
    ip_address      text,
    user_agent      text,
    timestamp       timestamptz not null default now(),
    constraint audit_logs_details_object check (details is null or jsonb_typeof(details) = 'object'),
    constraint audit_logs_user_agent_length check (char_length(user_agent) <= 512)
);
-- Searching and counting read these alone, and no rows but those of the page.
create index audit_logs_by_account on audit_logs (account_id, timestamp desc, id desc)
    include (organization_id, action, resource);
create index audit_logs_by_organization on audit_logs (organization_id, timestamp desc, id desc)
    include (action, resource)
    where organization_id is not null;

-- +goose Down
drop table audit_logs;
