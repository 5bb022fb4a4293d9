-- name: CountAttempt :one
-- Opens a window with the subject's first attempt, or counts on in the open one.
-- No row: the window is used up. Attempts beyond it do not count, since nobody
-- hands them back.
insert into rate_limits as r (limiter, subject, hits, window_ends_at)
values (@limiter, @subject, 1, now() + make_interval(secs => @window_seconds::integer))
on conflict (limiter, subject) do update
    set hits           = case when r.window_ends_at <= now() then 1 else r.hits + 1 end,
        window_ends_at = case when r.window_ends_at <= now() then excluded.window_ends_at else r.window_ends_at end
    where r.window_ends_at <= now() or r.hits < @most::integer
returning hits, ceil(extract(epoch from window_ends_at - now()))::integer as seconds_left;

-- name: GetWindow :one
-- No row: the window has closed.
select ceil(extract(epoch from window_ends_at - now()))::integer as seconds_left
from rate_limits
where limiter = @limiter
  and subject = @subject
  and window_ends_at > now();

-- name: ForgiveAttempt :exec
update rate_limits
set hits = hits - 1
where limiter = @limiter
  and subject = @subject
  and hits > 0
  and window_ends_at > now();

-- name: DeleteAttempts :exec
delete
from rate_limits
where limiter = @limiter
  and subject = @subject;
