package tree

import (
	"github.com/oapi-codegen/nullable"

	"github.com/nexterm-go/nexterm/internal/caller"
)

// Place is where a folder or an entry lies. Equal places are ==.
type Place struct {
	Owner caller.Owner
	// Folder is 0 at the owner's root.
	Folder int64
}

// PlaceOf is the place of a row with these columns.
func PlaceOf(scope int64, folderID *int64) Place {
	p := Place{Owner: caller.Owner(scope)}
	if folderID != nil {
		p.Folder = *folderID
	}
	return p
}

// FolderID is the folder, nil at the root.
func (p Place) FolderID() *int64 {
	if p.Folder == 0 {
		return nil
	}
	return &p.Folder
}

// Named is the id that a patch gives, nil for null and for none.
func Named(id nullable.Nullable[int64]) *int64 {
	v, err := id.Get()
	if err != nil {
		return nil
	}
	return &v
}
