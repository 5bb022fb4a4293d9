-- +goose Up
-- The one row of settings of the deployment.
create table monitoring_settings (
    id                     boolean not null default true primary key,
    status_checker_enabled boolean not null default true,
    status_interval        integer not null default 30,
    monitoring_enabled     boolean not null default true,
    monitoring_interval    integer not null default 60,
    data_retention_hours   integer not null default 24,
    connection_timeout     integer not null default 30,
    batch_size             integer not null default 10,
    constraint monitoring_settings_one_row check (id),
    constraint monitoring_settings_status_interval check (status_interval between 10 and 300),
    constraint monitoring_settings_monitoring_interval check (monitoring_interval between 30 and 600),
    constraint monitoring_settings_data_retention_hours check (data_retention_hours between 1 and 24),
    constraint monitoring_settings_connection_timeout check (connection_timeout between 5 and 120),
    constraint monitoring_settings_batch_size check (batch_size between 1 and 50)
);
insert into monitoring_settings default values;

-- When the status checker has last come by, apart from the entry: it is written
-- in every cycle, and an entry is a long row.
create table entry_checks (
    entry_id   bigint      not null primary key,
    checked_at timestamptz not null,
    took_ms    integer     not null,
    constraint entry_checks_entry_exists foreign key (entry_id) references entries (id) on delete cascade
) with (fillfactor = 50);

-- What was last collected of an entry: the newest sample, and what is kept of
-- the newest one that has it.
create table monitoring_snapshots (
    entry_id      bigint      not null primary key,
    updated_at    timestamptz not null,
    status        text        not null,
    cpu_usage     integer,
    memory_usage  integer,
    uptime        bigint,
    load_average  double precision[],
    processes     integer,
    error_message text,
    -- The newest sample that was collected.
    last_seen_at  timestamptz,
    memory_total  bigint,
    disk          json,
    network       json,
    process_list  json,
    os_info       json,
    -- The host's counters then, to measure the next sample against: since which
    -- boot, and how many ticks in all and idle.
    boot_id       text,
    cpu_total     bigint,
    cpu_idle      bigint,
    took_ms       integer     not null,
    constraint monitoring_snapshots_entry_exists foreign key (entry_id) references entries (id) on delete cascade,
    constraint monitoring_snapshots_status_known check (status in ('online', 'offline', 'error'))
) with (fillfactor = 50);

-- +goose StatementBegin
-- Compression is what reading these takes most of; this one is the quicker.
do
$$
begin
    alter table monitoring_snapshots
        alter column disk set compression lz4,
        alter column network set compression lz4,
        alter column process_list set compression lz4;
exception
    when feature_not_supported then null; -- PostgreSQL is built without it
end
$$;

-- Snapshots out of samples: objects of their columns, with the milliseconds since
-- the sample was taken as age_ms in place of the times. JSON stays as it is
-- written, but for NUL, which no text here can have.
create function read_samples(samples json) returns setof monitoring_snapshots
    language sql
    stable
begin atomic
    select g.entry_id, now() - g.age_ms * interval '1 millisecond', g.status, g.cpu_usage, g.memory_usage, g.uptime, g.load_average,
           g.processes, g.error_message, case when g.status = 'online' then now() - g.age_ms * interval '1 millisecond' end,
           g.memory_total, g.disk, g.network, g.process_list, g.os_info, g.boot_id, g.cpu_total, g.cpu_idle, g.took_ms
    from json_to_recordset(replace(samples::text, '\u0000', '\ufffd')::json) as g (entry_id bigint, age_ms bigint, took_ms integer, status text, error_message text,
        cpu_usage integer, memory_usage integer, uptime bigint, load_average double precision[], processes integer,
        memory_total bigint, disk json, network json, process_list json, os_info json, boot_id text, cpu_total bigint, cpu_idle bigint);
end;
-- +goose StatementEnd

-- The history. Partitions by time, so that what is old goes without touching a
-- row; and no foreign key, which would lock entries for that. Samples of entries
-- that are gone are found by nobody, as ids are not used again. A partition has
-- three hours: what is too old is kept for no longer than that, and a chart of a
-- day reads nine of them.
create table monitoring_samples (
    id            bigint      not null generated always as identity,
    entry_id      bigint      not null,
    timestamp     timestamptz not null,
    status        text        not null,
    cpu_usage     integer,
    memory_usage  integer,
    uptime        bigint,
    load_average  double precision[],
    processes     integer,
    error_message text,
    constraint monitoring_samples_in_order primary key (entry_id, timestamp, id),
    constraint monitoring_samples_status_known check (status in ('online', 'offline', 'error'))
) partition by range (timestamp);
-- What no partition takes.
create table monitoring_samples_rest partition of monitoring_samples default;

-- +goose StatementBegin
create function drop_sample_partitions(before timestamptz) returns void
    language sql
begin atomic
    select drop_partitions('monitoring_samples', before);
    delete from monitoring_samples_rest r where r.timestamp < before;
end;
-- +goose StatementEnd

-- +goose Down
drop function drop_sample_partitions;
drop table monitoring_samples;
drop function read_samples;
drop table monitoring_snapshots;
drop table entry_checks;
drop table monitoring_settings;
