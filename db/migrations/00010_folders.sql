-- +goose Up
create table folders (
    id              bigint generated always as identity primary key,
    account_id      bigint,
    organization_id bigint,
    -- Either owner as one number, so that foreign keys keep a tree within its scope.
    scope           bigint      not null generated always as (coalesce(account_id, -organization_id)) stored,
    parent_id       bigint,
    integration_id  bigint,
    type            text,
    name            text        not null,
    position        integer     not null,
    config          jsonb,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    constraint folders_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint folders_organization_exists foreign key (organization_id) references organizations (id) on delete cascade,
    constraint folders_in_scope unique (id, scope),
    constraint folders_parent_exists foreign key (parent_id, scope) references folders (id, scope) on delete cascade,
    constraint folders_one_owner check (num_nonnulls(account_id, organization_id) = 1),
    constraint folders_name_length check (char_length(name) between 1 and 50),
    constraint folders_type_known check (type in ('integration-root', 'integration-node')),
    constraint folders_managed_by_integration check ((type is null) = (integration_id is null)),
    constraint folders_not_own_parent check (parent_id <> id),
    constraint folders_config_object check (jsonb_typeof(config) = 'object')
);
create index folders_by_scope on folders (scope, parent_id, position);
create index folders_by_account on folders (account_id) where account_id is not null;
create index folders_by_organization on folders (organization_id) where organization_id is not null;
create index folders_by_parent on folders (parent_id, position) where parent_id is not null;

-- +goose Down
drop table folders;
