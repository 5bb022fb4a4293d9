package connection

import (
	"context"

	"github.com/google/uuid"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/timestamp"
)

// LiveSession is a connection of somebody else's that the caller may watch.
type LiveSession struct {
	ID               uuid.UUID         `json:"id"`
	EntryID          int64             `json:"entryId"`
	EntryName        string            `json:"entryName"`
	OrganizationID   int64             `json:"organizationId"`
	OrganizationName string            `json:"organizationName"`
	Type             *string           `json:"type"`
	Renderer         *string           `json:"renderer"`
	Protocol         string            `json:"protocol"`
	Icon             string            `json:"icon"`
	StartedAt        string            `json:"startedAt"`
	Owner            SessionOwner      `json:"owner"`
	Participants     []api.Participant `json:"participants"`
	Writable         bool              `json:"writable"`
}

// SessionOwner is the account that has opened it.
type SessionOwner struct {
	ID         int64   `json:"id"`
	Username   string  `json:"username"`
	FirstName  string  `json:"firstName"`
	LastName   string  `json:"lastName"`
	AvatarHash *string `json:"avatarHash"`
}

// ListLiveSessions reads those of the organizations in which the caller may watch.
func (h *Handlers) ListLiveSessions(ctx context.Context) ([]LiveSession, error) {
	c := caller.From(ctx)
	watched := db.ListLiveSessionsParams{AccountID: c.AccountID}
	for _, id := range c.Organizations {
		if c.In(id).Has(permission.OrgSessionsView) {
			watched.OrganizationIds = append(watched.OrganizationIds, id)
		}
	}
	all := []LiveSession{}
	if watched.OrganizationIds == nil {
		return all, nil
	}
	rows, err := h.queries.ListLiveSessions(ctx, watched)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		viewers, err := participants(row.Participants)
		if err != nil {
			return nil, err
		}
		all = append(all, LiveSession{
			ID: row.ID, EntryID: row.EntryID, EntryName: row.EntryName, OrganizationID: row.OrganizationID, OrganizationName: row.OrganizationName,
			Type: row.Type, Renderer: row.Renderer, Protocol: row.EntryType, Icon: row.Icon, StartedAt: timestamp.Format(row.CreatedAt),
			Owner:        SessionOwner{row.AccountID, row.Username, row.FirstName, row.LastName, row.AvatarHash},
			Participants: viewers, Writable: c.In(row.OrganizationID).Has(permission.OrgSessionsControl),
		})
	}
	return all, nil
}

// Presence is who has a connection open, and which accounts are to know.
func (h *Handlers) Presence(ctx context.Context, connectionID string) (any, []int64, error) {
	type presence struct {
		SessionID    string            `json:"sessionId"`
		Participants []api.Participant `json:"participants"`
	}
	id, err := uuid.Parse(connectionID)
	if err != nil {
		return nil, nil, err
	}
	row, err := h.queries.GetPresence(ctx, id)
	if err != nil {
		return presence{connectionID, []api.Participant{}}, nil, fail.OnNoRows(err, nil)
	}
	viewers, err := participants(row.Participants)
	return presence{connectionID, viewers}, row.AccountIds, err
}
