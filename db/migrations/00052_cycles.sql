-- +goose Up
-- The cycle of each service of monitoring, the running or the last one. Its lanes
-- work on any server of the deployment.
create table monitoring_cycles (
    service    text        not null primary key,
    number     bigint      not null default 0,
    -- When the latest start was due, of a cycle or of one that was left out: the
    -- next is an interval later. Null while the service is off.
    slot_at    timestamptz,
    started_at timestamptz,
    ended_at   timestamptz,
    -- Nothing is handed out after it.
    until      timestamptz,
    -- How many targets there are, how many of them are quick, which come first, and
    -- how many lanes have got.
    total      integer     not null default 0,
    quick      integer     not null default 0,
    handed     integer     not null default 0,
    constraint monitoring_cycles_service_known check (service in ('status', 'metrics'))
) with (fillfactor = 50);
insert into monitoring_cycles (service) values ('status'), ('metrics');

-- The targets of a cycle in the order in which they are handed out, 500 in a row,
-- and their owners.
create table monitoring_batches (
    service   text     not null,
    batch     integer  not null,
    entry_ids bigint[] not null,
    scopes    bigint[] not null,
    constraint monitoring_batches_in_order primary key (service, batch)
);

-- The lanes that work on a cycle. One that is not heard of until its lease ends
-- counts as dead, and the cycle does not wait for it.
create table monitoring_lanes (
    service      text        not null,
    lane         integer     not null,
    number       bigint      not null,
    leased_until timestamptz not null,
    constraint monitoring_lanes_one_of_a_number primary key (service, lane),
    constraint monitoring_lanes_cycle_exists foreign key (service) references monitoring_cycles (service) on delete cascade
) with (fillfactor = 50);

-- +goose Down
drop table monitoring_lanes;
drop table monitoring_batches;
drop table monitoring_cycles;
