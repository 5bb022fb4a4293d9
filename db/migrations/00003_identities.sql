-- +goose Up
create table identities (
    id              bigint generated always as identity primary key,
    account_id      bigint,
    organization_id bigint,
    scope           bigint      not null generated always as (coalesce(account_id, -organization_id)) stored,
    name            text        not null,
    username        text,
    type            text        not null,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    constraint identities_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint identities_organization_exists foreign key (organization_id) references organizations (id) on delete cascade,
    constraint identities_one_owner check (num_nonnulls(account_id, organization_id) = 1),
    constraint identities_name_length check (char_length(name) between 1 and 255),
    constraint identities_username_length check (char_length(username) between 1 and 255),
    constraint identities_type_known check (type in ('password', 'ssh', 'both', 'password-only')),
    constraint identities_password_only_has_no_username check (type <> 'password-only' or username is null)
);
create index identities_by_scope on identities (scope, id);
create index identities_by_account on identities (account_id) where account_id is not null;
create index identities_by_organization on identities (organization_id) where organization_id is not null;

-- Sealed secrets. key_id names the data key that sealed the row.
create table credentials (
    identity_id bigint      not null,
    kind        text        not null,
    key_id      bigint      not null,
    ciphertext  bytea       not null,
    updated_at  timestamptz not null default now(),
    constraint credentials_one_of_a_kind primary key (identity_id, kind),
    constraint credentials_identity_exists foreign key (identity_id) references identities (id) on delete cascade,
    constraint credentials_key_exists foreign key (key_id) references data_keys (id),
    constraint credentials_kind_known check (kind in ('password', 'ssh-key', 'passphrase'))
);
create index credentials_by_key on credentials (key_id);

-- +goose Down
drop table credentials;
drop table identities;
