-- +goose Up
-- +goose StatementBegin
-- check_limits fails with SQLSTATE NX409 and the kind as its message when an owner has
-- more of a kind than it can have. Changes that add to the same owner's wait for each
-- other here, and each statement of a function sees what is committed when it begins.
create function check_limits(owner bigint, kinds text[], most bigint[]) returns void
    language plpgsql
as
$$
declare
    size bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended('limits ' || owner, 0));
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
