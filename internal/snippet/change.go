package snippet

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/library"
	"github.com/nexterm-go/nexterm/internal/permission"
)

// UpdateSnippet changes the fields that the body names.
func (h *Handlers) UpdateSnippet(ctx context.Context, request api.UpdateSnippetRequestObject) (api.UpdateSnippetResponseObject, error) {
	body := request.Body
	if err := checkCommand(body.Command); err != nil {
		return nil, err
	}
	scope, err := h.manage(ctx, request.Params.OrganizationID, request.SnippetID, errEditSynced)
	if err != nil {
		return nil, err
	}
	row := db.UpdateSnippetParams{
		Name: body.Name, Command: body.Command,
		SetDescription: body.Description.IsSpecified(), SetOsFilter: body.OsFilter.IsSpecified(),
		ID: request.SnippetID, AccountID: scope.AccountID, OrganizationIds: scope.OrganizationIDs,
	}
	if text, err := body.Description.Get(); err == nil {
		row.Description = &text
	}
	if systems, err := body.OsFilter.Get(); err == nil {
		row.OsFilter = library.Filter(systems)
	}
	updated, err := h.queries.UpdateSnippet(ctx, row)
	if err != nil {
		return nil, err
	}
	if updated == 0 {
		return nil, errNotFound
	}
	h.publish(ctx, request.Params.OrganizationID)
	return api.UpdateSnippet200JSONResponse{Message: "Snippet updated successfully"}, nil
}

// DeleteSnippet removes a snippet.
func (h *Handlers) DeleteSnippet(ctx context.Context, request api.DeleteSnippetRequestObject) (api.DeleteSnippetResponseObject, error) {
	scope, err := h.manage(ctx, request.Params.OrganizationID, request.SnippetID, errDeleteSynced)
	if err != nil {
		return nil, err
	}
	deleted, err := h.queries.DeleteSnippet(ctx, db.DeleteSnippetParams{
		ID: request.SnippetID, AccountID: scope.AccountID, OrganizationIds: scope.OrganizationIDs,
	})
	if err != nil {
		return nil, err
	}
	if deleted == 0 {
		return nil, errNotFound
	}
	h.publish(ctx, request.Params.OrganizationID)
	return api.DeleteSnippet200JSONResponse{Message: "Snippet deleted successfully"}, nil
}

// RepositionSnippet moves a snippet within its scope and numbers the scope anew.
func (h *Handlers) RepositionSnippet(ctx context.Context, request api.RepositionSnippetRequestObject) (api.RepositionSnippetResponseObject, error) {
	body := request.Body
	scope, err := h.manage(ctx, request.Params.OrganizationID, request.SnippetID, errReorderSynced)
	if err != nil {
		return nil, err
	}
	done := api.RepositionSnippet200JSONResponse{Message: "Snippet repositioned successfully"}
	if body.TargetID == request.SnippetID {
		return done, nil
	}
	move := db.RepositionSnippetParams{
		ID: request.SnippetID, TargetID: body.TargetID,
		AccountID: scope.AccountID, OrganizationIds: scope.OrganizationIDs,
	}
	if body.Placement != nil {
		move.Placement = string(*body.Placement)
	}
	err = pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) error {
		q := h.queries.WithTx(tx)
		if err := scope.Lock(ctx, q, kind); err != nil {
			return err
		}
		found, err := q.RepositionSnippet(ctx, move)
		switch {
		case err != nil:
			return err
		case !found.MovedFound:
			return errNotFound
		case !found.TargetFound:
			return errTargetNotFound
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	h.publish(ctx, request.Params.OrganizationID)
	return done, nil
}

// manage finds a snippet that the caller may change, and its scope. errSynced
// refuses one that a source delivers.
func (h *Handlers) manage(ctx context.Context, organizationID *int64, id int64, errSynced error) (library.Scope, error) {
	c := caller.From(ctx)
	scope, err := library.ForWriting(c, organizationID)
	if err != nil {
		return scope, err
	}
	row, err := h.find(ctx, scope, id)
	switch {
	case err != nil:
		return scope, err
	case !scope.May(c, permission.SnippetsManage):
		return scope, errForbidden
	case row.SourceID != nil:
		return scope, errSynced
	}
	return scope, nil
}
