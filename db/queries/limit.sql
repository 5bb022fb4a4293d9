-- name: MeasureOwner :many
-- every owner: how much of each kind an owner has, for a change that has added to it
select k.kind::text as kind,
       (case k.kind
            when 'entries' then (select count(*) from entries where scope = @scope::bigint)
            when 'configBytes' then (select coalesce(sum(config_size), 0) from entries where scope = @scope::bigint)
            when 'folders' then (select count(*) from folders where scope = @scope::bigint)
            when 'identities' then (select count(*) from identities where scope = @scope::bigint)
            when 'scripts' then (select count(*) from scripts where scope = @scope::bigint)
            when 'snippets' then (select count(*) from snippets where scope = @scope::bigint)
            when 'organizations'
                then (select count(*) from organization_members where account_id = @scope::bigint and role = 'owner')
            when 'deviceCodes'
                then (select count(*)
                      from device_codes
                      where created_by_account_id = @scope::bigint and claimed_at is null and expires_at > now())
           end)::bigint as size
from unnest(@kinds::text[]) as k (kind);
