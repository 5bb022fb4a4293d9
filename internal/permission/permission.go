// Package permission owns the names of the permissions, their order, their
// display texts and what an account may do at install. How groups and overrides
// resolve to a set is the database's view effective_permissions.
package permission

// Name identifies a permission, in answers and in the database.
type Name string

// Scope says where a permission can be granted.
type Scope uint8

const (
	// System permissions are granted to groups and accounts.
	System Scope = 1 << iota
	// Organization permissions are granted to members of one organization.
	Organization
)

// The permissions in the order in which every answer lists them.
const (
	UsersView              Name = "users.view"
	UsersManage            Name = "users.manage"
	UsersImpersonate       Name = "users.impersonate"
	PermissionsManage      Name = "permissions.manage"
	OrganizationsCreate    Name = "organizations.create"
	OrganizationsManageAll Name = "organizations.manage_all"
	AuditView              Name = "audit.view"
	SettingsAuthProviders  Name = "settings.auth_providers"
	SettingsSources        Name = "settings.sources"
	SettingsEngines        Name = "settings.engines"
	SettingsMonitoring     Name = "settings.monitoring"
	SettingsBackup         Name = "settings.backup"
	SettingsAI             Name = "settings.ai"
	ResourcesManage        Name = "resources.manage"
	IdentitiesManage       Name = "identities.manage"
	SnippetsManage         Name = "snippets.manage"
	ScriptsManage          Name = "scripts.manage"
	ScriptsExecute         Name = "scripts.execute"
	ConnectSSH             Name = "connect.ssh"
	ConnectRDP             Name = "connect.rdp"
	ConnectVNC             Name = "connect.vnc"
	ConnectProxmox         Name = "connect.proxmox"
	ConnectTunnel          Name = "connect.tunnel"
	FilesView              Name = "files.view"
	FilesUpload            Name = "files.upload"
	FilesDownload          Name = "files.download"
	FilesModify            Name = "files.modify"
	OrgManage              Name = "org.manage"
	OrgDelete              Name = "org.delete"
	OrgMembersManage       Name = "org.members.manage"
	OrgAuditView           Name = "org.audit.view"
	OrgAuditRecordings     Name = "org.audit.recordings"
	OrgSessionsView        Name = "org.sessions.view"
	OrgSessionsControl     Name = "org.sessions.control"
)

// Permission describes one permission for people.
type Permission struct {
	Name        Name
	Scopes      Scope
	Category    string
	Label       string
	Description string
	// Default permissions are granted to everybody at install.
	Default bool
	// Dangerous permissions deserve a warning before they are granted.
	Dangerous bool
}

// Category groups permissions for display. Icon is a Material Design icon name.
type Category struct {
	Key   string `json:"key"`
	Label string `json:"label"`
	Icon  string `json:"icon"`
}

// Categories in display order.
var Categories = []Category{
	{"users", "User Management", "mdiAccountGroup"},
	{"permissions", "Roles & Permissions", "mdiShieldKeyOutline"},
	{"organizations", "Organizations", "mdiDomain"},
	{"auditing", "Auditing", "mdiShieldCheckOutline"},
	{"settings", "Server Administration", "mdiCogOutline"},
	{"resources", "Resources", "mdiServerOutline"},
	{"connections", "Connections", "mdiConsoleNetworkOutline"},
	{"files", "File Transfer", "mdiFolderNetworkOutline"},
	{"general", "Organization", "mdiDomain"},
	{"members", "Members", "mdiAccountMultipleOutline"},
	{"audit", "Auditing", "mdiShieldCheckOutline"},
	{"sessions", "Live Sessions", "mdiMonitorShare"},
}

const both = System | Organization

// Registry lists every permission, in order.
var Registry = []Permission{
	{UsersView, System, "users", "View Users", "See the accounts of this server.", false, false},
	{UsersManage, System, "users", "Manage Users", "Create and delete accounts and set their passwords.", false, false},
	{UsersImpersonate, System, "users", "Impersonate Users", "Open a session as another account.", false, true},
	{PermissionsManage, System, "permissions", "Manage Roles & Permissions", "Change roles and who has them.", false, true},
	{OrganizationsCreate, System, "organizations", "Create Organizations", "Found organizations.", true, false},
	{OrganizationsManageAll, System, "organizations", "Manage All Organizations", "Act as an administrator of every organization.", false, true},
	{AuditView, System, "auditing", "Show Audit Log", "Read one's own audit log and those of organizations that allow it.", true, false},
	{SettingsAuthProviders, System, "settings", "Authentication Providers", "Configure how people sign in.", false, false},
	{SettingsSources, System, "settings", "App Sources", "Configure where scripts and snippets come from.", false, false},
	{SettingsEngines, System, "settings", "Engines", "Configure the engines that open connections.", false, false},
	{SettingsMonitoring, System, "settings", "Monitoring", "Change the global monitoring settings.", false, false},
	{SettingsBackup, System, "settings", "Backups", "Create and restore backups of the whole server.", false, true},
	{SettingsAI, System, "settings", "AI Settings", "Change and test the AI settings.", false, false},
	{ResourcesManage, both, "resources", "Manage Resources", "Change entries, folders, integrations and tags.", true, false},
	{IdentitiesManage, both, "resources", "Manage Identities", "Create, change, move and delete identities.", true, false},
	{SnippetsManage, both, "resources", "Manage Snippets", "Change snippets.", true, false},
	{ScriptsManage, both, "resources", "Manage Scripts", "Change scripts.", true, false},
	{ScriptsExecute, both, "resources", "Execute Scripts", "Run scripts on servers.", true, false},
	{ConnectSSH, both, "connections", "Connect via SSH / Telnet", "Open terminals.", true, false},
	{ConnectRDP, both, "connections", "Connect via RDP", "Open Windows desktops.", true, false},
	{ConnectVNC, both, "connections", "Connect via VNC", "Open VNC desktops.", true, false},
	{ConnectProxmox, both, "connections", "Connect to Proxmox", "Open Proxmox consoles.", true, false},
	{ConnectTunnel, both, "connections", "Port Forwarding", "Forward ports through servers.", true, false},
	{FilesView, both, "files", "Browse Files", "List and read files on servers.", true, false},
	{FilesUpload, both, "files", "Upload Files", "Send files to servers.", true, false},
	{FilesDownload, both, "files", "Download Files", "Fetch files from servers.", true, false},
	{FilesModify, both, "files", "Modify Files", "Create, rename, move and delete files and change their modes.", true, true},
	{OrgManage, Organization, "general", "Manage Organization", "Change the organization and its live-session settings.", false, false},
	{OrgDelete, Organization, "general", "Delete Organization", "Delete the organization and all that it owns.", false, true},
	{OrgMembersManage, Organization, "members", "Manage Members", "Invite and remove members and change their permissions.", false, false},
	{OrgAuditView, Organization, "audit", "View Audit Logs", "Read the organization's audit log and change what is audited, including switching auditing off.", false, false},
	{OrgAuditRecordings, Organization, "audit", "Play Session Recordings", "Download session recordings.", false, true},
	{OrgSessionsView, Organization, "sessions", "View Live Sessions", "List members' running sessions and join them read-only.", false, false},
	{OrgSessionsControl, Organization, "sessions", "Control Live Sessions", "Type into joined sessions.", false, true},
}
