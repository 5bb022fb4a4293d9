-- name: CheckLimits :exec
select check_limits(@owner, @kinds::text[], @most::bigint[]);
