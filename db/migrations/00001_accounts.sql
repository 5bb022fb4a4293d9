-- +goose Up
-- For finding a part of a name. The owner of a database may create it, where
-- PostgreSQL's programs bring it along.
-- +goose StatementBegin
do
$$
    begin
        create extension if not exists pg_trgm;
    exception
        when insufficient_privilege then
            raise exception 'the database needs the extension pg_trgm, which this role may not create: let an administrator of the database run "create extension pg_trgm" in it';
        when undefined_file or feature_not_supported then
            raise exception 'PostgreSQL lacks the extension pg_trgm: install its contrib modules (often a package postgresql-contrib)';
    end
$$;

-- What "like" takes to find a text anywhere, in any case.
create function containing(part text) returns text
    language sql immutable
as
$$
select '%' || regexp_replace(lower(part), '([\\%_])', '\\\1', 'g') || '%'
$$;
-- +goose StatementEnd

create table accounts (
    id              bigint generated always as identity primary key,
    username        text        not null,
    -- How the username is compared, null where that is the name itself.
    folded_username text,
    first_name      text        not null,
    last_name       text        not null,
    password_hash   text        not null,
    totp_enabled    boolean     not null default false,
    session_sync    text        not null default 'same_browser',
    preferences     jsonb       not null default '{}',
    avatar_hash     text,
    active_theme_id bigint,
    created_at      timestamptz not null default now(),
    constraint accounts_username_length check (char_length(username) between 1 and 255),
    constraint accounts_session_sync_known check (session_sync in ('across_devices', 'same_browser', 'same_tab')),
    constraint accounts_preferences_object check (jsonb_typeof(preferences) = 'object')
);
create index accounts_by_name_part on accounts
    using gin (lower(username) gin_trgm_ops, lower(first_name) gin_trgm_ops, lower(last_name) gin_trgm_ops);

create unique index accounts_username_unique on accounts (coalesce(folded_username, username));

-- How many accounts there are is the sum of these, so that nobody has to read them all.
-- Each change adds a row of its own and waits for no other; a sweep adds them up.
create table account_counts (
    change bigint not null
);

-- +goose StatementBegin
create function count_accounts() returns trigger
    language plpgsql
as
$$
begin
    insert into account_counts
    select case tg_op when 'INSERT' then count(*) else -count(*) end
    from changed
    having count(*) > 0;
    return null;
end
$$;
-- +goose StatementEnd

create trigger accounts_inserted
    after insert on accounts
    referencing new table as changed
    for each statement execute function count_accounts();
create trigger accounts_deleted
    after delete on accounts
    referencing old table as changed
    for each statement execute function count_accounts();

create table sessions (
    id              bigint      generated always as identity primary key,
    account_id      bigint      not null,
    -- Who acts as the account, if that is somebody else.
    impersonator_id bigint,
    token_hash      bytea       not null,
    -- Null until a session that somebody else has opened is used.
    ip              text,
    user_agent      text        not null,
    last_activity   timestamptz not null default now(),
    created_at      timestamptz not null default now(),
    constraint sessions_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint sessions_impersonator_exists foreign key (impersonator_id) references accounts (id) on delete cascade,
    constraint sessions_ip_known check (ip is not null or impersonator_id is not null),
    constraint sessions_token_unique unique (token_hash),
    constraint sessions_token_is_sha256 check (octet_length(token_hash) = 32)
);
create index sessions_by_account on sessions (account_id, last_activity desc);
create index sessions_by_impersonator on sessions (impersonator_id) where impersonator_id is not null;

-- The sessions that hold, unless they are idle for too long: acting as another
-- account ends after an hour. The others wait to be cleared away.
create view valid_sessions as
select s.id, s.account_id, s.impersonator_id, s.token_hash, s.ip, s.user_agent, s.last_activity, s.created_at
from sessions s
where s.impersonator_id is null
   or s.created_at > now() - interval '60 minutes';

create table api_keys (
    id           bigint generated always as identity primary key,
    account_id   bigint      not null,
    name         text        not null,
    token_hash   bytea       not null,
    prefix       text        not null,
    last_used_at timestamptz,
    expires_at   timestamptz,
    created_at   timestamptz not null default now(),
    constraint api_keys_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint api_keys_token_unique unique (token_hash),
    constraint api_keys_token_is_sha256 check (octet_length(token_hash) = 32),
    constraint api_keys_name_length check (char_length(name) between 1 and 255)
);
create index api_keys_by_account on api_keys (account_id, created_at desc);

-- Sign-in methods. The internal one is the password form; others follow.
create table auth_providers (
    id                 bigint generated always as identity primary key,
    name               text    not null,
    issuer             text    not null,
    is_internal        boolean not null default false,
    enabled            boolean not null default true,
    allow_registration boolean not null default false
);
create unique index auth_providers_one_internal on auth_providers (is_internal) where is_internal;
insert into auth_providers (name, issuer, is_internal) values ('Internal Authentication', 'internal', true);

create table permission_groups (
    id         bigint generated always as identity primary key,
    name       text    not null,
    color      text    not null default '#314BD3',
    is_admin   boolean not null default false,
    is_default boolean not null default false,
    sort_order integer not null,
    constraint permission_groups_name_length check (char_length(name) between 1 and 50),
    constraint permission_groups_color_hex check (color ~ '^#[0-9a-fA-F]{6}$'),
    constraint permission_groups_one_role check (not (is_admin and is_default))
);
create unique index permission_groups_one_admin on permission_groups (is_admin) where is_admin;
create unique index permission_groups_one_default on permission_groups (is_default) where is_default;

create table group_members (
    group_id   bigint not null,
    account_id bigint not null,
    primary key (account_id, group_id),
    constraint group_members_group_exists foreign key (group_id) references permission_groups (id) on delete cascade,
    constraint group_members_account_exists foreign key (account_id) references accounts (id) on delete cascade
);
create index group_members_by_group on group_members (group_id);

create table group_permissions (
    group_id   bigint not null,
    permission text   not null,
    value      text   not null,
    primary key (group_id, permission),
    constraint group_permissions_group_exists foreign key (group_id) references permission_groups (id) on delete cascade,
    constraint group_permissions_value_known check (value in ('allow', 'deny'))
);

create table account_permissions (
    account_id bigint not null,
    permission text   not null,
    value      text   not null,
    primary key (account_id, permission),
    constraint account_permissions_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint account_permissions_value_known check (value in ('allow', 'deny'))
);

insert into permission_groups (name, color, is_admin, is_default, sort_order)
values ('Administrator', '#a44747', true, false, 0),
       ('Default', '#B7B7B7', false, true, 1);

-- What every account may do at install; package permission holds the same set
-- and a test compares the two.
insert into group_permissions (group_id, permission, value)
select g.id, p.permission, 'allow'
from permission_groups g,
     unnest(array [
         'organizations.create', 'audit.view',
         'resources.manage', 'identities.manage', 'snippets.manage', 'scripts.manage', 'scripts.execute',
         'connect.ssh', 'connect.rdp', 'connect.vnc', 'connect.proxmox', 'connect.tunnel',
         'files.view', 'files.upload', 'files.download', 'files.modify']) as p (permission)
where g.is_default;

-- The system permissions that an account holds through overrides and groups.
-- An account's own override decides; else the first of its groups that says
-- anything, custom groups before the default one. Administrators hold all
-- permissions without appearing here.
create view effective_permissions as
select decided.account_id, decided.permission
from (select distinct on (said.account_id, said.permission) said.account_id, said.permission, said.value
      from (select o.account_id, o.permission, o.value, 0 as tier, 0 as sort_order, 0::bigint as group_id
            from account_permissions o
            union all
            select m.account_id, gp.permission, gp.value, 1, g.sort_order, g.id
            from group_members m
                     join permission_groups g on g.id = m.group_id and not g.is_default
                     join group_permissions gp on gp.group_id = g.id
            union all
            select a.id, gp.permission, gp.value, 2, g.sort_order, g.id
            from accounts a
                     join permission_groups g on g.is_default
                     join group_permissions gp on gp.group_id = g.id) as said
      order by said.account_id, said.permission, said.tier, said.sort_order, said.group_id) as decided
where decided.value = 'allow';

create view administrators as
select m.account_id
from group_members m
         join permission_groups g on g.id = m.group_id
where g.is_admin;

-- One row for each limiter and subject (a network or an account) while its
-- window is open. Unlogged, so that counting does not wait for the disk; what
-- that costs is that a crash of PostgreSQL opens all windows anew.
create unlogged table rate_limits (
    limiter        text        not null,
    subject        text        not null,
    hits           integer     not null,
    window_ends_at timestamptz not null,
    primary key (limiter, subject)
);
create index rate_limits_by_end on rate_limits (window_ends_at);

-- The data keys, sealed by the master key, and once more by its successor while
-- that is changed. The fingerprint tells which master key that is, so that a wrong
-- one is refused before anything is read.
create sequence keyset_revisions;
create table encryption_keysets (
    id          smallint primary key default 1,
    fingerprint text        not null,
    keyset      bytea       not null,
    -- Changes with the keyset: whoever has read it sees that there is another one.
    revision    bigint      not null default nextval('keyset_revisions'),
    created_at  timestamptz not null default now(),
    constraint encryption_keysets_fingerprint_unique unique (fingerprint),
    constraint encryption_keysets_at_most_two check (id in (1, 2))
);

-- Which data keys there are. What is sealed refers to its key, so that none that
-- something needs is dropped, and nothing is sealed with one that is gone.
create table data_keys (
    id         bigint primary key,
    created_at timestamptz not null default now()
);

-- +goose Down
drop table data_keys;
drop table encryption_keysets;
drop sequence keyset_revisions;
drop table rate_limits;
drop view administrators;
drop view effective_permissions;
drop table account_permissions;
drop table group_permissions;
drop table group_members;
drop table permission_groups;
drop table auth_providers;
drop table api_keys;
drop view valid_sessions;
drop table sessions;
drop table accounts;
drop function count_accounts;
drop table account_counts;
drop function containing;
drop extension pg_trgm;
