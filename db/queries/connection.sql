-- name: GetConnectionEntry :one
-- What connecting to an entry depends on, by whatever comes over that.
select e.scope, e.organization_id, e.type, e.renderer,
       coalesce(e.config ->> 'protocol', '')::text as protocol,
       coalesce((select o.audit_settings -> 'requireConnectionReason' = 'true'
                 from organizations o
                 where o.id = e.organization_id), false)::boolean as reason_required
from entries e
where e.id = @id
  and e.scope = any(@reach::bigint[]);

-- name: LockConnections :exec
-- For the transaction: an account opens one after the other.
select pg_advisory_xact_lock(hashtextextended('nexterm.connections', @account_id::bigint));

-- name: CountOpenConnections :one
-- A statement of its own: the snapshot of the one that waits for the lock is older.
select count(*)
from connections
where account_id = @account_id
  and state in ('connecting', 'active');

-- name: CreateConnection :one
-- The row of the audit log that goes with it has the id that is returned, 0 where
-- the organization keeps none.
insert into connections (id, account_id, session_id, api_key_id, entry_id, organization_id, kind, protocol, type, identity_id, is_direct,
                         script_id, start_path, renderer, reason, tab_id, browser_id, node_id, audit_log_id)
select @id::uuid, @account_id::bigint, nullif(@session_id::bigint, 0), nullif(@api_key_id::bigint, 0), @entry_id::bigint,
       sqlc.narg(organization_id)::bigint, @kind::text, @protocol::text, sqlc.narg(type)::text, sqlc.narg(identity_id)::bigint,
       @is_direct::boolean, sqlc.narg(script_id)::bigint, sqlc.narg(start_path)::text, sqlc.narg(renderer)::text,
       sqlc.narg(reason)::text, sqlc.narg(tab_id)::text, sqlc.narg(browser_id)::text, @node_id::uuid,
       case
           when coalesce((select is_audited(o.audit_settings, @switch::text) from organizations o where o.id = sqlc.narg(organization_id)), true)
               then nextval('audit_logs_id_seq') end
returning coalesce(audit_log_id, 0)::bigint as audit_log_id;

-- name: TouchRecentConnection :exec
insert into recent_connections (account_id, entry_id, action)
values (@account_id, @entry_id, @action)
on conflict (account_id, entry_id) do update set action = excluded.action, connected_at = now();

-- name: ListConnections :many
-- Those that are open, and those that have failed a moment ago.
select c.id, c.entry_id, c.identity_id, c.type, c.script_id, c.start_path, c.renderer, c.is_hibernated, c.last_activity,
       c.organization_id, o.name as organization_name, c.number, c.share_key, c.share_writable, c.sftp_path, c.state, c.created_at,
       c.tab_id, c.browser_id, a.session_sync,
       coalesce((select s.os_info ->> 'name' from monitoring_snapshots s where s.entry_id = c.entry_id), '')::text as os_name,
       participants(c.id)::json as participants
from connections c
         join accounts a on a.id = c.account_id
         left join organizations o on o.id = c.organization_id
where c.account_id = @account_id
  and (c.state in ('connecting', 'active') or c.state = 'failed' and c.listed_until > now())
order by c.created_at, c.number;

-- name: GetConnection :one
-- every owner: it is the account's own, whatever has become of its right to the entry
-- Ended ones are gone, for all but their sockets.
select c.id, c.entry_id, e.name, e.type as entry_type, e.icon, coalesce(e.renderer, c.renderer, 'terminal')::text as renderer,
       c.protocol, c.identity_id, c.is_hibernated, c.last_activity, c.type, c.organization_id, o.name as organization_name, c.script_id,
       c.number, c.share_key, c.share_writable, c.start_path, c.sftp_path, c.reason, c.is_direct, c.kind, c.state, c.node_id, e.scope,
       may_be_shared(c.organization_id)::boolean as may_be_shared
from connections c
         join entries e on e.id = c.entry_id
         left join organizations o on o.id = c.organization_id
where c.id = @id
  and c.account_id = @account_id
  and c.state in ('connecting', 'active');

-- name: UpdateConnection :one
-- What is left out stays.
update connections
set is_hibernated = coalesce(sqlc.narg(is_hibernated), is_hibernated),
    tab_id        = coalesce(sqlc.narg(tab_id), tab_id),
    browser_id    = coalesce(sqlc.narg(browser_id), browser_id),
    last_activity = now()
where id = @id
  and account_id = @account_id
  and state in ('connecting', 'active')
returning organization_id;

-- name: DeleteConnection :one
update connections
set state = 'ended', ended_at = now(), share_key_hash = null, key_id = null, share_key = null
where id = @id
  and account_id = @account_id
  and (state in ('connecting', 'active') or state = 'failed' and listed_until > now())
returning organization_id;

-- name: ShareConnection :one
-- The one who locks decides on the key, which is null while there is none.
select number, share_key
from connections
where id = @id
  and account_id = @account_id
  and state in ('connecting', 'active')
for update;

-- name: SetConnectionShare :one
-- The key stays where none is given.
update connections
set share_key_hash = coalesce(sqlc.narg(share_key_hash), share_key_hash),
    key_id         = coalesce(sqlc.narg(key_id), key_id),
    share_key      = coalesce(sqlc.narg(share_key), share_key),
    share_writable = @share_writable
where id = @id
  and account_id = @account_id
  and state in ('connecting', 'active')
returning organization_id, (share_key is not null)::boolean as is_shared;

-- name: UnshareConnection :one
update connections
set share_key_hash = null, key_id = null, share_key = null, share_writable = false
where id = @id
  and account_id = @account_id
  and state in ('connecting', 'active')
returning organization_id;

-- name: GetSharedConnection :one
-- every owner: whoever knows the key may
select c.id, c.entry_id, e.name, e.type as entry_type, e.icon, coalesce(e.renderer, c.renderer, 'terminal')::text as renderer,
       c.protocol, c.type, c.share_writable, c.organization_id, o.name as organization_name, c.kind, c.script_id, c.node_id, c.account_id,
       coalesce(a.preferences -> 'terminal', '{}')::json as terminal
from connections c
         join entries e on e.id = c.entry_id
         join accounts a on a.id = c.account_id
         left join organizations o on o.id = c.organization_id
where c.share_key_hash = @share_key_hash
  and may_be_shared(c.organization_id)
  and c.state in ('connecting', 'active');

-- name: GetConnectionFate :one
-- every owner: for a socket, whose caller is compared with the account
-- Also of those that have ended, for as long as they are known.
select c.account_id, c.organization_id, c.kind, c.state, coalesce(c.failure, '')::text as failure, c.node_id, c.script_id,
       c.is_hibernated, e.scope, is_offered(c.organization_id)::boolean as is_offered
from connections c
         join entries e on e.id = c.entry_id
where c.id = @id;

-- name: ListLiveConnections :many
-- every owner: what is open on a server, with what its account may still reach
select c.id, c.account_id, coalesce(c.session_id, 0)::bigint as session_id,
       exists (select from api_keys k where k.id = c.api_key_id and (k.expires_at is null or k.expires_at > now()))::boolean as has_key,
       c.state, coalesce(c.failure, '')::text as failure, c.is_hibernated, (c.share_key_hash is not null)::boolean as is_shared, c.share_writable, e.scope,
       is_offered(c.organization_id)::boolean as is_offered, may_be_shared(c.organization_id)::boolean as may_be_shared
from connections c
         join entries e on e.id = c.entry_id
where c.node_id = @node_id
  and c.id = any(@ids::uuid[]);

-- name: ConnectConnection :one
-- The owner server's own.
update connections
set state = 'active', connected_at = now(), last_activity = now()
where id = @id
  and state = 'connecting'
returning account_id, organization_id;

-- name: EndConnection :one
-- The owner server's own. A failure is listed until its socket has shown it.
update connections
set state          = case when sqlc.narg(failure)::text is null then 'ended' else 'failed' end,
    failure        = sqlc.narg(failure)::text,
    listed_until   = case when sqlc.narg(failure)::text is not null then now() + interval '15 seconds' end,
    ended_at       = now(),
    share_key_hash = null, key_id = null, share_key = null
where id = @id
  and state in ('connecting', 'active')
returning account_id, organization_id;

-- name: UnlistConnection :one
update connections
set listed_until = now()
where id = @id
  and state = 'failed'
returning account_id, organization_id;

-- name: GetTerminalKeys :one
-- every owner: of an entry that is connected to
select jsonb_strip_nulls(jsonb_build_object('backspaceMode', config -> 'backspaceMode', 'deleteMode', config -> 'deleteMode',
                                            'functionKeyMode', config -> 'functionKeyMode'))::json as keys
from entries
where id = @id;

-- name: GetDesktopConfig :one
-- every owner: of an entry that is connected to
select config
from entries
where id = @id;

-- name: TouchConnections :exec
-- The owner server's own: what has been used since the last time.
update connections c
set last_activity = now()
where c.id = any(@ids::uuid[])
  and c.state = 'active';

-- name: SetConnectionPath :one
update connections
set sftp_path = @sftp_path::text
where id = @id
  and account_id = @account_id
  and state in ('connecting', 'active')
returning organization_id;

-- name: AttachViewer :exec
insert into connection_viewers (viewer_id, connection_id, node_id, account_id, kind, writable)
values (@viewer_id, @connection_id, @node_id, sqlc.narg(account_id), @kind, @writable);

-- name: DetachViewer :exec
delete
from connection_viewers
where viewer_id = @viewer_id;

-- name: TouchNode :one
-- Returns how many other servers are seen.
with touched as (
    insert into nodes (id, url) values (@id, sqlc.narg(url))
        on conflict (id) do update set seen_at = now())
select count(*)
from running_nodes n
where n.id <> @id;

-- name: DeleteNode :exec
-- What it has held is over.
with gone as (
    delete from nodes where id = @id)
update connections
set state = 'ended', ended_at = now(), share_key_hash = null, key_id = null, share_key = null
where node_id = @id
  and state in ('connecting', 'active');

-- name: FailLostConnections :many
-- every owner: those of servers that have not been seen for a while. What running_nodes
-- says is asked of the row itself, which may be touched at this moment.
with gone as (
    delete from nodes n where n.seen_at < now() - interval '20 seconds' returning n.id)
update connections c
set state          = 'failed', failure = 'The server that held this connection has stopped', ended_at = now(),
    listed_until   = now() + interval '15 seconds', share_key_hash = null, key_id = null, share_key = null
where c.state in ('connecting', 'active')
  and (c.node_id in (select id from gone) or not exists (select from nodes n where n.id = c.node_id))
returning c.id, c.account_id, c.organization_id;

-- name: GetNode :one
select coalesce(url, '')::text as url
from running_nodes
where id = @id;

-- name: DeleteEndedConnections :exec
-- every owner: nobody asks for them any more
delete
from connections
where ended_at < now() - interval '10 minutes';

-- name: GetPastedIdentity :one
select i.id, i.name, i.type, c.ciphertext as password, i.organization_id
from identities i
         left join credentials c on c.identity_id = i.id and c.kind = 'password'
where i.id = @id
  and i.scope = any(@reach::bigint[]);

-- name: IsLinked :one
select exists (select
               from entries_identities l
                        join entries e on e.id = l.entry_id
               where l.entry_id = @entry_id
                 and l.identity_id = @identity_id
                 and e.scope = any(@reach::bigint[])) as linked;

-- name: ListLiveSessions :many
-- every owner: others' connections in the organizations in which the caller may watch them
select c.id, c.entry_id, e.name as entry_name, c.organization_id::bigint as organization_id, o.name as organization_name, c.type, c.renderer,
       e.type as entry_type, e.icon, c.created_at, a.id as account_id, a.username, a.first_name, a.last_name, a.avatar_hash,
       participants(c.id)::json as participants
from connections c
         join entries e on e.id = c.entry_id
         join organizations o on o.id = c.organization_id
         join accounts a on a.id = c.account_id
where c.organization_id = any(@organization_ids::bigint[])
  and c.account_id <> @account_id
  and c.state in ('connecting', 'active')
  and c.kind in ('terminal', 'guac')
  and c.script_id is null
  and not c.is_hibernated
  and is_offered(c.organization_id)
order by c.created_at, c.number;

-- name: UpdateViewers :exec
-- The owner server's own.
update connection_viewers v
set writable = g.writable, typing = g.typing
from (select unnest(@viewer_ids::uuid[]) as viewer_id, unnest(@writables::boolean[]) as writable, unnest(@typings::boolean[]) as typing) g
where v.viewer_id = g.viewer_id;

-- name: GetPresence :one
-- every owner: for those who have the connection open, and its account
select participants(c.id)::json as participants,
       array(select v.account_id from connection_viewers v where v.connection_id = c.id and v.account_id is not null
             union select c.account_id)::bigint[] as account_ids
from connections c
where c.id = @id;

-- name: AddConnectionDetails :exec
-- every owner: what becomes known of a connection, for its row of the audit log
-- Merged, whoever else adds something at the same time.
insert into audit_details as d (audit_log_id, details)
select c.audit_log_id, @details::jsonb
from connections c
where c.id = @id
  and c.audit_log_id is not null
on conflict (audit_log_id) do update set details = d.details || excluded.details, updated_at = now();

-- name: AddConnectionDuration :exec
-- every owner: for its row of the audit log, in whole seconds
insert into audit_details as d (audit_log_id, details)
select c.audit_log_id, jsonb_build_object('sessionDuration', floor(extract(epoch from now() - c.created_at))::bigint)
from connections c
where c.id = @id
  and c.audit_log_id is not null
on conflict (audit_log_id) do update set details = d.details || excluded.details, updated_at = now();

-- name: DeleteOldAuditDetails :exec
delete
from audit_details
where updated_at < @before;
