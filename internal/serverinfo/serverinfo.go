// Package serverinfo owns what the server says about itself to anybody.
package serverinfo

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
)

// Handlers are the operations of the tag service.
type Handlers struct {
	queries *db.Queries
	version string
}

// New returns the operations of a server of this version.
func New(queries *db.Queries, version string) *Handlers {
	return &Handlers{queries, version}
}

// GetFirstTimeSetup answers true while no account exists.
func (h *Handlers) GetFirstTimeSetup(ctx context.Context, _ api.GetFirstTimeSetupRequestObject) (api.GetFirstTimeSetupResponseObject, error) {
	pending, err := h.queries.GetFirstTimeSetup(ctx)
	if err != nil {
		return nil, err
	}
	return api.GetFirstTimeSetup200JSONResponse(pending), nil
}

// GetVersion answers the semantic version.
func (h *Handlers) GetVersion(context.Context, api.GetVersionRequestObject) (api.GetVersionResponseObject, error) {
	return api.GetVersion200JSONResponse{Version: h.version}, nil
}
