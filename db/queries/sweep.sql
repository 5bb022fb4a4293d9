-- name: DeleteClosedWindows :exec
delete
from rate_limits
where window_ends_at <= now();

-- name: DeleteExpiredChallenges :exec
delete
from passkey_challenges
where expires_at <= now();

-- name: DeleteOldDeviceCodes :exec
-- Codes are kept for a while after their end, so that what became of them can
-- be told.
delete
from device_codes
where expires_at <= now() - interval '10 minutes';

-- name: DeleteExpiredOidcLogins :exec
delete
from oidc_logins
where expires_at <= now();

-- name: SumAccountCounts :exec
-- Whoever sweeps at the same time finds nothing left to add up.
with counted as (
    delete
        from account_counts
            where (select count(*) from account_counts) > 1
            returning change)
insert
into account_counts
select sum(change)
from counted
having count(*) > 0;
