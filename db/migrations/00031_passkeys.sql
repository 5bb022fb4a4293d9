-- +goose Up
create table passkeys (
    id              bigint generated always as identity primary key,
    account_id      bigint      not null,
    credential_id   bytea       not null,
    public_key      bytea       not null,
    sign_count      bigint      not null,
    -- Whether the credential may live on several devices, and whether it does.
    backup_eligible boolean     not null,
    backed_up       boolean     not null,
    transports      text[]      not null default '{}',
    name            text        not null default 'Passkey',
    rp_id           text        not null,
    created_at      timestamptz not null default now(),
    constraint passkeys_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint passkeys_credential_unique unique (credential_id),
    constraint passkeys_name_length check (char_length(name) between 1 and 50)
);
create index passkeys_by_account on passkeys (account_id, created_at desc, id desc);

-- What authenticators are asked to sign. Each is taken once, by any server.
create table passkey_challenges (
    challenge  bytea primary key,
    kind       text        not null,
    -- Null when the authenticator chooses the account.
    account_id bigint,
    origin     text        not null,
    rp_id      text        not null,
    expires_at timestamptz not null default now() + interval '5 minutes',
    constraint passkey_challenges_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint passkey_challenges_kind_known check (kind in ('registration', 'authentication')),
    constraint passkey_challenges_registration_has_account check (kind <> 'registration' or account_id is not null)
);
create index passkey_challenges_by_end on passkey_challenges (expires_at);
create index passkey_challenges_by_account on passkey_challenges (account_id) where account_id is not null;

-- +goose Down
drop table passkey_challenges;
drop table passkeys;
