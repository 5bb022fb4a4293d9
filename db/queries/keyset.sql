-- name: CreateKeyset :exec
insert into encryption_keysets (fingerprint, keyset)
values (@fingerprint, @keyset)
on conflict on constraint encryption_keysets_pkey do nothing;

-- name: IsAnythingSealed :one
-- Sign-ins that have begun do not count: they are over soon.
-- every owner: whether there is any
select (exists (select from credentials)
    or exists (select from totp_secrets)
    or exists (select from auth_providers where client_secret is not null))::boolean as sealed;

-- name: GetKeyset :one
select fingerprint, keyset
from encryption_keysets;
