-- name: GetFirstTimeSetup :one
select not exists (select from accounts) as pending;

-- name: GetDatabaseSize :one
select pg_database_size(current_database());
