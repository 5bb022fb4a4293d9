package entry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
)

// imported is one server of an import on its way to an entry.
type imported struct {
	name       string
	config     config
	identities []int64
	result     api.ImportResult
}

func (i *imported) fail(reason string) {
	i.result.Status, i.result.Reason = api.ImportResultStatusError, &reason
}

// open reports whether nothing is decided yet.
func (i *imported) open() bool { return i.result.Status == "" }

// ImportSSHConfig creates SSH entries in a folder. Each server is judged alone,
// and all that are right are stored together.
func (h *Handlers) ImportSSHConfig(ctx context.Context, request api.ImportSSHConfigRequestObject) (api.ImportSSHConfigResponseObject, error) {
	c, folderID := caller.From(ctx), request.Body.FolderID
	// What takes time is done before others have to wait for the folder.
	read := h.readServers(request.Body.Servers)
	servers := make([]*imported, len(read))
	err := h.changes.Do(ctx, change.Touch{Folders: []int64{folderID}}, func(tx *change.Tx) error {
		at, err := folder(ctx, tx, c, folderID)
		if err != nil {
			return err
		}
		if at.managed {
			return errManagedFolder
		}
		for i := range read {
			servers[i] = new(*read[i])
		}
		if err := checkReferences(ctx, tx, c, servers); err != nil {
			return err
		}
		if err := skipExisting(ctx, tx, folderID, servers); err != nil {
			return err
		}
		return store(ctx, tx, at, servers)
	})
	if err != nil {
		return nil, err
	}
	return api.ImportSSHConfig200JSONResponse(summary(servers)), nil
}

// readServers makes entries of the servers and holds them against the rules of
// a new entry.
func (h *Handlers) readServers(given []api.ImportedServer) []*imported {
	servers := make([]*imported, len(given))
	for i, server := range given {
		servers[i] = &imported{}
		if server.Name == nil {
			servers[i].fail("name is required")
			continue
		}
		servers[i].name, servers[i].result.Host = *server.Name, *server.Name
		if server.IP == nil {
			servers[i].fail("ip is required")
			continue
		}
		settings, err := readConfig(server.Config)
		if err != nil {
			servers[i].fail(err.Error())
			continue
		}
		maps.DeleteFunc(settings, func(name string, _ any) bool {
			return slices.ContainsFunc([]string{"ip", "port", "protocol"}, func(own string) bool { return strings.EqualFold(name, own) })
		})
		settings["ip"], settings["port"], settings["protocol"] = *server.IP, int64(22), "ssh"
		if server.Port != nil {
			settings["port"] = *server.Port
		}
		entry := map[string]any{"name": *server.Name, "config": map[string]any(settings), "identities": values(server.Identities)}
		if violation := h.violation(entry); violation != "" {
			servers[i].fail(violation)
			continue
		}
		servers[i].config, servers[i].identities = settings, distinct(server.Identities)
	}
	return servers
}

// values are ids as the contract's rules are held against them.
func values(ids []int64) []any {
	all := make([]any, len(ids))
	for i, id := range ids {
		all[i] = id
	}
	return all
}

// checkReferences checks identities and jump hosts of all servers at once.
func checkReferences(ctx context.Context, tx *change.Tx, c *caller.Caller, servers []*imported) error {
	var identities, hosts []int64
	for _, server := range servers {
		if server.open() {
			identities = append(identities, server.identities...)
			hosts = append(hosts, hops(server.config)...)
		}
	}
	rows, err := tx.LockUsableIdentities(ctx, db.LockUsableIdentitiesParams{
		Ids: distinct(identities), Reach: c.Reach,
	})
	if err != nil {
		return err
	}
	usable := make(map[int64]bool, len(rows))
	for _, id := range rows {
		usable[id] = true
	}
	found, err := findJumpHosts(ctx, tx, c, distinct(hosts))
	if err != nil {
		return err
	}
	for _, server := range servers {
		if !server.open() {
			continue
		}
		if slices.ContainsFunc(server.identities, func(id int64) bool { return !usable[id] }) {
			server.fail(errIdentities.Error())
		} else if err := found.check(hops(server.config)); err != nil {
			server.fail(err.Error())
		}
	}
	return nil
}

// skipExisting passes over names that the folder has, or gets from an earlier
// server.
func skipExisting(ctx context.Context, tx *change.Tx, folderID int64, servers []*imported) error {
	var names []string
	for _, server := range servers {
		if server.open() {
			names = append(names, server.name)
		}
	}
	existing, err := tx.ListEntryNames(ctx, db.ListEntryNamesParams{FolderID: folderID, Names: names})
	if err != nil {
		return err
	}
	taken := make(map[string]bool, len(existing))
	for _, name := range existing {
		taken[name] = true
	}
	for _, server := range servers {
		if !server.open() {
			continue
		}
		if taken[server.name] {
			reason := "Entry exists"
			server.result.Status, server.result.Reason = api.ImportResultStatusSkipped, &reason
		}
		taken[server.name] = true
	}
	return nil
}

// store creates the remaining entries with their links and audit rows.
func store(ctx context.Context, tx *change.Tx, at place, servers []*imported) error {
	servers = slices.DeleteFunc(slices.Clone(servers), func(s *imported) bool { return !s.open() })
	if len(servers) == 0 {
		return nil
	}
	rows := db.ImportSSHConfigParams{Scope: int64(at.Owner), FolderID: at.Folder}
	for _, server := range servers {
		rows.Names = append(rows.Names, server.name)
		rows.Configs = append(rows.Configs, string(server.config.encode()))
	}
	created, err := tx.ImportSSHConfig(ctx, rows)
	if err != nil {
		return err
	}
	if len(created) != len(servers) {
		return errors.New("not every server became an entry")
	}
	var links db.LinkEntriesParams
	events := make([]event.Event, len(servers))
	for _, row := range created {
		server := servers[row.Item]
		server.result.Status, server.result.EntryID = api.ImportResultStatusImported, &row.ID
		for position, id := range server.identities {
			links.EntryIds = append(links.EntryIds, row.ID)
			links.IdentityIds = append(links.IdentityIds, id)
			links.Positions = append(links.Positions, int32(position))
		}
		events[row.Item] = event.Event{
			Action: event.EntryCreate, Owner: at.Owner, ResourceID: row.ID,
			Details: event.Details{"name": server.name, "folderId": at.Folder, "importSource": "ssh-config"},
		}
	}
	tx.Record(events...)
	if err := tx.LinkEntries(ctx, links); err != nil {
		return err
	}
	return tx.Within(ctx, at.Owner, change.Entries, change.ConfigBytes)
}

func summary(servers []*imported) api.SSHConfigImported {
	answer := api.SSHConfigImported{Details: make([]api.ImportResult, len(servers))}
	for i, server := range servers {
		answer.Details[i] = server.result
		switch server.result.Status {
		case api.ImportResultStatusImported:
			answer.Imported++
		case api.ImportResultStatusSkipped:
			answer.Skipped++
		default:
			answer.Errors++
		}
	}
	answer.Message = fmt.Sprintf("SSH config import: %d imported, %d skipped, %d errors", answer.Imported, answer.Skipped, answer.Errors)
	return answer
}
