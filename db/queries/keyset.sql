-- name: CreateKeyset :exec
with created as (
    insert into encryption_keysets (fingerprint, keyset)
    select @fingerprint::text, @keyset::bytea
    where not exists (select from encryption_keysets)
    on conflict do nothing
    returning id)
insert
into data_keys (id)
select @key_id::bigint
from created;

-- name: IsAnythingSealed :one
-- Sign-ins that have begun do not count: they are over soon.
-- every owner: whether there is any
select exists (select from sealed_secrets where place <> 'oidc_logins')::boolean as sealed;

-- name: ListKeysets :many
-- The newest first.
select fingerprint, keyset, revision
from encryption_keysets
order by revision desc;

-- name: CreateSuccessorKeyset :one
-- The same data keys, sealed by another master key.
insert into encryption_keysets (id, fingerprint, keyset)
select 3 - k.id, @fingerprint::text, @keyset::bytea
from encryption_keysets k
where k.revision = @revision
returning revision;

-- name: UpdateKeyset :one
-- No row: somebody else has changed it meanwhile.
update encryption_keysets
set keyset = @keyset, revision = nextval('keyset_revisions')
where revision = @revision
returning revision;

-- name: DeleteOtherKeysets :execrows
delete
from encryption_keysets
where fingerprint <> @fingerprint;

-- name: CreateDataKey :exec
insert into data_keys (id)
values (@id);

-- name: DeleteOtherDataKeys :exec
-- Refused by the database while anything is sealed with one of them.
delete
from data_keys
where id <> @id;

-- name: NotifyKeys :exec
select pg_notify('nexterm_keys', '');

-- name: BeginRotation :one
-- For the session.
select pg_try_advisory_lock(hashtextextended('nexterm.key_rotation', 0)) as begun;

-- name: EndRotation :exec
select pg_advisory_unlock(hashtextextended('nexterm.key_rotation', 0));

-- name: HoldRevision :exec
-- For the session: says which keyset a server works with.
select pg_advisory_lock_shared(hashtext('nexterm.keyset'), @revision::integer);

-- name: ReleaseRevision :exec
select pg_advisory_unlock_shared(hashtext('nexterm.keyset'), @revision::integer);

-- name: ListKeysetReaders :many
select r.revision::bigint as revision, r.servers::bigint as servers
from keyset_readers() r
order by r.revision;

-- name: ListSealedSecrets :many
-- What another key than this one has sealed, but for what is to be skipped.
-- every owner: all are sealed anew
select place::text as place, id, kind::text as kind, bound::text[] as bound, ciphertext
from sealed_secrets
where key_id = any(array(select k.id from data_keys k where k.id <> @key_id))
  and place || ' ' || id || ' ' || kind <> all(@skip::text[])
limit @most::integer;

-- name: ResealSecrets :exec
-- Secrets that somebody has replaced meanwhile stay as they are, and whose row
-- somebody is changing just now wait for another time: whoever changes several
-- rows in an order of his own is not waited for.
-- every owner: all are sealed anew
with given as (
    select unnest(@places::text[]) as place, unnest(@ids::bigint[]) as id, unnest(@kinds::text[]) as kind,
           unnest(@befores::bytea[]) as before, unnest(@ciphertexts::bytea[]) as ciphertext),
     held_credentials as materialized (
    select c.identity_id, c.kind, g.ciphertext
    from credentials c
             join given g on g.place = 'credentials' and g.id = c.identity_id and g.kind = c.kind and g.before = c.ciphertext
    for no key update of c skip locked),
     held_totp as materialized (
    select s.account_id, s.kind, g.ciphertext
    from totp_secrets s
             join given g on g.place = 'totp_secrets' and g.id = s.account_id and g.kind = s.kind and g.before = s.ciphertext
    for no key update of s skip locked),
     held_providers as materialized (
    select p.id, g.ciphertext
    from auth_providers p
             join given g on g.place = 'auth_providers' and g.id = p.id and g.before = p.client_secret
    for no key update of p skip locked),
     held_logins as materialized (
    select l.state_hash, g.ciphertext
    from oidc_logins l
             join given g on g.place = 'oidc_logins' and l.state_hash = decode(g.kind, 'hex') and g.before = l.code_verifier
    for no key update of l skip locked),
     held_connections as materialized (
    select c.id, g.ciphertext
    from connections c
             join given g on g.place = 'connections' and g.id = c.number and g.before = c.share_key
    for no key update of c skip locked),
     held_chunks as materialized (
    select r.audit_log_id, r.seq, g.ciphertext
    from recording_chunks r
             join given g on g.place = 'recording_chunks' and g.id = r.audit_log_id and g.kind = r.seq::text and g.before = r.data
    for no key update of r skip locked),
     sealed_credentials as (
    update credentials c
    set key_id = @key_id, ciphertext = h.ciphertext
    from held_credentials h
    where c.identity_id = h.identity_id and c.kind = h.kind),
     sealed_totp as (
    update totp_secrets s
    set key_id = @key_id, ciphertext = h.ciphertext
    from held_totp h
    where s.account_id = h.account_id and s.kind = h.kind),
     sealed_providers as (
    update auth_providers p
    set key_id = @key_id, client_secret = h.ciphertext
    from held_providers h
    where p.id = h.id),
     sealed_connections as (
    update connections c
    set key_id = @key_id, share_key = h.ciphertext
    from held_connections h
    where c.id = h.id),
     sealed_chunks as (
    update recording_chunks r
    set key_id = @key_id, data = h.ciphertext
    from held_chunks h
    where r.audit_log_id = h.audit_log_id and r.seq = h.seq)
update oidc_logins l
set key_id = @key_id, code_verifier = h.ciphertext
from held_logins h
where l.state_hash = h.state_hash;

-- name: CountSealedSecrets :many
-- Data keys that nothing is sealed with have a row, too.
-- every owner: all are counted
select k.id as key_id, k.created_at, coalesce(s.place, '')::text as place, count(s.place) as secrets
from data_keys k
         left join sealed_secrets s on s.key_id = k.id
group by k.id, k.created_at, s.place
order by k.created_at, k.id, s.place;
