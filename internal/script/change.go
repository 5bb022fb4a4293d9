package script

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/library"
	"github.com/nexterm-go/nexterm/internal/permission"
)

// UpdateScript changes the fields that the body names.
func (h *Handlers) UpdateScript(ctx context.Context, request api.UpdateScriptRequestObject) (api.UpdateScriptResponseObject, error) {
	body := request.Body
	scope, err := h.manage(ctx, request.Params.OrganizationID, request.ScriptID, errEditSynced)
	if err != nil {
		return nil, err
	}
	row := db.UpdateScriptParams{
		Name: body.Name, Content: body.Content,
		SetDescription: body.Description.IsSpecified(), SetOsFilter: body.OsFilter.IsSpecified(),
		ID: request.ScriptID, AccountID: scope.AccountID, OrganizationIds: scope.OrganizationIDs,
	}
	if text, err := body.Description.Get(); err == nil {
		row.Description = &text
	}
	if systems, err := body.OsFilter.Get(); err == nil {
		row.OsFilter = library.Filter(systems)
	}
	updated, err := h.queries.UpdateScript(ctx, row)
	if err != nil {
		return nil, err
	}
	if updated == 0 {
		return nil, errNotFound
	}
	return api.UpdateScript200JSONResponse{Message: "Script updated successfully"}, nil
}

// DeleteScript removes a script.
func (h *Handlers) DeleteScript(ctx context.Context, request api.DeleteScriptRequestObject) (api.DeleteScriptResponseObject, error) {
	scope, err := h.manage(ctx, request.Params.OrganizationID, request.ScriptID, errDeleteSynced)
	if err != nil {
		return nil, err
	}
	deleted, err := h.queries.DeleteScript(ctx, db.DeleteScriptParams{
		ID: request.ScriptID, AccountID: scope.AccountID, OrganizationIds: scope.OrganizationIDs,
	})
	if err != nil {
		return nil, err
	}
	if deleted == 0 {
		return nil, errNotFound
	}
	return api.DeleteScript200JSONResponse{Message: "Script deleted successfully"}, nil
}

// RepositionScript moves a script within its scope and numbers the scope anew.
func (h *Handlers) RepositionScript(ctx context.Context, request api.RepositionScriptRequestObject) (api.RepositionScriptResponseObject, error) {
	body := request.Body
	scope, err := h.manage(ctx, request.Params.OrganizationID, request.ScriptID, errReorderSynced)
	if err != nil {
		return nil, err
	}
	done := api.RepositionScript200JSONResponse{Message: "Script repositioned successfully"}
	if body.TargetID == request.ScriptID {
		return done, nil
	}
	move := db.RepositionScriptParams{
		ID: request.ScriptID, TargetID: body.TargetID,
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
		found, err := q.RepositionScript(ctx, move)
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
	return done, nil
}

// manage finds a script that the caller may change, and its scope. errSynced
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
	case !scope.May(c, permission.ScriptsManage):
		return scope, errForbidden
	case row.SourceID != nil:
		return scope, errSynced
	}
	return scope, nil
}
