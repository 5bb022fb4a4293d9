package audit

// Action is what happened, such as identity.create. The part before the dot is
// its category.
type Action string

// The actions that are recorded.
const (
	EntryCreate               Action = "entry.create"
	EntryUpdate               Action = "entry.update"
	EntryDelete               Action = "entry.delete"
	SSHConnect                Action = "entry.ssh_connect"
	SFTPConnect               Action = "entry.sftp_connect"
	PVEConnect                Action = "entry.pve_connect"
	RDPConnect                Action = "entry.rdp_connect"
	VNCConnect                Action = "entry.vnc_connect"
	DemoConnect               Action = "entry.demo_connect"
	FileCreate                Action = "file.create"
	FileUpload                Action = "file.upload"
	FileDownload              Action = "file.download"
	FileDelete                Action = "file.delete"
	FileRename                Action = "file.rename"
	FileChmod                 Action = "file.chmod"
	FolderCreate              Action = "folder.create"
	FolderDelete              Action = "folder.delete"
	FolderDownload            Action = "folder.download"
	FolderMgmtCreate          Action = "folder_mgmt.create"
	FolderMgmtUpdate          Action = "folder_mgmt.update"
	FolderMgmtDelete          Action = "folder_mgmt.delete"
	IdentityCreate            Action = "identity.create"
	IdentityUpdate            Action = "identity.update"
	IdentityDelete            Action = "identity.delete"
	IdentityCredentialsAccess Action = "identity.credentials_access"
	ScriptExecute             Action = "script.execute"
	AICommand                 Action = "ai.command"
	AIFileWrite               Action = "ai.file_write"
	AIFileDelete              Action = "ai.file_delete"
	AIFileRename              Action = "ai.file_rename"
	AIFileChmod               Action = "ai.file_chmod"
	AIFolderCreate            Action = "ai.folder_create"
)

// definition describes an action. setting is the organization's switch that
// covers it.
type definition struct {
	action   Action
	key      string
	label    string
	resource string
	setting  string
}

// vocabulary lists every action in the order of the filters that people see.
var vocabulary = []definition{
	{EntryCreate, "ENTRY_CREATE", "Server created", "entry", "enableServerManagementAudit"},
	{EntryUpdate, "ENTRY_UPDATE", "Server updated", "entry", "enableServerManagementAudit"},
	{EntryDelete, "ENTRY_DELETE", "Server deleted", "entry", "enableServerManagementAudit"},
	{SSHConnect, "SSH_CONNECT", "SSH connection", "entry", "enableServerConnectionAudit"},
	{SFTPConnect, "SFTP_CONNECT", "SFTP connection", "entry", "enableServerConnectionAudit"},
	{PVEConnect, "PVE_CONNECT", "Proxmox connection", "entry", "enableServerConnectionAudit"},
	{RDPConnect, "RDP_CONNECT", "RDP connection", "entry", "enableServerConnectionAudit"},
	{VNCConnect, "VNC_CONNECT", "VNC connection", "entry", "enableServerConnectionAudit"},
	{DemoConnect, "DEMO_CONNECT", "Demo connection", "entry", "enableServerConnectionAudit"},
	{FileCreate, "FILE_CREATE", "File created", "file", "enableFileOperationAudit"},
	{FileUpload, "FILE_UPLOAD", "File uploaded", "file", "enableFileOperationAudit"},
	{FileDownload, "FILE_DOWNLOAD", "File downloaded", "file", "enableFileOperationAudit"},
	{FileDelete, "FILE_DELETE", "File deleted", "file", "enableFileOperationAudit"},
	{FileRename, "FILE_RENAME", "File renamed / moved", "file", "enableFileOperationAudit"},
	{FileChmod, "FILE_CHMOD", "File permissions changed", "file", "enableFileOperationAudit"},
	{FolderCreate, "FOLDER_CREATE", "Folder created (SFTP)", "folder", "enableFileOperationAudit"},
	{FolderDelete, "FOLDER_DELETE", "Folder deleted (SFTP)", "folder", "enableFileOperationAudit"},
	{FolderDownload, "FOLDER_DOWNLOAD", "Folder downloaded", "folder", "enableFileOperationAudit"},
	{FolderMgmtCreate, "FOLDER_MGMT_CREATE", "Folder created", "folder", "enableFolderManagementAudit"},
	{FolderMgmtUpdate, "FOLDER_MGMT_UPDATE", "Folder updated", "folder", "enableFolderManagementAudit"},
	{FolderMgmtDelete, "FOLDER_MGMT_DELETE", "Folder deleted", "folder", "enableFolderManagementAudit"},
	{IdentityCreate, "IDENTITY_CREATE", "Identity created", "identity", "enableIdentityManagementAudit"},
	{IdentityUpdate, "IDENTITY_UPDATE", "Identity updated", "identity", "enableIdentityManagementAudit"},
	{IdentityDelete, "IDENTITY_DELETE", "Identity deleted", "identity", "enableIdentityManagementAudit"},
	{IdentityCredentialsAccess, "IDENTITY_CREDENTIALS_ACCESS", "Identity credentials accessed", "identity", "enableIdentityCredentialsAccessAudit"},
	{ScriptExecute, "SCRIPT_EXECUTE", "Script executed", "script", "enableScriptExecutionAudit"},
	{AICommand, "AI_COMMAND", "AI ran a command", "file", "enableAIOperationAudit"},
	{AIFileWrite, "AI_FILE_WRITE", "AI wrote a file", "file", "enableAIOperationAudit"},
	{AIFileDelete, "AI_FILE_DELETE", "AI deleted a file or folder", "file", "enableAIOperationAudit"},
	{AIFileRename, "AI_FILE_RENAME", "AI moved / renamed a path", "file", "enableAIOperationAudit"},
	{AIFileChmod, "AI_FILE_CHMOD", "AI changed permissions", "file", "enableAIOperationAudit"},
	{AIFolderCreate, "AI_FOLDER_CREATE", "AI created a folder", "file", "enableAIOperationAudit"},
}

// resources lists the types of resources in display order.
var resources = []struct{ key, value, label string }{
	{"ENTRY", "entry", "Server"},
	{"IDENTITY", "identity", "Identity"},
	{"FOLDER", "folder", "Folder"},
	{"FILE", "file", "File"},
	{"SCRIPT", "script", "Script"},
}

// categories lists the categories of actions in display order.
var categories = []struct{ key, label, description string }{
	{"entry", "Servers", "Servers that are created, changed, deleted or connected to"},
	{"file", "Files", "Files on servers"},
	{"folder", "Folders (SFTP)", "Folders on servers"},
	{"folder_mgmt", "Folder Management", "Folders that hold servers"},
	{"identity", "Identities", "Identities and the use of their secrets"},
	{"script", "Scripts", "Scripts that are run on servers"},
	{"ai", "AI Assistant", "What the AI assistant does on servers"},
}

var actions = func() map[Action]definition {
	index := make(map[Action]definition, len(vocabulary))
	for _, d := range vocabulary {
		index[d.action] = d
	}
	return index
}()
