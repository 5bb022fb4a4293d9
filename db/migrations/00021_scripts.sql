-- +goose Up
-- account_id owns a personal script. creator_id remembers who wrote one of an
-- organization, for as long as that account exists.
create table scripts (
    id              bigint generated always as identity primary key,
    account_id      bigint,
    organization_id bigint,
    -- Null for what a source delivers.
    scope           bigint generated always as (coalesce(account_id, -organization_id)) stored,
    source_id       bigint,
    creator_id      bigint,
    name            text    not null,
    content         text    not null,
    description     text,
    os_filter       text[],
    sort_order      integer not null default 0,
    path            text,
    hash            text,
    constraint scripts_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint scripts_organization_exists foreign key (organization_id) references organizations (id) on delete cascade,
    constraint scripts_source_exists foreign key (source_id) references sources (id) on delete cascade,
    constraint scripts_creator_exists foreign key (creator_id) references accounts (id) on delete set null,
    constraint scripts_one_owner check (num_nonnulls(account_id, organization_id, source_id) = 1),
    constraint scripts_creator_in_organization check (creator_id is null or organization_id is not null),
    constraint scripts_file_of_source check (num_nonnulls(source_id, path, hash) in (0, 3)),
    constraint scripts_path_unique unique (source_id, path),
    constraint scripts_name_length check (char_length(name) between 1 and 255),
    constraint scripts_content_length check (content <> ''),
    constraint scripts_description_length check (char_length(description) between 1 and 5000),
    constraint scripts_os_filter_filled check (cardinality(os_filter) > 0)
);
create index scripts_by_scope on scripts (scope, sort_order, id) where scope is not null;
create index scripts_by_account on scripts (account_id) where account_id is not null;
create index scripts_by_organization on scripts (organization_id) where organization_id is not null;
create index scripts_by_creator on scripts (creator_id) where creator_id is not null;

-- +goose Down
drop table scripts;
