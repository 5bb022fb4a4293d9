-- name: ListAPIKeys :many
select id, name, prefix, last_used_at, expires_at, created_at
from api_keys
where account_id = @account_id
order by created_at desc, id desc;

-- name: DeleteExpiredAPIKeys :exec
-- They are kept until they are used or the next one is made, so that their owner
-- sees why a program is going to stop.
delete
from api_keys
where account_id = @account_id
  and expires_at <= now();

-- name: CreateAPIKey :one
-- The account is locked, so that the count holds.
insert into api_keys (account_id, name, token_hash, prefix, expires_at)
select @account_id, @name, @token_hash, @prefix, sqlc.narg(expires_at)
where (select count(*) from api_keys k where k.account_id = @account_id) < @most::bigint
returning id, created_at;

-- name: DeleteAPIKey :one
delete
from api_keys
where id = @id
  and account_id = @account_id
returning name;
