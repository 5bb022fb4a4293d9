-- The schema of the newest version, as its migrations leave it; contents made up.
create table SequelizeMeta (name varchar(255) not null primary key);
insert into SequelizeMeta values ('0001-initial-database-setup.js'), ('0042-encrypt-totp-secret.js');
create table accounts (id integer primary key autoincrement not null, firstName varchar(255) not null, lastName varchar(255) not null,
    username varchar(255) not null, password varchar(255) not null, totpEnabled tinyint(1) default 0, totpSecret varchar(255),
    sessionSync varchar(255) default 'same_browser', preferences json, avatarHash varchar(255), totpSecretIV varchar(255), totpSecretAuthTag varchar(255));
insert into accounts values
    (1, 'Ada', 'Lovelace', 'ada', '$2b$10$canary', 1, '828f45dca3302088abb00bdbe4d208b5', 'same_browser', null, null, 'b03c50fd393051743c1bb981a1aec4f8', '2a88a74f517c4625960dc6a0f779aad2'),
    (2, 'Grace', 'Hopper', 'grace', '$2b$10$canary', 0, null, 'same_browser', '{"theme":"dark"}', null, null, null),
    (3, 'Linus', 'T', 'linus.t@example.com', '$2b$10$canary', 0, null, 'same_browser', null, null, null, null);
create table organizations (id integer primary key autoincrement not null, name varchar(255) not null, description varchar(255),
    createdAt datetime not null, updatedAt datetime not null, auditSettings json);
insert into organizations values (1, 'Engines', 'Analytical ones', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z', '{"requireConnectionReason":true}');
create table organization_members (organizationId integer not null, accountId integer not null, role text not null default 'member',
    status text not null default 'pending', invitedBy integer not null, createdAt datetime not null, updatedAt datetime not null,
    primary key (organizationId, accountId));
insert into organization_members values (1, 1, 'owner', 'active', 1, '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'), (1, 2, 'member', 'active', 1, '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'), (1, 3, 'member', 'pending', 1, '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z');
create table integrations (id integer primary key autoincrement not null, organizationId integer, type varchar(255) not null, name varchar(255) not null,
    config json, status varchar(255), lastSyncAt datetime, createdAt datetime not null, updatedAt datetime not null);
insert into integrations values (1, 1, 'proxmox', 'Cluster', '{"ip":"10.0.0.1"}', 'online', null, '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z');
create table folders (id integer primary key autoincrement not null, name varchar(255) not null, accountId integer, organizationId integer,
    parentId integer, position integer not null default 0, integrationId integer, type varchar(255), config json);
insert into folders values (1, 'EU', 1, null, 2, 0, null, null, null), (2, 'prod', 1, null, null, 0, null, null, null),
    (3, 'shared', null, 1, null, 0, null, null, null), (4, 'Cluster', null, 1, null, 0, 1, 'integration-root', '{"role":"integration-root"}'),
    (5, 'empty', 2, null, null, 0, null, null, null), (6, 'itself', 2, null, 6, 0, null, null, null);
create table identities (id integer primary key autoincrement not null, name varchar(255) not null, accountId integer, organizationId integer,
    username varchar(255), type varchar(255) not null, createdAt datetime, updatedAt datetime);
insert into identities values (1, 'root key', 1, null, 'root', 'ssh', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'), (2, 'database', 1, null, 'postgres', 'password', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'),
    (3, 'deploy', null, 1, 'deploy', 'both', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'), (4, 'vnc', 2, null, null, 'password-only', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'), (5, 'x', 2, null, 'spare', 'password', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z');
create table entries (id integer primary key autoincrement not null, organizationId integer, accountId integer, folderId integer, integrationId integer,
    type varchar(255) not null, renderer varchar(255), name varchar(255) not null, icon varchar(255), position integer not null default 0,
    status varchar(255), config json, createdAt datetime not null, updatedAt datetime not null);
insert into entries values
    (1, null, 1, 1, null, 'server', 'terminal', 'web', 'mdiServer', 0, 'online', '{"ip":"web.example.com","port":"2222","protocol":"ssh","jumpHosts":[2],"monitoringEnabled":true,"notes":"careful","engineId":3,"password":"canary"}', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'),
    (2, null, 1, 2, null, 'server', 'terminal', 'bastion', null, 0, null, '{"ip":"bastion.example.com","port":22,"protocol":"ssh","ForwardAgent":"yes"}', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'),
    (3, 1, null, 3, null, 'server', 'terminal', 'shared', null, 0, null, '{"ip":"shared.example.com","port":22,"protocol":"ssh"}', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'),
    (4, 1, null, 4, 1, 'pve-lxc', 'terminal', 'guest', null, 0, 'running', '{"nodeName":"pve","vmid":100}', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'),
    (5, null, 2, null, null, 'server', 'guac', 'screen', null, 0, null, '{"ip":"192.168.1.9","port":5900,"protocol":"vnc","colorDepth":"16","resizeMethod":null}', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'),
    (6, null, null, null, null, 'server', 'terminal', 'nobody', null, 0, null, '{"ip":"x","protocol":"ssh"}', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'),
    (7, null, 2, null, null, 'server', 'terminal', 'broken', null, 0, null, '{"ip":', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'),
    (8, null, null, 5, null, 'server', 'terminal', 'by folder', null, 0, null, '{"ip":"f.example.com","protocol":"ssh"}', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z');
create table entries_identities (id integer primary key autoincrement not null, entryId integer not null, identityId integer not null,
    isDefault tinyint(1) not null default 0, createdAt datetime not null);
insert into entries_identities values (1, 1, 1, 0, '2025-11-02T10:00:00.000Z'), (2, 1, 2, 1, '2025-11-02T10:00:00.000Z'), (3, 3, 3, 1, '2025-11-02T10:00:00.000Z'), (4, 3, 1, 0, '2025-11-02T10:00:00.000Z'), (5, 5, 4, 1, '2025-11-02T10:00:00.000Z');
create table credentials (id integer primary key autoincrement not null, identityId integer, integrationId integer, serverEntryId integer,
    type varchar(255) not null, secretEncrypted blob not null, secretIV varchar(255), secretAuthTag varchar(255), createdAt datetime not null, updatedAt datetime not null);
insert into credentials values
    (1, 1, null, null, 'ssh-key', 'b7b2c1a5f37e710f0c24b1f05399090c7b95ea48632aa34b6c65210e125c88389d7b9c547552408d23a486', '430ae7f534161ecbd745f141f4e4624a', 'd494ed5196edd94f3d4394ea3d82690b', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'),
    (2, 1, null, null, 'passphrase', x'2f33784f3f1bd2d09e99d902034c10c3e1', '7ab893804a6edaf69e83d785f25228ec', 'cab54b2bfe16c50821b55cf7a86cdfce', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'),
    (3, 2, null, null, 'password', x'6361386239333138636239613435346238326335653864363062623934326339', '798d1fcfa320d215bed4db31f04d0992', 'f1dbf638e839bc4153d81d08f8e46615', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'),
    (4, 3, null, null, 'password', '696fff6649885d3487bd7c625a', 'fa80331771f61fe3f22af2e12e34867e', '6e701990a7fb1671c61fee0bd8420299', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'),
    (5, 4, null, null, 'password', 'f8a46ede23124ba2fd14', '213bc34f0a8f6308b03bf138338c7bce', '6adf4d23af0cd2b2460060d3275c1b06', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'),
    (6, 5, null, null, 'password', '00', '00', '00', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z'),
    (7, null, 1, null, 'password', 'e31834f8dd3a0dae1b35', '54fdf277d19f868c93e37dec9c86bb82', 'de00c24f52ffdf4e05ee609f69ef29a0', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z');
create table scripts (id integer primary key autoincrement, name varchar(255) not null, accountId integer, description text, content text not null,
    organizationId integer, sourceId integer, sortOrder integer not null default 0, osFilter json);
insert into scripts values (1, 'Back up', 1, 'of /etc', '#!/bin/sh
tar czf etc.tgz /etc
', null, null, 1, '["Debian"]'), (2, 'Deploy', 1, null, '#!/bin/sh
make', 1, null, 2, null), (3, 'Foreign', null, null, 'ls', null, 1, 3, null);
create table snippets (id integer primary key autoincrement not null, name varchar(255) not null, accountId integer, command text not null, description text,
    organizationId integer, sourceId integer, sortOrder integer not null default 0, osFilter json);
insert into snippets values (1, 'Disks', 2, 'df -h', null, null, null, 1, null), (2, 'Disks', 2, 'df -i', 'inodes', null, null, 2, null);
create table tags (id integer primary key autoincrement not null, accountId integer not null, name varchar(255) not null, color varchar(255) not null, createdAt datetime, updatedAt datetime);
insert into tags values (1, 1, 'hot', '#ff0000', '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z');
create table audit_logs (id integer primary key autoincrement not null, accountId integer not null, action varchar(255) not null, timestamp text not null);
insert into audit_logs values (1, 1, 'entry.create', '2025-11-02T10:00:00.000Z'), (2, 1, 'entry.create', '2025-11-02T10:00:00.000Z');
create table sessions (id integer primary key autoincrement not null, accountId integer not null, token varchar(255), ip varchar(255) not null);
insert into sessions values (1, 1, 'canary', '127.0.0.1');
create table themes (id integer primary key autoincrement not null);
