-- name: CreateKeyset :exec
insert into encryption_keysets (fingerprint, keyset)
values (@fingerprint, @keyset)
on conflict on constraint encryption_keysets_pkey do nothing;

-- name: GetKeyset :one
select fingerprint, keyset
from encryption_keysets;
