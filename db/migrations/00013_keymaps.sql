-- +goose Up
-- What keys can do, with the keys that do it for those who have chosen no others.
create table keymap_actions (
    name        text     primary key,
    position    smallint not null,
    default_key text     not null,
    constraint keymap_actions_position_unique unique (position),
    constraint keymap_actions_default_key_unique unique (default_key)
);
insert into keymap_actions (name, position, default_key)
values ('search', 1, 'ctrl+s'),
       ('quick-action', 2, 'ctrl+p'),
       ('ai-menu', 3, 'ctrl+k'),
       ('ai-accept-tool', 4, 'ctrl+enter'),
       ('ai-command', 5, 'ctrl+shift+g'),
       ('snippets', 6, 'ctrl+shift+s'),
       ('keyboard-shortcuts', 7, 'ctrl+shift+k'),
       ('broadcast', 8, 'ctrl+b'),
       ('copy', 9, 'ctrl+shift+c'),
       ('fullscreen', 10, 'f11'),
       ('paste-identity-password', 11, 'ctrl+shift+p');

create table keymaps (
    id         bigint generated always as identity primary key,
    account_id bigint      not null,
    action     text        not null,
    key        text        not null,
    enabled    boolean     not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint keymaps_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint keymaps_action_exists foreign key (action) references keymap_actions (name) on delete cascade,
    constraint keymaps_action_unique unique (account_id, action),
    constraint keymaps_key_length check (char_length(key) between 1 and 50)
);
-- One key cannot do two things.
create unique index keymaps_key_unique on keymaps (account_id, key) where enabled;

-- +goose Down
drop table keymaps;
drop table keymap_actions;
