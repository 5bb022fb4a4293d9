-- +goose Up
create table tags (
    id         bigint generated always as identity primary key,
    account_id bigint      not null,
    name       text        not null,
    color      text        not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint tags_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint tags_name_unique unique (account_id, name),
    constraint tags_name_length check (char_length(name) between 1 and 255),
    constraint tags_color_hex check (color ~ '^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})$')
);

create table entry_tags (
    entry_id   bigint      not null,
    tag_id     bigint      not null,
    created_at timestamptz not null default now(),
    constraint entry_tags_once primary key (entry_id, tag_id),
    constraint entry_tags_entry_exists foreign key (entry_id) references entries (id) on delete cascade,
    constraint entry_tags_tag_exists foreign key (tag_id) references tags (id) on delete cascade
);
create index entry_tags_by_tag on entry_tags (tag_id) include (entry_id);

-- +goose Down
drop table entry_tags;
drop table tags;
