package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/timestamp"
)

// personal is the filter for what the caller did outside of organizations.
const personal = "personal"

const (
	defaultLimit = 50
	// exactTotal is how far rows are counted.
	exactTotal = 10_000
)

var (
	errOrganizationID = fail.BadRequest("organizationId must be a positive number or personal")
	errStartDate      = fail.BadRequest("startDate must be an ISO 8601 date or time")
	errEndDate        = fail.BadRequest("endDate must be an ISO 8601 date or time")
	errDateOrder      = fail.BadRequest("endDate must be later than startDate")
	errCursorOffset   = fail.BadRequest("cursor and offset exclude each other")
	errLogsForbidden  = fail.Forbidden("You don't have access to this organization's audit logs")
)

// ListAuditLogs answers a page of the rows that the caller may see.
func (h *Handlers) ListAuditLogs(ctx context.Context, request api.ListAuditLogsRequestObject) (api.ListAuditLogsResponseObject, error) {
	search, filters, err := newSearch(request.Params)
	if err != nil {
		return nil, err
	}
	if err := h.chooseTrails(ctx, &search, &filters, request.Params.OrganizationID); err != nil {
		return nil, err
	}
	total, err := h.queries.CountAuditLogs(ctx, db.CountAuditLogsParams{
		ActorID: search.ActorID, Personal: search.Personal, Audited: search.Audited,
		Since: search.Since, Until: search.Until,
		Action: search.Action, Category: search.Category, Resource: search.Resource, Most: exactTotal + 1,
	})
	if err != nil {
		return nil, err
	}
	isEstimate := total > exactTotal
	if isEstimate {
		estimate, err := h.queries.EstimateAuditLogs(ctx, db.EstimateAuditLogsParams{
			ActorID: search.ActorID, Personal: search.Personal, Audited: search.Audited,
			Since: search.Since, Until: search.Until,
			Action: search.Action, Category: search.Category, Resource: search.Resource,
		})
		if err != nil {
			return nil, err
		}
		total = max(total, estimate)
	}
	rows, err := h.queries.ListAuditLogs(ctx, search)
	if err != nil {
		return nil, err
	}
	page := api.ListAuditLogs200JSONResponse{Total: total, TotalIsEstimate: isEstimate, Filters: filters}
	if len(rows) > filters.Limit {
		rows = rows[:filters.Limit]
		last := rows[filters.Limit-1]
		cursor := fmt.Sprintf("%d_%d", last.Timestamp.UnixMicro(), last.ID)
		page.NextCursor = &cursor
	}
	page.Logs = make([]api.AuditLog, len(rows))
	for i, row := range rows {
		page.Logs[i] = logToAPI(caller.From(ctx), row)
	}
	return page, nil
}

// newSearch reads the filters on rows, and their echo. Whose rows is left open.
func newSearch(p api.ListAuditLogsParams) (search db.ListAuditLogsParams, filters api.AuditLogFilters, err error) {
	filters = api.AuditLogFilters{
		Action: p.Action, Resource: p.Resource, StartDate: p.StartDate, EndDate: p.EndDate, Limit: defaultLimit,
	}
	if p.Limit != nil {
		filters.Limit = *p.Limit
	}
	if p.Offset != nil {
		filters.Offset = *p.Offset
	}
	// One row more than asked for tells whether another page follows.
	search = db.ListAuditLogsParams{Resource: p.Resource, PageSize: int64(filters.Limit) + 1, Skip: filters.Offset}
	search.Deepest = search.Skip + search.PageSize
	if p.Cursor != nil {
		if p.Offset != nil {
			return search, filters, errCursorOffset
		}
		var micros int64
		if _, err := fmt.Sscanf(*p.Cursor, "%d_%d", &micros, &search.CursorID); err != nil {
			return search, filters, err
		}
		last := time.UnixMicro(micros)
		search.CursorTime = &last
	}
	if p.Action != nil {
		if category, found := strings.CutSuffix(*p.Action, "*"); found {
			search.Category = &category
		} else {
			search.Action = p.Action
		}
	}
	if p.StartDate != nil {
		first, _, err := timestamp.Parse(*p.StartDate)
		if err != nil {
			return search, filters, errStartDate
		}
		search.Since = &first
	}
	if p.EndDate != nil {
		_, last, err := timestamp.Parse(*p.EndDate)
		if err != nil {
			return search, filters, errEndDate
		}
		if search.Since != nil && !last.After(*search.Since) {
			return search, filters, errDateOrder
		}
		// Rows are stored finer than they are shown: the last moment counts whole.
		until := last.Add(timestamp.Resolution)
		search.Until = &until
	}
	return search, filters, nil
}

// chooseTrails decides whose rows the caller gets, or refuses.
func (h *Handlers) chooseTrails(ctx context.Context, search *db.ListAuditLogsParams, filters *api.AuditLogFilters, organization *string) error {
	c := caller.From(ctx)
	search.Reach = c.Reach
	switch {
	case organization == nil:
		search.ActorID, search.Audited = c.AccountID, own(c)
		for _, id := range c.Organizations {
			if c.In(id).Has(permission.OrgAuditView) {
				search.Audited = append(search.Audited, int64(caller.Organization(id)))
			}
		}
	case *organization == personal:
		search.ActorID, search.Personal, search.Audited = c.AccountID, true, own(c)
		filters.OrganizationID = personal
	default:
		id, err := strconv.ParseInt(*organization, 10, 64)
		if err != nil {
			return errOrganizationID
		}
		if !c.In(id).Has(permission.OrgAuditView) {
			return errLogsForbidden
		}
		if !c.Member(id) {
			// The caller manages all organizations, and is told which exist.
			found, err := h.queries.HasOrganization(ctx, id)
			switch {
			case err != nil:
				return err
			case !found:
				return caller.ErrOrganizationNotFound
			}
			search.Reach = []int64{int64(caller.Organization(id))}
		}
		search.Audited = []int64{int64(caller.Organization(id))}
		filters.OrganizationID = id
	}
	return nil
}

// own are the logs that the caller reads besides what it did itself: what was
// done to its account and, for administrators, to the server.
func own(c *caller.Caller) []int64 {
	logs := []int64{c.AccountID}
	if c.Admin {
		logs = append(logs, 0)
	}
	return logs
}

func logToAPI(c *caller.Caller, row db.ListAuditLogsRow) api.AuditLog {
	log := api.AuditLog{
		ID:               row.ID,
		Actor:            api.AuditLogActor(row.Actor),
		AccountID:        row.AccountID,
		ImpersonatorID:   row.ImpersonatorID,
		SubjectID:        row.SubjectID,
		OrganizationID:   row.OrganizationID,
		Action:           row.Action,
		Resource:         row.Resource,
		ResourceID:       row.ResourceID,
		IPAddress:        row.IPAddress,
		UserAgent:        row.UserAgent,
		Timestamp:        timestamp.Format(row.Timestamp),
		Details:          json.RawMessage(row.Details),
		Reason:           row.Reason,
		ActorFirstName:   row.ActorFirstName,
		ActorLastName:    row.ActorLastName,
		OrganizationName: row.OrganizationName,
	}
	if row.ResourceName != "" {
		log.ResourceName = &row.ResourceName
	}
	// Where somebody was who acted on the caller's account, or as it, is not the
	// caller's business.
	actor := cmp.Or(row.ImpersonatorID, row.AccountID)
	if row.OrganizationID == nil && actor != nil && *actor != c.AccountID && !c.Admin {
		log.IPAddress, log.UserAgent = nil, nil
	}
	return log
}
