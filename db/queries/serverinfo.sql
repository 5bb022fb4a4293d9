-- name: GetFirstTimeSetup :one
select not exists (select from accounts) as pending;
