-- +goose Up
-- What keys hosts have shown to an owner. A host is found on one way alone: the
-- same name and port behind other hops is another host.
create table host_keys (
    id              bigint generated always as identity primary key,
    account_id      bigint,
    organization_id bigint,
    scope           bigint      not null generated always as (coalesce(account_id, -organization_id)) stored,
    -- Lower case, no trailing dot, addresses in canonical form.
    host            text        not null,
    port            integer     not null,
    -- The hops before it, as host:port joined by commas.
    via             text        not null default '',
    -- Keys are stored as they go over the wire (RFC 4253, section 6.6).
    type            text        not null,
    public_key      bytea       not null,
    -- A person has decided on it, who is added_by while the account is there.
    pinned          boolean     not null default false,
    added_by        bigint,
    first_seen      timestamptz,
    last_seen       timestamptz,
    -- The key that the host has shown instead, the latest one.
    offered_type    text,
    offered_key     bytea,
    offered_at      timestamptz,
    constraint host_keys_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint host_keys_organization_exists foreign key (organization_id) references organizations (id) on delete cascade,
    constraint host_keys_creator_exists foreign key (added_by) references accounts (id) on delete set null,
    constraint host_keys_one_owner check (num_nonnulls(account_id, organization_id) = 1),
    constraint host_keys_port_range check (port between 1 and 65535),
    constraint host_keys_offer_whole check (num_nonnulls(offered_type, offered_key, offered_at) in (0, 3))
);
-- Long ways do not fit into an index.
create unique index host_keys_one_of_a_type on host_keys (scope, host, port, md5(via), type);
create index host_keys_by_account on host_keys (account_id) where account_id is not null;
create index host_keys_by_organization on host_keys (organization_id) where organization_id is not null;
create index host_keys_by_adder on host_keys (added_by) where added_by is not null;

-- +goose Down
drop table host_keys;
