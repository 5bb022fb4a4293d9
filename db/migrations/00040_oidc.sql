-- +goose Up
-- All but the internal provider speak OpenID Connect. The defaults are what clients know that one by.
alter table auth_providers
    add column client_id            text    not null default 'internal',
    add column redirect_uri         text    not null default 'internal',
    add column scope                text    not null default 'internal',
    add column username_attribute   text    not null default 'username',
    add column first_name_attribute text    not null default 'firstName',
    add column last_name_attribute  text    not null default 'lastName',
    add column key_id               bigint,
    add column client_secret        bytea,
    -- Changes with every update: what was begun before does not go on after it.
    add column revision             integer not null default 1,
    add constraint auth_providers_name_length check (char_length(name) between 1 and 50),
    add constraint auth_providers_key_exists foreign key (key_id) references data_keys (id),
    add constraint auth_providers_secret_has_key check (num_nulls(key_id, client_secret) in (0, 2));

-- Sign-ins that have begun. Each is taken once, by any server.
create table oidc_logins (
    state_hash        bytea primary key,
    provider_id       bigint      not null,
    provider_revision integer     not null,
    nonce_hash        bytea       not null,
    key_id            bigint      not null,
    code_verifier     bytea       not null,
    expires_at        timestamptz not null default now() + interval '10 minutes',
    constraint oidc_logins_provider_exists foreign key (provider_id) references auth_providers (id) on delete cascade,
    constraint oidc_logins_key_exists foreign key (key_id) references data_keys (id),
    constraint oidc_logins_state_is_sha256 check (octet_length(state_hash) = 32),
    constraint oidc_logins_nonce_is_sha256 check (octet_length(nonce_hash) = 32)
);
create index oidc_logins_by_end on oidc_logins (expires_at);
create index oidc_logins_by_provider on oidc_logins (provider_id);
create index oidc_logins_by_key on oidc_logins (key_id);

-- Who somebody is at an issuer. It outlives the provider's settings.
create table oidc_accounts (
    issuer     text        not null,
    subject    text        not null,
    account_id bigint      not null,
    created_at timestamptz not null default now(),
    primary key (issuer, subject),
    constraint oidc_accounts_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint oidc_accounts_subject_length check (char_length(subject) between 1 and 255)
);
create index oidc_accounts_by_account on oidc_accounts (account_id);

-- +goose Down
drop table oidc_accounts;
drop table oidc_logins;
delete
from auth_providers
where not is_internal;
alter table auth_providers
    drop constraint auth_providers_secret_has_key,
    drop constraint auth_providers_key_exists,
    drop constraint auth_providers_name_length,
    drop column revision,
    drop column client_secret,
    drop column key_id,
    drop column last_name_attribute,
    drop column first_name_attribute,
    drop column username_attribute,
    drop column scope,
    drop column redirect_uri,
    drop column client_id;
