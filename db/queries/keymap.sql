-- name: ListKeymaps :many
select k.id, k.account_id, k.action, k.key, k.enabled, k.created_at, k.updated_at
from keymaps k
         join keymap_actions a on a.name = k.action
where k.account_id = @account_id
order by a.position;

-- name: AddMissingKeymaps :exec
-- One whose default key does something else already waits for another one.
insert into keymaps (account_id, action, key, enabled)
select @account_id, a.name, a.default_key,
       not exists (select from keymaps k where k.account_id = @account_id and k.key = a.default_key and k.enabled)
from keymap_actions a
order by a.position
on conflict do nothing;

-- name: HasMissingKeymaps :one
select exists (select
               from keymap_actions a
               where not exists (select from keymaps k where k.account_id = @account_id and k.action = a.name)) as missing;

-- name: UpdateKeymap :execrows
update keymaps
set key        = coalesce(sqlc.narg(key), key),
    enabled    = coalesce(sqlc.narg(enabled), enabled),
    updated_at = now()
where account_id = @account_id
  and action = @action;

-- name: GetKeymapDefault :one
select default_key
from keymap_actions
where name = @action;

-- name: GetKeymapRival :one
-- Another action that the key belongs to, which without one is the action's own.
select k.action
from keymaps k
where k.account_id = @account_id
  and k.action <> @action
  and k.enabled
  and k.key = coalesce(sqlc.narg(key), (select o.key from keymaps o where o.account_id = @account_id and o.action = @action));

-- name: DisableKeymaps :exec
-- Their keys are free until the end of the change.
update keymaps
set enabled = false
where account_id = @account_id;

-- name: ResetKeymaps :exec
update keymaps k
set key        = a.default_key,
    enabled    = true,
    updated_at = now()
from keymap_actions a
where k.account_id = @account_id
  and a.name = k.action;
