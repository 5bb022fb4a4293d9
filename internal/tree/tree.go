// Package tree owns the shape that folders and entries share: where they lie, in
// which order, and the nodes that clients draw. It decides no rights.
package tree

import (
	"context"
	"fmt"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
)

// Tree is what a caller sees of folders and organizations, for entries to be
// added.
type Tree struct {
	folders       []api.EntryNode
	organizations []*api.OrganizationNode
	entries       []api.EntryNode
	byFolder      map[int64]*api.FolderNode
	byMembership  map[int64]*api.OrganizationNode
}

// Load reads the folders and organizations of a caller.
func Load(ctx context.Context, q *db.Queries, c *caller.Caller) (*Tree, error) {
	organizations, err := q.ListTreeOrganizations(ctx, c.Organizations)
	if err != nil {
		return nil, err
	}
	folders, err := q.ListFolders(ctx, c.Reach)
	if err != nil {
		return nil, err
	}
	t := &Tree{
		byFolder:     make(map[int64]*api.FolderNode, len(folders)),
		byMembership: make(map[int64]*api.OrganizationNode, len(organizations)),
	}
	for _, row := range organizations {
		node := &api.OrganizationNode{
			ID:                      fmt.Sprintf("org-%d", row.ID),
			Name:                    row.Name,
			Type:                    api.OrganizationNodeTypeOrganization,
			RequireConnectionReason: row.RequireConnectionReason,
			Entries:                 []api.EntryNode{},
		}
		t.organizations = append(t.organizations, node)
		t.byMembership[row.ID] = node
	}
	for _, row := range folders {
		t.addFolder(row)
	}
	return t, nil
}

// addFolder relies on the order of the rows: parents come first.
func (t *Tree) addFolder(row db.ListFoldersRow) {
	node := &api.FolderNode{
		ID:             row.ID,
		Name:           row.Name,
		Type:           api.FolderNodeTypeFolder,
		FolderType:     (*api.FolderNodeFolderType)(row.Type),
		IntegrationID:  row.IntegrationID,
		Position:       row.Position,
		OrganizationID: row.OrganizationID,
		Entries:        []api.EntryNode{},
	}
	t.byFolder[row.ID] = node
	if row.ParentID == nil && row.OrganizationID == nil {
		t.folders = append(t.folders, node)
		return
	}
	t.Add(row.OrganizationID, row.ParentID, node)
}

// Add appends a node to its folder, or to the root of its owner. What lies in
// a place that the caller does not see is left out.
func (t *Tree) Add(organizationID, folderID *int64, node api.EntryNode) {
	switch {
	case folderID != nil:
		if folder := t.byFolder[*folderID]; folder != nil {
			folder.Entries = append(folder.Entries, node)
		}
	case organizationID != nil:
		if organization := t.byMembership[*organizationID]; organization != nil {
			organization.Entries = append(organization.Entries, node)
		}
	default:
		t.entries = append(t.entries, node)
	}
}

// Nodes are the top of the tree: personal folders, organizations, personal
// entries.
func (t *Tree) Nodes() []api.EntryNode {
	nodes := make([]api.EntryNode, 0, len(t.folders)+len(t.organizations)+len(t.entries))
	nodes = append(nodes, t.folders...)
	for _, organization := range t.organizations {
		nodes = append(nodes, organization)
	}
	return append(nodes, t.entries...)
}
