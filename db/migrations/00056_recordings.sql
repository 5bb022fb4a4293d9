-- +goose Up
-- What terminals have shown, each by the connection's row in the audit log.
create table recordings (
    audit_log_id    bigint      not null primary key,
    -- Null where the organization is deleted: nobody may see it any more.
    organization_id bigint,
    type            text        not null,
    -- The server that writes it.
    node_id         uuid        not null,
    -- How long it is, as it is stored and as it is played.
    size            bigint      not null default 0,
    bytes           bigint      not null default 0,
    started_at      timestamptz not null default now(),
    finished_at     timestamptz,
    constraint recordings_organization_exists foreign key (organization_id) references organizations (id) on delete set null,
    constraint recordings_type_known check (type in ('cast', 'guac'))
);
create index recordings_by_organization on recordings (organization_id, started_at);
create index recordings_by_start on recordings (started_at);
create index recordings_unfinished on recordings (audit_log_id) where finished_at is null;
create index connections_by_audit_log on connections (audit_log_id) where audit_log_id is not null;

-- One stream of gzip, cut where all before the cut can be read without what follows.
create table recording_chunks (
    audit_log_id bigint  not null,
    seq          integer not null,
    key_id       bigint  not null,
    data         bytea   not null,
    constraint recording_chunks_in_order primary key (audit_log_id, seq),
    constraint recording_chunks_recording_exists foreign key (audit_log_id) references recordings (audit_log_id) on delete cascade,
    constraint recording_chunks_key_exists foreign key (key_id) references data_keys (id)
);
-- What is compressed and sealed does not get shorter.
alter table recording_chunks alter column data set storage external;
create index recording_chunks_by_key on recording_chunks (key_id);

-- Rows come in the order of their ids, more or less, and hardly ever by them.
create index audit_logs_by_id on audit_logs using brin (id) with (autosummarize = on);

-- +goose Down
drop index audit_logs_by_id;
drop table recording_chunks;
drop index connections_by_audit_log;
drop table recordings;
