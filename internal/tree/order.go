package tree

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
)

// Container is a place of entries and folders: a folder by its id, the caller's
// own root as 0, or an organization's root by its id below zero.
type Container int64

// ContainerOf is the container of a row with these columns, which a caller sees.
func ContainerOf(organizationID, folderID *int64) Container {
	switch {
	case folderID != nil:
		return Container(*folderID)
	case organizationID != nil:
		return Container(-*organizationID)
	}
	return 0
}

// LoadOrder reads the folders of a caller and tells in which order a flat list
// passes through the containers: what is the caller's own, then organization by
// organization, and the folders in a container before itself.
func LoadOrder(ctx context.Context, q *db.Queries, c *caller.Caller) ([]Container, error) {
	folders, err := q.ListFolders(ctx, c.Reach)
	if err != nil {
		return nil, err
	}
	inside := make(map[Container][]Container, len(folders))
	for _, row := range folders {
		at := ContainerOf(row.OrganizationID, row.ParentID)
		inside[at] = append(inside[at], Container(row.ID))
	}
	order := make([]Container, 0, 1+len(c.Organizations)+len(folders))
	var pass func(Container)
	pass = func(at Container) {
		for _, folder := range inside[at] {
			pass(folder)
		}
		order = append(order, at)
	}
	pass(0)
	for _, id := range c.Organizations {
		pass(Container(-id))
	}
	return order, nil
}
