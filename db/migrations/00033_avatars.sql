-- +goose Up
-- Apart from accounts, which are read with every request. The picture's hash is
-- accounts.avatar_hash.
create table avatars (
    account_id bigint primary key,
    image      bytea       not null,
    updated_at timestamptz not null default now(),
    constraint avatars_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint avatars_size check (octet_length(image) <= 1048576)
);
-- WebP is compressed already.
alter table avatars alter column image set storage external;

-- +goose Down
drop table avatars;
