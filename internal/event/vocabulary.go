package event

import (
	"cmp"
	"strings"
)

// Action is what happened, such as identity.create. The part before the dot is
// its category.
type Action string

// The actions that are recorded.
const (
	EntryCreate                   Action = "entry.create"
	EntryUpdate                   Action = "entry.update"
	EntryDelete                   Action = "entry.delete"
	SSHConnect                    Action = "entry.ssh_connect"
	SFTPConnect                   Action = "entry.sftp_connect"
	PVEConnect                    Action = "entry.pve_connect"
	RDPConnect                    Action = "entry.rdp_connect"
	VNCConnect                    Action = "entry.vnc_connect"
	DemoConnect                   Action = "entry.demo_connect"
	FileCreate                    Action = "file.create"
	FileUpload                    Action = "file.upload"
	FileDownload                  Action = "file.download"
	FileDelete                    Action = "file.delete"
	FileRename                    Action = "file.rename"
	FileChmod                     Action = "file.chmod"
	FolderCreate                  Action = "folder.create"
	FolderDelete                  Action = "folder.delete"
	FolderDownload                Action = "folder.download"
	FolderMgmtCreate              Action = "folder_mgmt.create"
	FolderMgmtUpdate              Action = "folder_mgmt.update"
	FolderMgmtDelete              Action = "folder_mgmt.delete"
	IdentityCreate                Action = "identity.create"
	IdentityUpdate                Action = "identity.update"
	IdentityDelete                Action = "identity.delete"
	IdentityCredentialsAccess     Action = "identity.credentials_access"
	ScriptExecute                 Action = "script.execute"
	AICommand                     Action = "ai.command"
	AIFileWrite                   Action = "ai.file_write"
	AIFileDelete                  Action = "ai.file_delete"
	AIFileRename                  Action = "ai.file_rename"
	AIFileChmod                   Action = "ai.file_chmod"
	AIFolderCreate                Action = "ai.folder_create"
	OrganizationCreate            Action = "organization.create"
	OrganizationUpdate            Action = "organization.update"
	OrganizationDelete            Action = "organization.delete"
	OrganizationInvite            Action = "organization.invite"
	OrganizationAccept            Action = "organization.accept"
	OrganizationDecline           Action = "organization.decline"
	OrganizationLeave             Action = "organization.leave"
	OrganizationMemberRemove      Action = "organization.member_remove"
	OrganizationMemberPermissions Action = "organization.member_permissions"
	AccountCreate                 Action = "account.create"
	AccountUpdate                 Action = "account.update"
	AccountDelete                 Action = "account.delete"
	AccountPasswordChange         Action = "account.password_change"
	AccountPasswordReset          Action = "account.password_reset"
	AccountTOTPEnable             Action = "account.totp_enable"
	AccountTOTPDisable            Action = "account.totp_disable"
	AccountGroups                 Action = "account.groups"
	AccountPermissions            Action = "account.permissions"
	SessionCreate                 Action = "session.create"
	SessionRefuse                 Action = "session.refuse"
	SessionDelete                 Action = "session.delete"
	ImpersonationBegin            Action = "impersonation.begin"
	ImpersonationEnd              Action = "impersonation.end"
	DeviceAuthorize               Action = "device.authorize"
	PasskeyCreate                 Action = "passkey.create"
	PasskeyUpdate                 Action = "passkey.update"
	PasskeyDelete                 Action = "passkey.delete"
	APIKeyCreate                  Action = "api_key.create"
	APIKeyDelete                  Action = "api_key.delete"
	GroupCreate                   Action = "group.create"
	GroupUpdate                   Action = "group.update"
	GroupDelete                   Action = "group.delete"
	GroupPermissions              Action = "group.permissions"
	GroupMemberAdd                Action = "group.member_add"
	GroupMemberRemove             Action = "group.member_remove"
	AuthProviderCreate            Action = "auth_provider.create"
	AuthProviderUpdate            Action = "auth_provider.update"
	AuthProviderDelete            Action = "auth_provider.delete"
	SourceCreate                  Action = "source.create"
	SourceUpdate                  Action = "source.update"
	SourceDelete                  Action = "source.delete"
	SourceSyncFail                Action = "source.sync_fail"
	ScriptCreate                  Action = "script.create"
	ScriptUpdate                  Action = "script.update"
	ScriptDelete                  Action = "script.delete"
	SnippetCreate                 Action = "snippet.create"
	SnippetUpdate                 Action = "snippet.update"
	SnippetDelete                 Action = "snippet.delete"
	TagCreate                     Action = "tag.create"
	TagUpdate                     Action = "tag.update"
	TagDelete                     Action = "tag.delete"
	TagAssign                     Action = "tag.assign"
	TagUnassign                   Action = "tag.unassign"
	MonitoringSettingsUpdate      Action = "monitoring.settings_update"
	KeyCreate                     Action = "key.create"
	KeyDelete                     Action = "key.delete"
	BackupCreate                  Action = "backup.create"
	BackupRestore                 Action = "backup.restore"
)

// Actions that are told to readers and not kept in the audit log.
const (
	// AccountSettings are preferences, the picture and what clients show.
	AccountSettings Action = "account.settings"
	// SessionRefuseUnknown is a refused sign-in of a name that no account has:
	// anybody could fill the log with those.
	SessionRefuseUnknown Action = "session.refuse_unknown"
	SourceSync           Action = "source.sync"
	// ConnectionUpdate and ConnectionEnd are of a live connection, which the detail
	// connectionId names. What opens one is a connection to an entry or a script.
	ConnectionUpdate Action = "connection.update"
	ConnectionEnd    Action = "connection.end"
	// ConnectionPresence is of who has one open.
	ConnectionPresence Action = "connection.presence"
	// HostKeyChanged is about a host; what it means for an entry is an update of that.
	HostKeyChanged Action = "host_key.changed"
	// EntryOnline and EntryOffline are what the status checker finds anew.
	EntryOnline  Action = "entry.online"
	EntryOffline Action = "entry.offline"
	// EntryStatuses tells an owner that more of its servers were found anew than are
	// told one by one.
	EntryStatuses Action = "entry.statuses"
	// EntryUnchecked tells an owner that its servers count as online from now on,
	// because the status checker is off.
	EntryUnchecked Action = "entry.unchecked"
)

// unaudited are the lists that actions make out of date which the audit log does
// not keep.
var unaudited = map[Action][]List{EntryOnline: tree, EntryOffline: tree, EntryStatuses: tree, EntryUnchecked: tree}

// Definition describes an action that the audit log keeps.
type Definition struct {
	Action Action
	// Key, Label and Resource are how the API shows it.
	Key, Label, Resource string
	// Switch is the organization's audit setting that covers it, if one does.
	Switch string
	// lists are out of date for the owner after it.
	lists []List
}

const identityManagement = "enableIdentityManagementAudit"

// What several actions make out of date. Entries show their identities.
var (
	tree       = []List{Entries}
	identities = []List{Identities, Entries}
)

// Vocabulary lists every action that the audit log keeps, in the order of
// the filters that people see.
var Vocabulary = []Definition{
	{EntryCreate, "ENTRY_CREATE", "Server created", "entry", "enableServerManagementAudit", tree},
	{EntryUpdate, "ENTRY_UPDATE", "Server updated", "entry", "enableServerManagementAudit", tree},
	{EntryDelete, "ENTRY_DELETE", "Server deleted", "entry", "enableServerManagementAudit", tree},
	{SSHConnect, "SSH_CONNECT", "SSH connection", "entry", "enableServerConnectionAudit", nil},
	{SFTPConnect, "SFTP_CONNECT", "SFTP connection", "entry", "enableServerConnectionAudit", nil},
	{PVEConnect, "PVE_CONNECT", "Proxmox connection", "entry", "enableServerConnectionAudit", nil},
	{RDPConnect, "RDP_CONNECT", "RDP connection", "entry", "enableServerConnectionAudit", nil},
	{VNCConnect, "VNC_CONNECT", "VNC connection", "entry", "enableServerConnectionAudit", nil},
	{DemoConnect, "DEMO_CONNECT", "Demo connection", "entry", "enableServerConnectionAudit", nil},
	{FileCreate, "FILE_CREATE", "File created", "file", "enableFileOperationAudit", nil},
	{FileUpload, "FILE_UPLOAD", "File uploaded", "file", "enableFileOperationAudit", nil},
	{FileDownload, "FILE_DOWNLOAD", "File downloaded", "file", "enableFileOperationAudit", nil},
	{FileDelete, "FILE_DELETE", "File deleted", "file", "enableFileOperationAudit", nil},
	{FileRename, "FILE_RENAME", "File renamed / moved", "file", "enableFileOperationAudit", nil},
	{FileChmod, "FILE_CHMOD", "File permissions changed", "file", "enableFileOperationAudit", nil},
	{FolderCreate, "FOLDER_CREATE", "Folder created (SFTP)", "folder", "enableFileOperationAudit", nil},
	{FolderDelete, "FOLDER_DELETE", "Folder deleted (SFTP)", "folder", "enableFileOperationAudit", nil},
	{FolderDownload, "FOLDER_DOWNLOAD", "Folder downloaded", "folder", "enableFileOperationAudit", nil},
	{FolderMgmtCreate, "FOLDER_MGMT_CREATE", "Folder created", "folder", "enableFolderManagementAudit", tree},
	{FolderMgmtUpdate, "FOLDER_MGMT_UPDATE", "Folder updated", "folder", "enableFolderManagementAudit", tree},
	{FolderMgmtDelete, "FOLDER_MGMT_DELETE", "Folder deleted", "folder", "enableFolderManagementAudit", tree},
	{IdentityCreate, "IDENTITY_CREATE", "Identity created", "identity", identityManagement, identities},
	{IdentityUpdate, "IDENTITY_UPDATE", "Identity updated", "identity", identityManagement, identities},
	{IdentityDelete, "IDENTITY_DELETE", "Identity deleted", "identity", identityManagement, identities},
	{IdentityCredentialsAccess, "IDENTITY_CREDENTIALS_ACCESS", "Identity credentials accessed", "identity", "enableIdentityCredentialsAccessAudit", nil},
	{ScriptExecute, "SCRIPT_EXECUTE", "Script executed", "script", "enableScriptExecutionAudit", nil},
	{AICommand, "AI_COMMAND", "AI ran a command", "file", "enableAIOperationAudit", nil},
	{AIFileWrite, "AI_FILE_WRITE", "AI wrote a file", "file", "enableAIOperationAudit", nil},
	{AIFileDelete, "AI_FILE_DELETE", "AI deleted a file or folder", "file", "enableAIOperationAudit", nil},
	{AIFileRename, "AI_FILE_RENAME", "AI moved / renamed a path", "file", "enableAIOperationAudit", nil},
	{AIFileChmod, "AI_FILE_CHMOD", "AI changed permissions", "file", "enableAIOperationAudit", nil},
	{AIFolderCreate, "AI_FOLDER_CREATE", "AI created a folder", "file", "enableAIOperationAudit", nil},
	{OrganizationCreate, "ORGANIZATION_CREATE", "Organization created", "organization", "", []List{Entries}},
	{OrganizationUpdate, "ORGANIZATION_UPDATE", "Organization updated", "organization", "", []List{Entries}},
	{OrganizationDelete, "ORGANIZATION_DELETE", "Organization deleted", "organization", "", nil},
	{OrganizationInvite, "ORGANIZATION_INVITE", "Member invited", "organization", "", nil},
	{OrganizationAccept, "ORGANIZATION_ACCEPT", "Invitation accepted", "organization", "", nil},
	{OrganizationDecline, "ORGANIZATION_DECLINE", "Invitation declined", "organization", "", nil},
	{OrganizationLeave, "ORGANIZATION_LEAVE", "Organization left", "organization", "", []List{LiveSessions}},
	{OrganizationMemberRemove, "ORGANIZATION_MEMBER_REMOVE", "Member removed", "organization", "", []List{LiveSessions}},
	{OrganizationMemberPermissions, "ORGANIZATION_MEMBER_PERMISSIONS", "Member permissions changed", "organization", "", []List{LiveSessions}},
	{AccountCreate, "ACCOUNT_CREATE", "Account created", "account", "", nil},
	{AccountUpdate, "ACCOUNT_UPDATE", "Account renamed", "account", "", nil},
	{AccountDelete, "ACCOUNT_DELETE", "Account deleted", "account", "", nil},
	{AccountPasswordChange, "ACCOUNT_PASSWORD_CHANGE", "Password changed", "account", "", nil},
	{AccountPasswordReset, "ACCOUNT_PASSWORD_RESET", "Password reset", "account", "", nil},
	{AccountTOTPEnable, "ACCOUNT_TOTP_ENABLE", "TOTP enabled", "account", "", nil},
	{AccountTOTPDisable, "ACCOUNT_TOTP_DISABLE", "TOTP disabled", "account", "", nil},
	{AccountGroups, "ACCOUNT_GROUPS", "Groups of an account changed", "account", "", nil},
	{AccountPermissions, "ACCOUNT_PERMISSIONS", "Permissions of an account changed", "account", "", nil},
	{SessionCreate, "SESSION_CREATE", "Signed in", "session", "", nil},
	{SessionRefuse, "SESSION_REFUSE", "Sign-in refused", "session", "", nil},
	{SessionDelete, "SESSION_DELETE", "Session ended", "session", "", nil},
	{ImpersonationBegin, "IMPERSONATION_BEGIN", "Impersonation begun", "session", "", nil},
	{ImpersonationEnd, "IMPERSONATION_END", "Impersonation ended", "session", "", nil},
	{DeviceAuthorize, "DEVICE_AUTHORIZE", "Device authorized", "device", "", nil},
	{PasskeyCreate, "PASSKEY_CREATE", "Passkey added", "passkey", "", nil},
	{PasskeyUpdate, "PASSKEY_UPDATE", "Passkey renamed", "passkey", "", nil},
	{PasskeyDelete, "PASSKEY_DELETE", "Passkey removed", "passkey", "", nil},
	{APIKeyCreate, "API_KEY_CREATE", "API key created", "api_key", "", nil},
	{APIKeyDelete, "API_KEY_DELETE", "API key deleted", "api_key", "", nil},
	{GroupCreate, "GROUP_CREATE", "Group created", "group", "", nil},
	{GroupUpdate, "GROUP_UPDATE", "Group updated", "group", "", nil},
	{GroupDelete, "GROUP_DELETE", "Group deleted", "group", "", nil},
	{GroupPermissions, "GROUP_PERMISSIONS", "Permissions of a group changed", "group", "", nil},
	{GroupMemberAdd, "GROUP_MEMBER_ADD", "Group member added", "group", "", nil},
	{GroupMemberRemove, "GROUP_MEMBER_REMOVE", "Group member removed", "group", "", nil},
	{AuthProviderCreate, "AUTH_PROVIDER_CREATE", "Login provider created", "auth_provider", "", nil},
	{AuthProviderUpdate, "AUTH_PROVIDER_UPDATE", "Login provider updated", "auth_provider", "", nil},
	{AuthProviderDelete, "AUTH_PROVIDER_DELETE", "Login provider deleted", "auth_provider", "", nil},
	{SourceCreate, "SOURCE_CREATE", "Source created", "source", "", nil},
	{SourceUpdate, "SOURCE_UPDATE", "Source updated", "source", "", nil},
	{SourceDelete, "SOURCE_DELETE", "Source deleted", "source", "", nil},
	{SourceSyncFail, "SOURCE_SYNC_FAIL", "Source could not be synchronized", "source", "", nil},
	{ScriptCreate, "SCRIPT_CREATE", "Script created", "script", "", nil},
	{ScriptUpdate, "SCRIPT_UPDATE", "Script updated", "script", "", nil},
	{ScriptDelete, "SCRIPT_DELETE", "Script deleted", "script", "", nil},
	{SnippetCreate, "SNIPPET_CREATE", "Snippet created", "snippet", "", []List{Snippets}},
	{SnippetUpdate, "SNIPPET_UPDATE", "Snippet updated", "snippet", "", []List{Snippets}},
	{SnippetDelete, "SNIPPET_DELETE", "Snippet deleted", "snippet", "", []List{Snippets}},
	{TagCreate, "TAG_CREATE", "Tag created", "tag", "", nil},
	{TagUpdate, "TAG_UPDATE", "Tag updated", "tag", "", []List{Entries}},
	{TagDelete, "TAG_DELETE", "Tag deleted", "tag", "", []List{Entries}},
	{TagAssign, "TAG_ASSIGN", "Tag assigned", "tag", "", []List{Entries}},
	{TagUnassign, "TAG_UNASSIGN", "Tag taken off", "tag", "", []List{Entries}},
	{MonitoringSettingsUpdate, "MONITORING_SETTINGS_UPDATE", "Monitoring settings changed", "monitoring", "", nil},
	{KeyCreate, "KEY_CREATE", "Encryption key introduced", "key", "", nil},
	{KeyDelete, "KEY_DELETE", "Encryption key retired", "key", "", nil},
	{BackupCreate, "BACKUP_CREATE", "Backup made", "backup", "", nil},
	{BackupRestore, "BACKUP_RESTORE", "Backup restored", "backup", "", nil},
}

// Resources lists the types of resources in display order.
var Resources = []struct{ Key, Value, Label string }{
	{"ENTRY", "entry", "Server"},
	{"IDENTITY", "identity", "Identity"},
	{"FOLDER", "folder", "Folder"},
	{"FILE", "file", "File"},
	{"SCRIPT", "script", "Script"},
	{"ORGANIZATION", "organization", "Organization"},
	{"ACCOUNT", "account", "Account"},
	{"SESSION", "session", "Session"},
	{"DEVICE", "device", "Device"},
	{"PASSKEY", "passkey", "Passkey"},
	{"API_KEY", "api_key", "API key"},
	{"GROUP", "group", "Group"},
	{"AUTH_PROVIDER", "auth_provider", "Login provider"},
	{"SOURCE", "source", "Source"},
	{"SNIPPET", "snippet", "Snippet"},
	{"TAG", "tag", "Tag"},
	{"MONITORING", "monitoring", "Monitoring"},
	{"KEY", "key", "Encryption key"},
	{"BACKUP", "backup", "Backup"},
}

// Categories lists the categories of actions in display order.
var Categories = []struct{ Key, Label, Description string }{
	{"entry", "Servers", "Servers that are created, changed, deleted or connected to"},
	{"file", "Files", "Files on servers"},
	{"folder", "Folders (SFTP)", "Folders on servers"},
	{"folder_mgmt", "Folder Management", "Folders that hold servers"},
	{"identity", "Identities", "Identities and the use of their secrets"},
	{"script", "Scripts", "Scripts that people write and run on servers"},
	{"ai", "AI Assistant", "What the AI assistant does on servers"},
	{"organization", "Organizations", "Organizations, their members and what these may do"},
	{"account", "Accounts", "Accounts and the ways in which they prove who they are"},
	{"session", "Sessions", "Sign-ins, refused ones too, and sessions that end"},
	{"impersonation", "Impersonation", "Sessions that are opened as another account"},
	{"device", "Devices", "Devices that are signed in with a code"},
	{"passkey", "Passkeys", "Passkeys of accounts"},
	{"api_key", "API Keys", "API keys of accounts"},
	{"group", "Groups", "Permission groups and their members"},
	{"auth_provider", "Login Providers", "The ways to sign in that the server offers"},
	{"source", "Sources", "Where scripts and snippets come from"},
	{"snippet", "Snippets", "Snippets that people write"},
	{"tag", "Tags", "Tags and the entries that have them"},
	{"monitoring", "Monitoring", "How often servers are looked after, and for how long that is kept"},
	{"key", "Encryption Keys", "Keys that secrets are sealed with"},
	{"backup", "Backups", "Files with the whole database"},
}

var definitions = func() map[Action]Definition {
	index := make(map[Action]Definition, len(Vocabulary))
	for _, d := range Vocabulary {
		index[d.Action] = d
	}
	return index
}()

// Category is the part of the action before the dot.
func (a Action) Category() string {
	category, _, _ := strings.Cut(string(a), ".")
	return category
}

// Switch is the organization's audit setting that covers the action, empty where none
// does.
func (a Action) Switch() string { return definitions[a].Switch }

// Told is the event as it is stored: with what its action always means.
func (e Event) Told() Told {
	d, audited := definitions[e.Action]
	if !audited {
		d.lists = unaudited[e.Action]
	}
	if e.Lists == nil {
		e.Lists = d.lists
	}
	if e.Details == nil {
		e.Details = Details{}
	}
	// What an account does with its own identities is its own business.
	if d.Switch == identityManagement && e.Owner > 0 {
		audited = false
	}
	return Told{Event: e, Resource: cmp.Or(d.Resource, e.Action.Category()), Audited: audited, Switch: d.Switch}
}

// Told is what is stored of an event.
type Told struct {
	Event
	Resource string `json:"resource"`
	// Audited events are in the audit log too, unless the organization's Switch is off.
	Audited bool   `json:"audited"`
	Switch  string `json:"switch"`
}
