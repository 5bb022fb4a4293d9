-- +goose Up
-- Sealed like credentials. The pending secret is shown while TOTP is being set
-- up; the active one signs in and is never shown.
create table totp_secrets (
    account_id bigint      not null,
    kind       text        not null,
    key_id     bigint      not null,
    ciphertext bytea       not null,
    updated_at timestamptz not null default now(),
    constraint totp_secrets_one_of_a_kind primary key (account_id, kind),
    constraint totp_secrets_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint totp_secrets_key_exists foreign key (key_id) references data_keys (id),
    constraint totp_secrets_kind_known check (kind in ('active', 'pending'))
);
create index totp_secrets_by_key on totp_secrets (key_id);

-- The time step of the last code that signed in: it and older ones are used up.
alter table accounts add column totp_last_step bigint;

-- +goose Down
alter table accounts drop column totp_last_step;
drop table totp_secrets;
