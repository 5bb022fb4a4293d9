-- name: ListTags :many
select id, account_id, name, color, created_at, updated_at
from tags
where account_id = @account_id
order by name collate "C";

-- name: CreateTag :one
-- No row: the account has as many tags as it may. Two at once may not count the
-- same: the account's order is locked before.
insert into tags (account_id, name, color)
select @account_id, @name, @color
where (select count(*) from tags where account_id = @account_id) < @most::integer
returning id;

-- name: UpdateTag :one
update tags
set name       = coalesce(sqlc.narg(name), name),
    color      = coalesce(sqlc.narg(color), color),
    updated_at = now()
where id = @id
  and account_id = @account_id
returning name;

-- name: DeleteTag :one
delete
from tags
where id = @id
  and account_id = @account_id
returning name;

-- name: HasTag :one
select exists (select from tags where id = @id and account_id = @account_id) as found;

-- name: GetTaggable :one
-- An entry that the caller may see or manage.
select scope
from entries
where id = @id
  and (scope = any(@reach::bigint[]) or @manages_all::boolean and scope < 0);

-- name: AssignTag :execrows
-- The entry is locked, so that a move to where the caller cannot read it comes
-- before or takes the tag away.
insert into entry_tags (entry_id, tag_id)
select e.id, @tag_id
from entries e
where e.id = @entry_id
  and (e.scope = any(@reach::bigint[]) or @manages_all::boolean and e.scope < 0)
for share;

-- name: UnassignTag :execrows
delete
from entry_tags
where entry_id = @entry_id
  and tag_id = @tag_id;

-- name: ListEntryTags :many
select t.id, t.account_id, t.name, t.color, t.created_at, t.updated_at
from entry_tags a
         join tags t on t.id = a.tag_id
where a.entry_id = @entry_id
  and t.account_id = @account_id
order by t.name collate "C";
