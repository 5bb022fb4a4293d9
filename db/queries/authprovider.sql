-- name: ListProviders :many
select id, name, issuer, is_internal, enabled, allow_registration, client_id, redirect_uri, scope, username_attribute,
       first_name_attribute, last_name_attribute, (client_secret is not null)::boolean as has_secret
from auth_providers
order by is_internal desc, id;

-- name: GetOidcProvider :one
select id, name, issuer, is_internal, enabled, allow_registration, client_id, redirect_uri, scope, username_attribute,
       first_name_attribute, last_name_attribute, (client_secret is not null)::boolean as has_secret
from auth_providers
where id = @id;

-- name: CreateOidcProvider :one
insert into auth_providers (name, issuer, client_id, redirect_uri, scope, enabled, username_attribute, first_name_attribute, last_name_attribute)
values (@name, @issuer, @client_id, @redirect_uri, @scope, @enabled, @username_attribute, @first_name_attribute,
        @last_name_attribute)
returning id;

-- name: LockProviders :exec
-- Serialises changes, so that one provider stays enabled. Taken first in a transaction.
select pg_advisory_xact_lock(hashtextextended('nexterm.auth_providers', 0));

-- name: UpdateOidcProvider :one
update auth_providers
set name                 = coalesce(sqlc.narg(name), name),
    issuer               = coalesce(sqlc.narg(issuer), issuer),
    client_id            = coalesce(sqlc.narg(client_id), client_id),
    redirect_uri         = coalesce(sqlc.narg(redirect_uri), redirect_uri),
    scope                = coalesce(sqlc.narg(scope), scope),
    enabled              = coalesce(sqlc.narg(enabled), enabled),
    allow_registration   = coalesce(sqlc.narg(allow_registration), allow_registration),
    username_attribute   = coalesce(sqlc.narg(username_attribute), username_attribute),
    first_name_attribute = coalesce(sqlc.narg(first_name_attribute), first_name_attribute),
    last_name_attribute  = coalesce(sqlc.narg(last_name_attribute), last_name_attribute),
    key_id               = case when @set_secret::boolean then sqlc.narg(key_id)::bigint else key_id end,
    client_secret        = case when @set_secret::boolean then sqlc.narg(client_secret)::bytea else client_secret end,
    revision             = revision + 1
where id = @id
returning id, name, issuer, is_internal, enabled, allow_registration, client_id, redirect_uri, scope, username_attribute,
    first_name_attribute, last_name_attribute, (client_secret is not null)::boolean as has_secret;

-- name: GetClientSecret :one
select client_secret
from auth_providers
where id = @id;

-- name: SetClientSecret :exec
-- A secret is sealed for the id of its provider, which has to be there before.
update auth_providers
set key_id        = @key_id::bigint,
    client_secret = @client_secret::bytea
where id = @id;

-- name: DeleteOidcProvider :exec
delete
from auth_providers
where id = @id;

-- name: IsAnyProviderEnabled :one
select exists (select from auth_providers where enabled) as enabled;

-- name: BeginOidcLogin :one
select id, issuer, client_id, redirect_uri, scope, revision
from auth_providers
where id = @id
  and enabled
  and not is_internal;

-- name: DeleteOldOidcLogins :exec
-- Those that have ended, and the oldest when there are too many.
delete
from oidc_logins
where expires_at <= greatest(now(), (select l.expires_at
                                     from oidc_logins l
                                     order by l.expires_at desc
                                     offset @most::bigint limit 1));

-- name: CreateOidcLogin :execrows
-- Only for the provider as it was read.
insert into oidc_logins (state_hash, provider_id, provider_revision, nonce_hash, key_id, code_verifier)
select @state_hash, p.id, p.revision, @nonce_hash, @key_id, @code_verifier
from auth_providers p
where p.id = @provider_id
  and p.revision = @provider_revision
    for key share;

-- name: FinishOidcLogin :one
-- Whatever becomes of the attempt, nobody else can use the state.
with taken as (
    delete from oidc_logins
    where state_hash = @state_hash
    returning provider_id, provider_revision, nonce_hash, code_verifier, expires_at
)
select p.id, p.issuer, p.client_id, p.client_secret, p.redirect_uri, p.username_attribute, p.first_name_attribute,
       p.last_name_attribute, t.nonce_hash, t.code_verifier,
       (t.expires_at > now())::boolean as open,
       (p.enabled and p.revision = t.provider_revision)::boolean as current
from taken t
         join auth_providers p on p.id = t.provider_id;

-- name: LockOidcSubject :exec
-- Serialises the sign-ins of one person, so that the first two create one account.
select pg_advisory_xact_lock(hashtextextended('nexterm.oidc ' || @issuer::text || ' ' || @subject::text, 0));

-- name: UpdateOidcAccount :one
-- No row: nobody has signed in as this subject before, or the account is gone.
update accounts a
set first_name = coalesce(sqlc.narg(first_name), a.first_name),
    last_name  = coalesce(sqlc.narg(last_name), a.last_name)
from oidc_accounts l
where l.issuer = @issuer
  and l.subject = @subject
  and a.id = l.account_id
returning a.id;

-- name: CreateOidcAccount :exec
insert into oidc_accounts (issuer, subject, account_id)
values (@issuer, @subject, @account_id);
