-- +goose Up
create table device_codes (
    id                       bigint generated always as identity primary key,
    code                     text        not null,
    token_hash               bytea       not null,
    client_type              text        not null,
    ip_address               text        not null,
    user_agent               text        not null,
    created_by_account_id    bigint,
    authorized_by_account_id bigint,
    claimed_at               timestamptz,
    created_at               timestamptz not null default now(),
    expires_at               timestamptz not null default now() + interval '10 minutes',
    constraint device_codes_code_unique unique (code),
    constraint device_codes_token_unique unique (token_hash),
    constraint device_codes_token_is_sha256 check (octet_length(token_hash) = 32),
    constraint device_codes_creator_exists foreign key (created_by_account_id) references accounts (id) on delete cascade,
    constraint device_codes_authorizer_exists foreign key (authorized_by_account_id) references accounts (id) on delete cascade,
    constraint device_codes_client_type_known check (client_type in ('mobile', 'connector', 'web')),
    constraint device_codes_claimed_when_authorized check (claimed_at is null or authorized_by_account_id is not null)
);
create index device_codes_by_end on device_codes (expires_at);
create index device_codes_by_creator on device_codes (created_by_account_id) where created_by_account_id is not null;
create index device_codes_by_authorizer on device_codes (authorized_by_account_id) where authorized_by_account_id is not null;

-- +goose Down
drop table device_codes;
