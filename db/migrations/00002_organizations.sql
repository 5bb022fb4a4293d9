-- +goose Up
create table organizations (
    id               bigint generated always as identity primary key,
    name             text        not null,
    description      text,
    audit_settings   jsonb       not null default '{}',
    session_settings jsonb       not null default '{}',
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    constraint organizations_name_length check (char_length(name) between 1 and 100),
    constraint organizations_description_length check (char_length(description) between 1 and 500),
    constraint organizations_audit_settings_object check (jsonb_typeof(audit_settings) = 'object'),
    constraint organizations_session_settings_object check (jsonb_typeof(session_settings) = 'object')
);

create table organization_members (
    organization_id bigint      not null,
    account_id      bigint      not null,
    role            text        not null default 'member',
    status          text        not null default 'pending',
    -- The inviter's account may be gone, hence no foreign key.
    invited_by      bigint      not null,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    constraint organization_members_unique primary key (organization_id, account_id),
    constraint organization_members_organization_exists foreign key (organization_id) references organizations (id) on delete cascade,
    constraint organization_members_account_exists foreign key (account_id) references accounts (id) on delete cascade,
    constraint organization_members_role_known check (role in ('owner', 'member')),
    constraint organization_members_status_known check (status in ('pending', 'active')),
    constraint organization_members_owner_active check (role <> 'owner' or status = 'active')
);
create unique index organization_members_one_owner on organization_members (organization_id) where role = 'owner';
create index organization_members_by_account on organization_members (account_id, organization_id);

-- Overrides end with the membership that they belong to.
create table organization_member_permissions (
    organization_id bigint not null,
    account_id      bigint not null,
    permission      text   not null,
    value           text   not null,
    primary key (organization_id, account_id, permission),
    constraint organization_member_permissions_member_exists foreign key (organization_id, account_id)
        references organization_members (organization_id, account_id) on delete cascade,
    constraint organization_member_permissions_value_known check (value in ('allow', 'deny'))
);
create index organization_member_permissions_by_account on organization_member_permissions (account_id);

-- Who an account is and what it reaches: read once for each request. The three
-- columns of overrides belong together, place by place; arrays cost a tenth of
-- what JSON does where an account has many.
-- +goose StatementBegin
create view callers as
select a.id                                                                               as account_id,
       exists (select from administrators d where d.account_id = a.id)                    as is_admin,
       array(select p.permission from effective_permissions p where p.account_id = a.id)  as permissions,
       memberships.organization_ids,
       memberships.owned_organization_ids,
       overrides.organization_ids                                                         as override_organization_ids,
       overrides.permissions                                                              as override_permissions,
       overrides.allows                                                                   as override_allows
from accounts a
         cross join lateral (
    select coalesce(array_agg(m.organization_id order by m.organization_id) filter (where m.status = 'active'), '{}') as organization_ids,
           coalesce(array_agg(m.organization_id) filter (where m.role = 'owner'), '{}')                               as owned_organization_ids
    from organization_members m
    where m.account_id = a.id) as memberships
         cross join lateral (
    select coalesce(array_agg(o.organization_id), '{}')   as organization_ids,
           coalesce(array_agg(o.permission), '{}')        as permissions,
           coalesce(array_agg(o.value = 'allow'), '{}')   as allows
    from organization_member_permissions o
    where o.account_id = a.id) as overrides;
-- +goose StatementEnd

-- +goose Down
drop view callers;
drop table organization_member_permissions;
drop table organization_members;
drop table organizations;
