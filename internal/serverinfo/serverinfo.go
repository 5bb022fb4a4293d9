// Package serverinfo owns what the server says about itself to anybody.
package serverinfo

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
)

// Handlers are the operations of the tag service.
type Handlers struct {
	queries *db.Queries
	version string
	limits  change.Limits
}

// New returns the operations of a server of this version with these limits.
func New(queries *db.Queries, version string, limits change.Limits) *Handlers {
	return &Handlers{queries, version, limits}
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

// GetLimits answers how much an owner can have.
func (h *Handlers) GetLimits(context.Context, api.GetLimitsRequestObject) (api.GetLimitsResponseObject, error) {
	return api.GetLimits200JSONResponse{
		Entries: h.limits.Of(change.Entries), ConfigBytes: h.limits.Of(change.ConfigBytes), Folders: h.limits.Of(change.Folders),
		Identities: h.limits.Of(change.Identities), Scripts: h.limits.Of(change.Scripts), Snippets: h.limits.Of(change.Snippets),
		HostKeys: h.limits.Of(change.HostKeys), Organizations: h.limits.Of(change.Organizations), Sessions: h.limits.Of(change.Sessions),
		StateSockets: h.limits.Of(change.StateSockets), DeviceCodes: h.limits.Of(change.DeviceCodes),
	}, nil
}
