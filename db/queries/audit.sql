-- name: RecordAudit :exec
-- An organization may switch a category off; personal actions are always kept.
insert into audit_logs (account_id, organization_id, action, resource, resource_id, details, ip_address, user_agent)
select @account_id, sqlc.narg(organization_id)::bigint, @action, @resource, sqlc.narg(resource_id)::bigint,
       @details::jsonb, sqlc.narg(ip_address)::text, sqlc.narg(user_agent)::text
where not exists (select
                  from organizations o
                  where o.id = sqlc.narg(organization_id)::bigint
                    and o.audit_settings -> @switch::text = 'false');
