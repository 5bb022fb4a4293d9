-- name: ListIdentities :many
select id, name, username, type, account_id, organization_id
from identities
where scope = any(@reach::bigint[])
  and (coalesce(organization_id, 0), id) > (@after_organization::bigint, @after_id::bigint)
order by organization_id nulls first, id
limit @most::bigint;

-- name: CreateIdentity :one
-- every owner: a new row; the caller's right to its owner is checked before
insert into identities (account_id, organization_id, name, username, type)
values (nullif(greatest(@scope::bigint, 0), 0), nullif(greatest(0 - @scope::bigint, 0), 0), @name, sqlc.narg(username), @type)
returning id;

-- name: LockIdentity :one
-- manages_all is set for callers who may manage all organizations.
select id, name, username, type, scope
from identities
where id = @id
  and (scope = any(@reach::bigint[]) or @manages_all::boolean and scope < 0)
for update;

-- name: UpdateIdentity :exec
update identities
set name            = @name,
    username        = case when @type::text = 'password-only' then null else coalesce(sqlc.narg(username), username) end,
    type            = @type,
    account_id      = nullif(greatest(@new_scope::bigint, 0), 0),
    organization_id = nullif(greatest(0 - @new_scope::bigint, 0), 0),
    updated_at      = now()
where id = @id
  and (scope = any(@reach::bigint[]) or @manages_all::boolean and scope < 0);

-- name: DeleteIdentity :exec
delete
from identities
where id = @id
  and (scope = any(@reach::bigint[]) or @manages_all::boolean and scope < 0);

-- name: UnlinkIdentity :exec
-- every owner: its organization's members lose an identity that leaves, on the
-- organization's entries; the next link of each entry becomes its default
delete
from entries_identities l
    using entries e
where l.identity_id = @identity_id
  and e.id = l.entry_id
  and e.organization_id = @organization_id::bigint;

-- name: SetCredentials :exec
insert into credentials (identity_id, kind, key_id, ciphertext)
select @identity_id, unnest(@kinds::text[]), @key_id, unnest(@ciphertexts::bytea[])
on conflict on constraint credentials_one_of_a_kind do update
    set key_id = excluded.key_id, ciphertext = excluded.ciphertext, updated_at = now();

-- name: DeleteCredentials :exec
delete
from credentials
where identity_id = @identity_id
  and kind = any(@kinds::text[]);

-- name: HasCredential :one
select exists (select from credentials where identity_id = @identity_id and kind = @kind) as stored;
