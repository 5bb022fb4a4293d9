-- +goose Up
create table entries (
    id              bigint generated always as identity primary key,
    account_id      bigint,
    organization_id bigint,
    scope           bigint      not null generated always as (coalesce(account_id, -organization_id)) stored,
    folder_id       bigint,
    integration_id  bigint,
    type            text        not null,
    renderer        text,
    name            text        not null,
    icon            text        not null default 'server',
    -- Orders the entries of a container. It has gaps, and any two ranks have room
    -- between them, so that moving an entry writes one row; the position that
    -- people see is counted.
    rank            numeric     not null,
    status          text,
    config          jsonb       not null default '{}',
    config_size     integer     not null generated always as (octet_length(config::text)) stored,
    monitored       boolean     not null generated always as
        (type = 'server' and config @> '{"protocol": "ssh", "monitoringEnabled": true}') stored,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    constraint entries_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint entries_organization_exists foreign key (organization_id) references organizations (id) on delete cascade,
    constraint entries_folder_exists foreign key (folder_id, scope) references folders (id, scope) on delete cascade,
    constraint entries_one_owner check (num_nonnulls(account_id, organization_id) = 1),
    constraint entries_name_length check (char_length(name) between 1 and 255),
    constraint entries_icon_length check (char_length(icon) <= 255),
    constraint entries_type_known check (type in ('server', 'pve-shell', 'pve-lxc', 'pve-qemu')),
    constraint entries_renderer_known check (renderer in ('terminal', 'guac', 'sftp')),
    constraint entries_config_object check (jsonb_typeof(config) = 'object')
);
create index entries_by_account on entries (account_id) where account_id is not null;
create index entries_by_organization on entries (organization_id) where organization_id is not null;
create index entries_by_folder on entries (folder_id) where folder_id is not null;
-- A container is a folder or, as 0, the root of a scope.
create index entries_by_container on entries (scope, coalesce(folder_id, 0), rank, id) include (config_size);
create index entries_monitored on entries (scope, id) where monitored;
-- Entries behind a jump host.
create index entries_by_jump_host on entries using gin ((config -> 'jumpHosts') jsonb_path_ops) where config -> 'jumpHosts' is not null;

-- +goose StatementBegin
create function port(config jsonb) returns integer
    language sql immutable as
$$
select coalesce((config ->> 'port')::integer,
                case config ->> 'protocol'
                    when 'ssh' then 22 when 'sftp' then 22 when 'telnet' then 23 when 'rdp' then 3389 when 'vnc' then 5900
                    when 'ftp' then 21 when 'ftps' then 21 end)
$$;

create function address(config jsonb) returns text
    language sql immutable as
$$
select (config ->> 'ip') || ':' || port(config)
$$;

-- The way to an entry's host: the addresses of its hops in order, then its own with
-- the protocol.
create function route(config jsonb) returns text[]
    language sql stable as
$$
select array(select address(hop.config)
             from jsonb_array_elements_text(coalesce(route.config -> 'jumpHosts', '[]')) with ordinality as j (id, place)
                      left join entries hop on hop.id = j.id::bigint
             order by j.place)
           || concat_ws(' ', route.config ->> 'protocol', address(route.config))
$$;

-- The hosts on the way to an entry, in order: its hops, then itself, without a place.
-- What is beyond the reach as a hop is not there. Owners are those of all hosts so far,
-- and route what it is there as a way of its own.
create function way(entry bigint, config jsonb, reach bigint[])
    returns table (place bigint, id bigint, name text, type text, protocol text, host text, port integer, engine jsonb, owners bigint[], route text[])
    language sql stable as
$$
select h.place, e.id, e.name, e.type, e.protocol, e.host, e.port, e.engine,
       array_agg(e.scope) over way,
       array_agg(e.address) over (way rows between unbounded preceding and 1 preceding) || concat_ws(' ', e.protocol, e.address)
from (select j.place, j.id::bigint as entry_id
      from jsonb_array_elements_text(coalesce(way.config -> 'jumpHosts', '[]')) with ordinality as j (id, place)
      union all
      select null, way.entry) h
         left join lateral (
    select s.id, s.scope, s.name, s.type, s.config ->> 'protocol' as protocol, s.config ->> 'ip' as host,
           port(s.config) as port, address(s.config) as address, s.config -> 'engineId' as engine
    from entries s
    where s.id = h.entry_id
      and s.scope = any(way.reach)
    limit 1) e on true
window way as (order by h.place)
$$;
-- +goose StatementEnd

-- The identities of an entry, in order. The first is the default: there is no
-- mark that could contradict the order or be left over from a deleted identity.
create table entries_identities (
    entry_id    bigint      not null,
    identity_id bigint      not null,
    position    integer     not null,
    -- The way to the host for which somebody who may use the identity has linked it.
    -- Others may lead the entry elsewhere: they do not decide where it is sent.
    route       text[],
    created_at  timestamptz not null default now(),
    primary key (entry_id, identity_id),
    constraint entries_identities_entry_exists foreign key (entry_id) references entries (id) on delete cascade,
    constraint entries_identities_identity_exists foreign key (identity_id) references identities (id) on delete cascade
);
-- Lists read this alone: the links of a few identities among those of everybody.
create index entries_identities_by_identity on entries_identities (identity_id) include (entry_id, position);

-- The latest connection of an account to an entry, apart from the audit log:
-- neither its switches nor its retention change this list.
create table recent_connections (
    account_id   bigint      not null,
    entry_id     bigint      not null,
    action       text        not null,
    connected_at timestamptz not null default now(),
    primary key (account_id, entry_id),
    constraint recent_connections_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint recent_connections_entry_exists foreign key (entry_id) references entries (id) on delete cascade,
    constraint recent_connections_action_known check (action in ('entry.ssh_connect', 'entry.sftp_connect',
        'entry.pve_connect', 'entry.rdp_connect', 'entry.vnc_connect', 'entry.demo_connect'))
);
create index recent_connections_latest on recent_connections (account_id, connected_at desc);
create index recent_connections_by_entry on recent_connections (entry_id);

-- +goose Down
drop table recent_connections;
drop table entries_identities;
drop function way;
drop function route;
drop function address;
drop function port;
drop table entries;
