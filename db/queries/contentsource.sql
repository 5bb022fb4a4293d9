-- name: ListSources :many
select id, name, url, enabled, is_default, last_sync_status, snippet_count, script_count, theme_count, created_at, updated_at
from sources
order by name, id;

-- name: GetSource :one
select id, name, url, enabled, is_default, last_sync_status, snippet_count, script_count, theme_count, created_at, updated_at
from sources
where id = @id;

-- name: CreateSource :one
insert into sources (name, url)
values (@name, @url)
returning id;

-- name: UpdateSource :one
update sources
set name       = coalesce(sqlc.narg(name), name),
    url        = coalesce(sqlc.narg(url), url),
    enabled    = coalesce(sqlc.narg(enabled), enabled),
    updated_at = now()
where id = @id
returning name, enabled;

-- name: DeleteSource :execrows
delete
from sources
where id = @id
  and not is_default;

-- name: MoveDefaultSource :execrows
-- The default source follows the URL, unless another source has it: that one takes over then.
with replaced as (select exists (select from sources where url = @url) as other)
update sources
set url        = case when replaced.other then url else @url end,
    is_default = not replaced.other,
    updated_at = now()
from replaced
where is_default
  and url <> @url;

-- name: EnsureDefaultSource :execrows
insert into sources (name, url, is_default)
values (@name, @url, true)
on conflict on constraint sources_url_unique do update
    set is_default = true, updated_at = now()
where not sources.is_default;

-- name: ListEnabledSources :many
select id
from sources
where enabled
order by id;

-- name: LockSync :exec
-- Held until the connection ends: no two synchronizations of one source overlap.
select pg_advisory_lock(hashtextextended(@source::text, 0));

-- name: ListSourceFiles :many
-- every owner: what one source has delivered
select path::text as path, hash::text as hash, octet_length(content)::bigint as size
from scripts
where source_id = @source_id::bigint
union all
select path::text as path, hash::text as hash, octet_length(command)::bigint as size
from snippets
where source_id = @source_id::bigint;

-- name: MeasureSources :one
-- every owner: what all sources have delivered, in bytes
select (coalesce((select sum(octet_length(content)) from scripts where source_id is not null), 0)
    + coalesce((select sum(octet_length(command)) from snippets where source_id is not null), 0))::bigint as size;

-- name: LockSource :one
select url
from sources
where id = @id
for no key update;

-- name: StoreSourceScripts :exec
-- every owner: what one source delivers
insert into scripts (source_id, path, hash, name, content, description, os_filter)
select @source_id::bigint, unnest(@paths::text[]), unnest(@hashes::text[]), unnest(@names::text[]), unnest(@contents::text[]),
       nullif(unnest(@descriptions::text[]), ''), string_to_array(nullif(unnest(@os_filters::text[]), ''), ',')
on conflict on constraint scripts_path_unique do update
    set hash        = excluded.hash,
        name        = excluded.name,
        content     = excluded.content,
        description = excluded.description,
        os_filter   = excluded.os_filter;

-- name: StoreSourceSnippets :exec
-- every owner: what one source delivers
insert into snippets (source_id, path, hash, name, command, description, os_filter)
select @source_id::bigint, unnest(@paths::text[]), unnest(@hashes::text[]), unnest(@names::text[]), unnest(@contents::text[]),
       nullif(unnest(@descriptions::text[]), ''), string_to_array(nullif(unnest(@os_filters::text[]), ''), ',')
on conflict on constraint snippets_path_unique do update
    set hash        = excluded.hash,
        name        = excluded.name,
        command     = excluded.command,
        description = excluded.description,
        os_filter   = excluded.os_filter;

-- name: ArrangeSourceScripts :exec
-- every owner: what one source delivers
with listed as (
    select unnest(@paths::text[]) as path, generate_subscripts(@paths::text[], 1) - 1 as place
),
     gone as (
         delete from scripts g where g.source_id = @source_id::bigint and g.path <> all(@paths::text[])
     )
update scripts i
set sort_order = l.place
from listed l
where i.source_id = @source_id::bigint
  and i.path = l.path
  and i.sort_order <> l.place;

-- name: ArrangeSourceSnippets :exec
-- every owner: what one source delivers
with listed as (
    select unnest(@paths::text[]) as path, generate_subscripts(@paths::text[], 1) - 1 as place
),
     gone as (
         delete from snippets g where g.source_id = @source_id::bigint and g.path <> all(@paths::text[])
     )
update snippets i
set sort_order = l.place
from listed l
where i.source_id = @source_id::bigint
  and i.path = l.path
  and i.sort_order <> l.place;

-- name: FinishSync :exec
-- every owner: counts what one source delivers
update sources
set last_sync_status = 'success',
    script_count     = (select count(*) from scripts i where i.source_id = sources.id),
    snippet_count    = (select count(*) from snippets i where i.source_id = sources.id),
    theme_count      = @theme_count,
    updated_at       = now()
where sources.id = @id;

-- name: FailSync :exec
update sources
set last_sync_status = 'error',
    updated_at       = now()
where id = @id
  and url = @url;
