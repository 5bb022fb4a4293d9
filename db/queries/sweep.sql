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
