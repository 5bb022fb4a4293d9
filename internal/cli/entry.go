package cli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

var folders = kind[nexterm.Folder]{
	name: "folder", many: "folders", about: "folders, in which entries lie", owned: true,
	list: func(s *session) ([]nexterm.Folder, error) { return s.folders() },
	thing: func(s *session, f nexterm.Folder) thing {
		return thing{f.ID, f.Name, s.known.paths[f.ID], f.OrganizationID.Or(0)}
	},
	head: []string{"ID", "PATH", "ORGANIZATION"},
	row: func(s *session, f nexterm.Folder) []string {
		return []string{text64(f.ID), s.known.paths[f.ID], s.organizationName(f.OrganizationID.Or(0))}
	},
	fill: func(s *session, d document) error {
		// prod/europe is created in prod.
		path := d["name"].(string)
		at := strings.LastIndexByte(path, '/')
		if _, given := d["parentId"]; given || at < 0 {
			return nil
		}
		parent, err := folderReference.id(s, path[:at])
		d["parentId"], d["name"] = parent, path[at+1:]
		return err
	},
	create: func(s *session, d document) (any, error) { return send(s, d, s.client.Folders.Create) },
	edit: func(s *session, f nexterm.Folder, d document) error {
		// Null alone would be the top level of the caller, and take it from the organization.
		if parent, given := d["parentId"]; given && parent == nil && f.OrganizationID.Or(0) != 0 {
			d["organizationId"] = f.OrganizationID
		}
		return sendTo(s, f.ID, d, s.client.Folders.Update)
	},
	remove: func(s *session, f nexterm.Folder) error { return s.client.Folders.Delete(s.Context(), f.ID) },
}

var entries = kind[nexterm.Entry]{
	name: "entry", many: "entries", about: "entries, the servers that one connects to", owned: true,
	list: func(s *session) ([]nexterm.Entry, error) {
		if _, err := s.folders(); err != nil {
			return nil, err
		}
		return s.client.Entries.List(s.Context())
	},
	get: func(s *session, id int64) (*nexterm.Entry, error) { return s.client.Entries.Get(s.Context(), id) },
	thing: func(s *session, e nexterm.Entry) thing {
		return thing{e.ID, e.Name, s.path(e.FolderID, e.Name), e.OrganizationID.Or(0)}
	},
	head: []string{"ID", "NAME", "FOLDER", "ORGANIZATION", "PROTOCOL", "ADDRESS", "STATUS", "TAGS"},
	row: func(s *session, e nexterm.Entry) []string {
		address := e.Config.IP
		if e.Config.Port != 0 {
			address += ":" + strconv.Itoa(e.Config.Port)
		}
		tags := make([]string, len(e.Tags))
		for i, tag := range e.Tags {
			tags[i] = tag.Name
		}
		return []string{
			text64(e.ID), e.Name, s.known.paths[e.FolderID.Or(0)], s.organizationName(e.OrganizationID.Or(0)),
			e.Config.Protocol, address, e.Status.Or(""), strings.Join(tags, ", "),
		}
	},
	fields: []field{
		{name: "folderId", flag: "folder", usage: "the `folder` that it lies in, by path or id; empty for none", of: folderReference},
		{name: "identities", takes: list, usage: "the `identities` to sign in with, the default first", of: identities.reference()},
		{name: "icon", usage: "name of an icon"},
		{name: "type", usage: "what it is", values: []string{"server", "pve-shell", "pve-lxc", "pve-qemu"}},
		{name: "renderer", usage: "which view clients open", values: []string{"terminal", "guac", "sftp"}},
		{name: "config.protocol", usage: "how to connect", values: []string{"ssh", "telnet", "rdp", "vnc", "sftp", "ftp", "ftps", "demo"}},
		{name: "config.ip", usage: "host name or address"},
		{name: "config.port", takes: number, usage: "port"},
		{name: "config.jumpHosts", takes: list, usage: "SSH `entries` on the way to the host, in order", of: entryReference},
		{name: "config.monitoringEnabled", takes: yesNo, usage: "look after the host"},
		{name: "config.macAddress", usage: "address to wake it by"},
		{name: "config.wakeOnLanEnabled", takes: yesNo, usage: "let it be woken"},
		{name: "config.wolBroadcastAddress", usage: "where Wake-on-LAN packets go"},
		{name: "config.notes", usage: "free text"},
		{name: "config.showNoteInList", takes: yesNo, usage: "show the notes in lists"},
		{name: "config.keyboardLayout", usage: "layout of RDP sessions"},
		{name: "config.rdpSecurity", usage: "security of RDP", values: []string{"any", "nla", "tls", "rdp", "vmconnect"}},
		{name: "config.colorDepth", takes: number, usage: "bits for each pixel"},
		{name: "config.resizeMethod", usage: "how RDP sessions are resized", values: []string{"display-update", "reconnect", "none"}},
		{name: "config.enableAudio", takes: yesNo, usage: "play sound"},
		{name: "config.enableWallpaper", takes: yesNo, usage: "show the wallpaper"},
		{name: "config.enableTheming", takes: yesNo, usage: "show themes"},
		{name: "config.enableFontSmoothing", takes: yesNo, usage: "smooth fonts"},
		{name: "config.enableFullWindowDrag", takes: yesNo, usage: "show windows while they are dragged"},
		{name: "config.enableDesktopComposition", takes: yesNo, usage: "compose the desktop"},
		{name: "config.enableMenuAnimations", takes: yesNo, usage: "animate menus"},
		{name: "config.backspaceMode", usage: "what Backspace sends", values: []string{"del", "ctrl-h"}},
		{name: "config.deleteMode", usage: "what Delete sends", values: []string{"vt", "del"}},
		{name: "config.functionKeyMode", usage: "what function keys send", values: []string{"xterm", "vt", "linux"}},
		{name: "config.nodeName", usage: "the Proxmox node"},
		{name: "config.vmid", usage: "the guest's id at Proxmox"},
		{name: "config.providerId", usage: "shell, or the guest's id as text"},
	},
	fill: func(_ *session, d document) error {
		// The contract wants one, be it empty.
		if d["config"] == nil {
			d["config"] = document{}
		}
		return nil
	},
	create: func(s *session, d document) (any, error) { return send(s, d, s.client.Entries.Create) },
	edit: func(s *session, e nexterm.Entry, d document) error {
		return sendTo(s, e.ID, d, s.client.Entries.Update)
	},
	remove: func(s *session, e nexterm.Entry) error { return s.client.Entries.Delete(s.Context(), e.ID) },
}

func entryCommand() *cobra.Command {
	return entries.command(
		printable(entries.action("duplicate", "Copy", func(s *session, e nexterm.Entry, _ []string) error {
			created, err := s.client.Entries.Duplicate(s.Context(), e.ID)
			if err != nil {
				return err
			}
			return s.print(created, [][]string{{text64(created.ID)}})
		})),
		entries.action("wake", "Send a Wake-on-LAN packet to", func(s *session, e nexterm.Entry, _ []string) error {
			return s.client.Entries.Wake(s.Context(), e.ID)
		}),
		entries.action("tag", "Give a tag to", func(s *session, e nexterm.Entry, args []string) error {
			tag, err := tagReference.id(s, args[0])
			if err != nil {
				return err
			}
			return s.client.Tags.Assign(s.Context(), tag, e.ID)
		}, "TAG"),
		entries.action("untag", "Take a tag from", func(s *session, e nexterm.Entry, args []string) error {
			tag, err := tagReference.id(s, args[0])
			if err != nil {
				return err
			}
			return s.client.Tags.Unassign(s.Context(), tag, e.ID)
		}, "TAG"),
	)
}

func text64(id int64) string { return strconv.FormatInt(id, 10) }
