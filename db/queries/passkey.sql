-- name: DeleteOldChallenges :exec
-- Those that have ended, and the oldest when there are too many.
delete
from passkey_challenges
where expires_at <= greatest(now(), (select c.expires_at
                                     from passkey_challenges c
                                     order by c.expires_at desc
                                     offset @most::bigint limit 1));

-- name: CreateChallenge :exec
insert into passkey_challenges (challenge, kind, account_id, origin, rp_id)
values (@challenge, @kind, sqlc.narg(account_id), @origin, @rp_id);

-- name: TakeChallenge :one
-- Whatever becomes of the attempt, nobody else can use the challenge.
delete
from passkey_challenges
where challenge = @challenge
returning kind, account_id, origin, rp_id, (expires_at > now())::boolean as open;

-- name: BeginPasskeyLogin :many
select p.credential_id, p.transports, p.account_id
from passkeys p
         join accounts a on a.id = p.account_id
where coalesce(a.folded_username, a.username) = @folded_username::text
  and p.rp_id = @rp_id
order by p.created_at desc, p.id desc;

-- name: GetPasskey :one
select id, account_id, credential_id, public_key, sign_count, backup_eligible, backed_up
from passkeys
where credential_id = @credential_id
  and rp_id = @rp_id;

-- name: FinishPasskeyLogin :execrows
-- The counter has to grow, unless the authenticator keeps none, also when two
-- servers see the same answer.
update passkeys
set sign_count = @sign_count,
    backed_up  = @backed_up
where id = @id
  and (sign_count < @sign_count or sign_count = 0 and @sign_count = 0);

-- name: BeginPasskeyRegistration :one
select username, first_name, last_name
from accounts
where id = @account_id;

-- name: ListPasskeyDescriptors :many
select credential_id, transports
from passkeys
where account_id = @account_id
order by created_at desc, id desc;

-- name: FinishPasskeyRegistration :one
-- The account is locked, so that the count holds. No row: there are too many.
insert into passkeys (account_id, credential_id, public_key, sign_count, backup_eligible, backed_up, transports, name, rp_id)
select @account_id, @credential_id, @public_key, @sign_count, @backup_eligible, @backed_up, @transports, @name, @rp_id
where (select count(*) from passkeys p where p.account_id = @account_id) < @most::bigint
returning id;

-- name: ListPasskeys :many
select id, name, created_at
from passkeys
where account_id = @account_id
order by created_at desc, id desc;

-- name: UpdatePasskey :execrows
update passkeys
set name = @name
where id = @id
  and account_id = @account_id;

-- name: DeletePasskey :one
delete
from passkeys
where id = @id
  and account_id = @account_id
returning name;
