-- +goose Up
-- Every place where something sealed lies, with what each secret is sealed for:
-- table, id, kind, and what else it is bound to. ResealSecrets writes them all.
create view sealed_secrets as
select 'credentials' as place, identity_id as id, kind, '{}'::text[] as bound, key_id, ciphertext
from credentials
union all
select 'totp_secrets', account_id, kind, '{}'::text[], key_id, ciphertext
from totp_secrets
union all
select 'auth_providers', id, 'client-secret', array[issuer, client_id], key_id, client_secret
from auth_providers
where client_secret is not null
union all
select 'oidc_logins', provider_id, encode(state_hash, 'hex'), '{}'::text[], key_id, code_verifier
from oidc_logins
union all
select 'connections', number, 'share-key', '{}'::text[], key_id, share_key
from connections
where share_key is not null
union all
select 'recording_chunks', audit_log_id, seq::text, '{}'::text[], key_id, data
from recording_chunks;

-- How many servers work with each revision of the keyset: each holds a lock that is
-- called like it.
-- +goose StatementBegin
create function keyset_readers() returns table (revision bigint, servers bigint)
    language sql stable as
$$
select objid::bigint, count(*)
from pg_locks
where locktype = 'advisory'
  and database = (select oid from pg_database where datname = current_database())
  and classid::bigint = hashtext('nexterm.keyset')::bigint & 4294967295
  and objsubid = 2
group by objid
$$;
-- +goose StatementEnd

-- +goose Down
drop function keyset_readers;
drop view sealed_secrets;
