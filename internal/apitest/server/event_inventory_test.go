package server_test

import (
	"net/http"
	"net/http/httptest"
)

// inventoryTellings are those of what organizations and accounts own. What moves
// is told to either owner.
var inventoryTellings = map[string][]telling{
	"createEntry": {{"entry.create", usual}},
	"importSSHConfig": {{"entry.create entry.create", func(s stage) request {
		return request{body: object{"folderId": newFolder(s.t, s.Server, nil), "servers": []object{
			{"name": "web1", "ip": "192.0.2.1"}, {"name": "web2", "ip": "192.0.2.2"},
		}}}
	}}},
	"updateEntry": {
		{"entry.update", usual},
		{"entry.update entry.update", func(s stage) request { return request{body: object{"organizationId": s.Organization}} }},
	},
	"deleteEntry":     {{"entry.delete", usual}},
	"duplicateEntry":  {{"entry.create", usual}},
	"repositionEntry": {{"entry.update", usual}},
	"wakeEntry": {{"", func(s stage) request {
		return request{ids: []int64{s.Owner.Put("/api/entry", object{"name": "asleep", "config": object{
			"macAddress": "01:23:45:67:89:ab", "wolBroadcastAddress": "127.0.0.1",
		}}).Want(200).ID()}}
	}}},
	"pinHostKey": {{"entry.update", func(s stage) request {
		return request{ids: []int64{s.Owner.Put("/api/entry", object{"name": "known", "config": object{
			"protocol": "ssh", "ip": "192.0.2.1",
		}}).Want(200).ID()}}
	}}},
	"acceptHostKey": {{"entry.update", usual}},
	"deleteHostKey": {{"entry.update", usual}},
	"createFolder":  {{"folder_mgmt.create", usual}},
	"updateFolder": {
		{"folder_mgmt.update", usual},
		{"folder_mgmt.update folder_mgmt.update", func(s stage) request { return request{body: object{"organizationId": s.Organization}} }},
	},
	"deleteFolder": {
		{"folder_mgmt.delete", usual},
		{"folder_mgmt.delete entry.delete", func(s stage) request {
			id := newFolder(s.t, s.Server, nil)
			s.Owner.Put("/api/entry", object{"name": "inside", "folderId": id, "config": object{"protocol": "ssh", "ip": "192.0.2.1"}}).Want(200)
			return request{ids: []int64{id}}
		}},
	},
	"createIdentity": {{"identity.create", usual}},
	"updateIdentity": {
		{"identity.update", usual},
		{"identity.update identity.update", func(s stage) request { return request{body: object{"organizationId": s.Organization}} }},
	},
	"deleteIdentity": {{"identity.delete", usual}},
	"moveIdentity": {{"identity.update", func(s stage) request {
		return request{body: object{"organizationId": s.Organization}}
	}}},
	"createTag":    {{"tag.create", usual}},
	"updateTag":    {{"tag.update", usual}},
	"updateKeymap": {{"", usual}},
	"resetKeymap":  {{"", usual}},
	"resetKeymaps": {{"", usual}},
	"deleteTag":    {{"tag.delete", usual}},
	"assignTag":    {{"tag.assign", usual}},
	"unassignTag": {{"tag.unassign", func(s stage) request {
		tag, entry := newTag(s.t, s.Server, nil), newEntry(s.t, s.Server, nil)
		s.Exec(s.t, `insert into entry_tags (entry_id, tag_id) values ($1, $2)`, entry, tag)
		return request{ids: []int64{tag, entry}}
	}}},
	"createOrganization": {{"organization.create", usual}},
	"updateOrganization": {{"organization.update", usual}},
	"deleteOrganization": {{"organization.delete", usual}},
	"inviteMember": {{"organization.invite", func(s stage) request {
		return request{body: object{"username": s.Stranger.Username}}
	}}},
	"respondToInvitation": {
		{"organization.accept", func(stage) request { return request{body: object{"accept": true}} }},
		{"organization.decline", func(stage) request { return request{body: object{"accept": false}} }},
	},
	"removeMember":                      {{"organization.member_remove", usual}},
	"leaveOrganization":                 {{"organization.leave", func(s stage) request { return request{by: s.Colleague} }}},
	"updateMemberPermissions":           {{"organization.member_permissions", usual}},
	"updateOrganizationSessionSettings": {{"organization.update", usual}},
	"updateAuditSettings":               {{"organization.update", usual}},
	"updateMonitoringSettings": {
		{"monitoring.settings_update", usual},
		{"monitoring.settings_update entry.unchecked entry.unchecked", func(s stage) request {
			s.Exec(s.t, `update entries set status = 'online'`)
			for _, organization := range []any{nil, s.Organization} { // told owner by owner, however many entries there are
				for range 2 {
					s.Owner.Put("/api/entry", object{"name": "down", "organizationId": organization, "config": object{"protocol": "ssh"}}).Want(200)
				}
			}
			return request{body: object{"statusCheckerEnabled": false}}
		}},
		{"monitoring.settings_update", func(stage) request { return request{body: object{"statusCheckerEnabled": true}} }},
	},
}

// libraryTellings are those of scripts, snippets and where they come from.
var libraryTellings = map[string][]telling{
	"createScript": {{"script.create", func(stage) request {
		return request{body: object{"name": "Back up /etc", "content": "tar czf /var/backups/etc.tgz /etc"}}
	}}},
	"updateScript": {{"script.update", usual}},
	"deleteScript": {{"script.delete", usual}},
	"repositionScript": {{"script.update", func(s stage) request {
		return request{body: object{"placement": "before", "targetId": newScript(s.t, s.Server, nil)}}
	}}},
	"createSnippet": {{"snippet.create", func(stage) request {
		return request{body: object{"name": "Free space", "command": "df -h"}}
	}}},
	"updateSnippet": {{"snippet.update", usual}},
	"deleteSnippet": {{"snippet.delete", usual}},
	"repositionSnippet": {{"snippet.update", func(s stage) request {
		return request{body: object{"placement": "before", "targetId": newSnippet(s.t, s.Server, nil)}}
	}}},
	"validateSource": {{"", func(s stage) request { return request{body: object{"url": s.shelf()}} }}},
	"createSource": {
		{"source.create source.sync", func(s stage) request { return request{body: object{"name": "Full", "url": s.shelf()}} }},
		{"source.create source.sync_fail", func(s stage) request { return request{body: object{"name": "Empty", "url": s.emptyShelf()}} }},
	},
	"updateSource": {
		{"source.update", func(stage) request { return request{body: object{"name": "Renamed"}} }},
		{"source.update source.sync", func(s stage) request { return request{body: object{"url": s.shelf()}} }},
		{"source.update source.sync_fail", func(s stage) request { return request{body: object{"url": s.emptyShelf()}} }},
	},
	"syncSource": {
		{"source.sync", func(s stage) request {
			return request{ids: []int64{s.Admin.Post("/api/sources", object{"name": "Full", "url": s.shelf()}).Want(201).ID()}}
		}},
		{"source.sync_fail", func(stage) request { return request{status: http.StatusBadRequest} }}, // nobody listens there
	},
	"syncAllSources": {{"", usual}},
	"deleteSource":   {{"source.delete", usual}},
}

// shelf is a source that delivers something.
func (s stage) shelf() string {
	s.t.Helper()
	url, _ := newShelf(s.t)
	return url
}

// emptyShelf is a source that delivers nothing.
func (s stage) emptyShelf() string {
	s.t.Helper()
	listener := httptest.NewServer(http.NotFoundHandler())
	s.t.Cleanup(listener.Close)
	return listener.URL
}
