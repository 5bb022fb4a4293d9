-- +goose Up
-- +goose StatementBegin
-- check_limits fails with SQLSTATE NX409 and the kind as its message when an owner has
-- more of a kind than it can have. Changes that add to the same owner's wait for each
-- other here, and each statement of a function sees what is committed when it begins.
--
-- Waiting costs more than counting: who waits for a commit is not written to the disk
-- together with it. Identities, which nothing else makes wait, are added one in each
-- change, and no more changes are under way than there are connections: as long as
-- there is room for one of each, they only keep out those that find less.
create function check_limits(owner bigint, kinds text[], most bigint[]) returns void
    language plpgsql
as
$$
declare
    key  bigint := hashtextextended('limits ' || owner, 0);
    size bigint;
begin
    if kinds = '{identities}' then
        begin
            perform pg_advisory_xact_lock_shared(key);
            select count(*) into size from identities where scope = owner;
            if size + current_setting('max_connections')::bigint <= most[1] then
                return;
            end if;
            raise exception using errcode = 'NX000';
        exception
            when sqlstate 'NX000' then -- the lock is given back with the block
        end;
    end if;
    perform pg_advisory_xact_lock(key);
    for i in 1 .. cardinality(kinds)
        loop
            case kinds[i]
                when 'entries' then select count(*) into size from entries where scope = owner;
                when 'configBytes' then select sum(config_size) into size from entries where scope = owner;
                when 'folders' then select count(*) into size from folders where scope = owner;
                when 'identities' then select count(*) into size from identities where scope = owner;
                when 'scripts' then select count(*) into size from scripts where scope = owner;
                when 'snippets' then select count(*) into size from snippets where scope = owner;
                when 'hostKeys' then select count(*) into size from host_keys where scope = owner;
                when 'organizations' then select count(*)
                                          into size
                                          from organization_members m
                                          where m.account_id = owner
                                            and m.role = 'owner';
                when 'deviceCodes' then select count(*)
                                        into size
                                        from device_codes c
                                        where c.created_by_account_id = owner
                                          and c.claimed_at is null
                                          and c.expires_at > now();
                end case;
            if size > most[i] then
                raise exception using errcode = 'NX409', message = kinds[i];
            end if;
        end loop;
end
$$;
-- +goose StatementEnd

-- +goose Down
drop function check_limits;
