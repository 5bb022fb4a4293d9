-- name: ListMembersAmong :many
-- every owner: whom a change concerns, among the accounts that are connected
select m.organization_id, m.account_id
from organization_members m
where m.organization_id = any(@organization_ids::bigint[])
  and m.account_id = any(@account_ids::bigint[])
  and m.status = 'active';
