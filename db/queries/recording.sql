-- name: CreateRecording :one
-- every owner: of a connection that opens, if its organization records and keeps a row of it
insert into recordings (audit_log_id, organization_id, type, node_id)
select c.audit_log_id, c.organization_id, @type::text, c.node_id
from connections c
         join organizations o on o.id = c.organization_id
where c.id = @connection_id
  and c.audit_log_id is not null
  and o.audit_settings -> 'enableSessionRecording' = 'true'
returning audit_log_id;

-- name: AddRecordingChunk :execrows
-- No row: another server has finished it, or it is deleted. What is there already was
-- stored without its server hearing of it.
with growing as (
    update recordings r
        set size = @size::bigint, bytes = @bytes::bigint
        where r.audit_log_id = @audit_log_id and r.finished_at is null
        returning r.audit_log_id)
insert
into recording_chunks (audit_log_id, seq, key_id, data)
select g.audit_log_id, @seq::integer, @key_id::bigint, @data::bytea
from growing g
on conflict (audit_log_id, seq) do update set key_id = excluded.key_id, data = excluded.data;

-- name: FinishRecording :exec
-- What its row in the audit log says of it is merged, whoever else adds something.
with finished as (
    update recordings r
        set finished_at = now()
        where r.audit_log_id = @audit_log_id and r.finished_at is null
        returning r.audit_log_id, r.type)
insert
into audit_details as d (audit_log_id, details)
select f.audit_log_id, jsonb_build_object('hasRecording', true, 'recordingType', f.type)
from finished f
on conflict (audit_log_id) do update set details = d.details || excluded.details, updated_at = now();

-- name: DeleteRecording :exec
delete
from recordings
where audit_log_id = @audit_log_id;

-- name: ListLostRecordings :many
-- every owner: whose server has not been seen for a while, or has given it up
select r.audit_log_id
from recordings r
where r.finished_at is null
  and r.audit_log_id > @after
  and (not exists (select from running_nodes n where n.id = r.node_id)
    or not exists (select from connections c where c.audit_log_id = r.audit_log_id))
order by r.audit_log_id
limit @most;

-- name: ListRecordingChunks :many
-- those after one, in order
select seq, data
from recording_chunks
where audit_log_id = @audit_log_id
  and seq > @after
order by seq
limit @most;

-- name: GetRecording :one
-- every owner: who may have it, their permissions in the organization decide
-- The row of the audit log, with what there is to play.
select l.account_id, l.organization_id, coalesce(r.type, '')::text as type, coalesce(r.size, 0)::bigint as size,
       coalesce(r.bytes, 0)::bigint as bytes
from audit_logs l
         left join recordings r on r.audit_log_id = l.id and r.organization_id = l.organization_id and r.finished_at is not null
where l.id = @audit_log_id;

-- name: DeleteOldRecordings :execrows
-- every owner: those that their organization keeps no longer, that have none any more, and whose rows are gone
-- Some at a time. Their rows in the audit log say so.
with due as (
    (select old.audit_log_id
     from organizations o
              cross join lateral (select r.audit_log_id
                                  from recordings r
                                  where r.organization_id = o.id
                                    and r.started_at < now() - coalesce((o.audit_settings ->> 'recordingRetentionDays')::integer, 90) * interval '1 day'
                                    and r.finished_at is not null
                                  order by r.started_at
                                  limit @most) old
     limit @most)
    union
    (select r.audit_log_id
     from recordings r
     where r.organization_id is null
       and r.finished_at is not null
     limit @most)
    union
    (select r.audit_log_id
     from recordings r
     where r.started_at < @before
       and r.finished_at is not null
     order by r.started_at
     limit @most)
    limit @most),
     deleted as (
    delete from recordings r using due where r.audit_log_id = due.audit_log_id returning r.audit_log_id)
insert
into audit_details as d (audit_log_id, details)
select deleted.audit_log_id,
       jsonb_build_object('hasRecording', false, 'recordingDeletedAt', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
from deleted
on conflict (audit_log_id) do update set details = d.details || excluded.details, updated_at = now();
