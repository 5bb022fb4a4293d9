-- +goose Up
-- The servers of a deployment that run, or ran until they were last seen.
create table nodes (
    id         uuid primary key,
    -- Where the other servers reach it; null where nobody has said.
    url        text,
    started_at timestamptz not null default now(),
    seen_at    timestamptz not null default now()
);

-- Those of them that have said lately that they run.
create view running_nodes as
select id, url
from nodes
where seen_at >= now() - interval '20 seconds';

-- Live links from a server to entries. The byte stream is in the memory of the node,
-- all else is here.
create table connections (
    id              uuid primary key,
    -- What secrets of it are sealed for.
    number          bigint      not null generated always as identity,
    account_id      bigint      not null,
    -- The credential that has opened it. It ends when that goes.
    session_id      bigint,
    api_key_id      bigint,
    -- The entry and its organization as they were then.
    entry_id        bigint      not null,
    organization_id bigint,
    kind            text        not null,
    protocol        text        not null,
    type            text,
    identity_id     bigint,
    is_direct       boolean     not null default false,
    script_id       bigint,
    start_path      text,
    renderer        text,
    reason          text,
    tab_id          text,
    browser_id      text,
    audit_log_id    bigint,
    node_id         uuid        not null,
    state           text        not null default 'connecting',
    failure         text,
    -- A failure is listed until it has been shown, and no longer than a few seconds.
    listed_until    timestamptz,
    is_hibernated   boolean     not null default false,
    share_key_hash  bytea,
    key_id          bigint,
    share_key       bytea,
    share_writable  boolean     not null default false,
    sftp_path       text,
    created_at      timestamptz not null default now(),
    connected_at    timestamptz,
    ended_at        timestamptz,
    last_activity   timestamptz not null default now(),
    constraint connections_number_unique unique (number),
    constraint connections_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint connections_session_exists foreign key (session_id) references sessions (id) on delete set null,
    constraint connections_api_key_exists foreign key (api_key_id) references api_keys (id) on delete set null,
    constraint connections_entry_exists foreign key (entry_id) references entries (id) on delete cascade,
    constraint connections_identity_exists foreign key (identity_id) references identities (id) on delete set null,
    constraint connections_script_exists foreign key (script_id) references scripts (id) on delete set null,
    constraint connections_key_exists foreign key (key_id) references data_keys (id),
    constraint connections_one_credential check (num_nonnulls(session_id, api_key_id) <= 1),
    constraint connections_kind_known check (kind in ('terminal', 'sftp', 'guac')),
    constraint connections_type_known check (type in ('terminal', 'sftp')),
    constraint connections_state_known check (state in ('connecting', 'active', 'ended', 'failed')),
    constraint connections_failure_length check (char_length(failure) <= 200),
    constraint connections_share_whole check (num_nonnulls(share_key_hash, key_id, share_key) in (0, 3))
);
create index connections_by_account on connections (account_id, created_at);
create index connections_by_session on connections (session_id) where session_id is not null;
create index connections_by_api_key on connections (api_key_id) where api_key_id is not null;
create index connections_by_entry on connections (entry_id);
create index connections_by_identity on connections (identity_id) where identity_id is not null;
create index connections_by_script on connections (script_id) where script_id is not null;
create index connections_by_organization on connections (organization_id) where organization_id is not null;
create index connections_by_node on connections (node_id) where state in ('connecting', 'active');
create index connections_by_end on connections (ended_at) where ended_at is not null;
create index connections_by_key on connections (key_id) where key_id is not null;
create unique index connections_by_share_key on connections (share_key_hash) where share_key_hash is not null;

-- Whoever has a connection open in a socket; null accounts have come by its link.
create unlogged table connection_viewers (
    viewer_id     uuid primary key,
    connection_id uuid        not null,
    node_id       uuid        not null,
    account_id    bigint,
    kind          text        not null,
    writable      boolean     not null,
    typing        boolean     not null default false,
    attached_at   timestamptz not null default clock_timestamp(),
    constraint connection_viewers_connection_exists foreign key (connection_id) references connections (id) on delete cascade,
    constraint connection_viewers_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint connection_viewers_kind_known check (kind in ('owner', 'organization', 'link'))
);
create index connection_viewers_by_connection on connection_viewers (connection_id);
create index connection_viewers_by_account on connection_viewers (account_id) where account_id is not null;

-- What becomes known of a row of the audit log later: that itself never changes.
create table audit_details (
    audit_log_id bigint      not null primary key,
    details      jsonb       not null,
    updated_at   timestamptz not null default now(),
    constraint audit_details_object check (jsonb_typeof(details) = 'object')
);
create index audit_details_by_age on audit_details (updated_at);

-- +goose StatementBegin
-- Those who have a connection open, by when they came.
create function participants(connection uuid) returns json
    language sql stable as
$$
select coalesce(json_agg(json_build_object(
        'viewerId', v.viewer_id, 'accountId', a.id, 'username', a.username, 'firstName', a.first_name, 'lastName', a.last_name,
        'avatarHash', a.avatar_hash, 'kind', v.kind, 'writable', v.writable, 'typing', v.typing) order by v.attached_at, v.viewer_id), '[]')
from connection_viewers v
         left join accounts a on a.id = v.account_id
where v.connection_id = connection
$$;

-- Whether members of an organization may watch each other's connections, and whether
-- links may be made to them.
create function is_offered(organization bigint) returns boolean
    language sql stable as
$$
select coalesce((select o.session_settings -> 'enableLiveSessionSharing' = 'true' from organizations o where o.id = organization), false)
$$;

create function may_be_shared(organization bigint) returns boolean
    language sql stable as
$$
select coalesce((select o.session_settings -> 'enablePublicShareLinks' <> 'false' from organizations o where o.id = organization), true)
$$;
-- +goose StatementEnd

-- +goose Down
drop function may_be_shared;
drop function is_offered;
drop function participants;
drop table audit_details;
drop table connection_viewers;
drop table connections;
drop view running_nodes;
drop table nodes;
