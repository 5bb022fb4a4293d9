-- The schema of versions that have servers in place of entries, as the migrations 0001 to 0009 leave it; contents made up.
create table accounts (id integer primary key autoincrement not null, firstName varchar(255) not null, lastName varchar(255) not null,
    username varchar(255) not null, password varchar(255) not null, totpEnabled tinyint(1) default 0, role varchar(255) default 'user', totpSecret varchar(255));
insert into accounts values (1, 'Ada', 'Lovelace', 'ada', '$2b$10$canary', 0, 'admin', null);
create table organizations (id integer primary key autoincrement not null, name varchar(255) not null, description varchar(255), ownerId integer not null, createdAt datetime, updatedAt datetime);
insert into organizations values (1, 'Engines', null, 1, '2025-11-02T10:00:00.000Z', '2025-11-02T10:00:00.000Z');
create table organization_members (organizationId integer not null, accountId integer not null, role text not null, status text not null, invitedBy integer not null, createdAt datetime, updatedAt datetime);
create table folders (id integer primary key autoincrement not null, name varchar(255) not null, accountId integer, parentId integer, organizationId integer, position integer not null default 0);
insert into folders values (1, 'prod', 1, null, null, 0), (2, 'team', null, null, 1, 0);
create table identities (id integer primary key autoincrement not null, name varchar(255) not null, accountId integer, username varchar(255), type varchar(255) not null,
    password varchar(255), sshKey text, passphrase varchar(255), organizationId integer, passwordIV varchar(255), passwordAuthTag varchar(255),
    sshKeyIV varchar(255), sshKeyAuthTag varchar(255), passphraseIV varchar(255), passphraseAuthTag varchar(255));
insert into identities values (1, 'old login', 1, 'root', 'both', '409962dcc4abd62bf4df', '3b394b37cc0f72e2d54878bb52b7f130ab4d260c6c11b5826610ffd969b61b747b803ad984953fd5435bc9c9a1245b', null, null, 'a96aa7fd74deb5b2b887fc8da442b72f', 'f134336beba5be21cd70316e8680525c', 'e8ef3f8c7f953b25695ce2c5d0a1b970', 'fba471a2c1cfbb1fe0601e20cba073d2', null, null);
create table servers (id integer primary key autoincrement not null, name varchar(255) not null, accountId integer, folderId integer not null, icon varchar(255),
    protocol varchar(255) not null, ip varchar(255) not null, port integer not null, identities json default '[]', organizationId integer,
    position integer not null default 0, monitoringEnabled tinyint(1) not null default 0, config json);
insert into servers values (1, 'web', 1, 1, 'server', 'ssh', 'web.example.com', 2222, '[1]', null, 0, 1, '{"keyboardLayout":"de-de-qwertz"}'),
    (2, 'desktop', null, 2, 'windows', 'rdp', 'pc.example.com', 3389, '["1"]', 1, 0, 0, null);
create table pve_servers (id integer primary key autoincrement not null, name varchar(255) not null, ip varchar(255) not null);
insert into pve_servers values (1, 'pve', '10.0.0.1');
