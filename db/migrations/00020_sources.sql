-- +goose Up
create table sources (
    id               bigint generated always as identity primary key,
    name             text        not null,
    url              text        not null,
    enabled          boolean     not null default true,
    is_default       boolean     not null default false,
    last_sync_status text,
    snippet_count    integer     not null default 0,
    script_count     integer     not null default 0,
    theme_count      integer     not null default 0,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    constraint sources_url_unique unique (url),
    constraint sources_name_length check (char_length(name) between 1 and 255),
    constraint sources_url_length check (char_length(url) between 1 and 2048),
    constraint sources_last_sync_status_known check (last_sync_status in ('success', 'error'))
);
create unique index sources_one_default on sources (is_default) where is_default;

-- +goose Down
drop table sources;
