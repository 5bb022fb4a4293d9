-- name: ListScripts :many
-- A page: those after one, in order, of which all but the last are no longer than so
-- many bytes together.
with next as (select i.id, i.sort_order, octet_length(i.content) + coalesce(octet_length(i.description), 0) as size
          from scripts i
          where i.scope = any(@reach::bigint[])
            and (sqlc.narg(search)::text is null
              or strpos(lower(i.name), lower(sqlc.narg(search)::text)) > 0
              or strpos(lower(i.description), lower(sqlc.narg(search)::text)) > 0)
            and (i.sort_order, i.id) > (@after_order::integer, @after_id::bigint)
          order by i.sort_order, i.id
          limit @most::bigint),
     summed as (select id, sum(size) over (order by sort_order, id) - size as before from next)
select i.id, i.name, i.content, i.description, i.os_filter, i.organization_id, coalesce(i.account_id, i.creator_id) as account_id, i.source_id, i.sort_order
from summed
         join scripts i on i.id = summed.id
where summed.before < @most_bytes::bigint
order by i.sort_order, i.id;

-- name: ListSourceScripts :many
-- every owner: what an enabled source delivers is for every account. As above.
with next as (select i.id, i.sort_order, octet_length(i.content) + coalesce(octet_length(i.description), 0) as size
          from scripts i
                   join sources s on s.id = i.source_id and s.enabled
          where (i.sort_order, i.id) > (@after_order::integer, @after_id::bigint)
          order by i.sort_order, i.id
          limit @most::bigint),
     summed as (select id, sum(size) over (order by sort_order, id) - size as before from next)
select i.id, i.name, i.content, i.description, i.os_filter, i.organization_id, i.account_id, i.source_id, i.sort_order
from summed
         join scripts i on i.id = summed.id
where summed.before < @most_bytes::bigint
order by i.sort_order, i.id;

-- name: GetScript :one
select i.id, i.name, i.content, i.description, i.os_filter, i.organization_id, coalesce(i.account_id, i.creator_id) as account_id, i.source_id, i.sort_order
from scripts i
where i.id = @id
  and (scope = any(@reach::bigint[])
    or (@sources::boolean and exists (select from sources s where s.id = i.source_id and s.enabled)));

-- name: CreateScript :one
-- every owner: a new row; the caller's right to its scope is checked before
insert into scripts (account_id, organization_id, creator_id, name, content, description, os_filter, sort_order)
select nullif(greatest(@scope::bigint, 0), 0), nullif(greatest(0 - @scope::bigint, 0), 0), sqlc.narg(creator_id)::bigint,
       @name, @content, nullif(sqlc.narg(description)::text, ''), sqlc.narg(os_filter)::text[],
       coalesce(max(i.sort_order) + 1, 0)
from scripts i
where i.scope = @scope::bigint
returning id;

-- name: UpdateScript :one
update scripts
set name        = coalesce(sqlc.narg(name), name),
    content     = coalesce(sqlc.narg(content), content),
    description = case when @set_description::boolean then nullif(sqlc.narg(description)::text, '') else description end,
    os_filter   = case when @set_os_filter::boolean then sqlc.narg(os_filter)::text[] else os_filter end
where id = @id
  and scope = any(@reach::bigint[])
returning name;

-- name: DeleteScript :execrows
delete
from scripts
where id = @id
  and scope = any(@reach::bigint[]);

-- name: RepositionScript :one
-- The moved row leaves its place and gets the target's; half places keep it apart from its neighbours.
with ordered as (
    select id, row_number() over (order by sort_order, id) as place
    from scripts
    where scope = any(@reach::bigint[])
),
     landing as (
         select m.id,
                t.place + case
                              when @placement::text = 'before' then -0.5
                              when @placement::text = 'after' or t.place > m.place then 0.5
                              else -0.5 end as place
         from ordered m,
              ordered t
         where m.id = @id::bigint
           and t.id = @target_id::bigint
     ),
     numbered as (
         select o.id, row_number() over (order by coalesce(l.place, o.place)) - 1 as sort_order
         from ordered o
                  left join landing l on l.id = o.id
         where exists (select from landing)
     ),
     changed as (
         update scripts i set sort_order = n.sort_order
         from numbered n
         where i.id = n.id and i.sort_order <> n.sort_order
     )
select coalesce(bool_or(o.id = @id::bigint), false)::boolean        as moved_found,
       coalesce(bool_or(o.id = @target_id::bigint), false)::boolean as target_found
from ordered o;
