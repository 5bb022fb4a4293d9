// Package audit owns the audit log: its vocabulary, how rows are recorded and
// how they are read. It does not decide what is worth recording; the
// operations do.
package audit

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
)

// Details is flat: texts, numbers, booleans and lists of them. Never a secret.
type Details map[string]any

// Event is one thing that the caller did.
type Event struct {
	Action Action
	// OrganizationID is the organization of the affected object, nil when personal.
	OrganizationID *int64
	// ResourceID is 0 for resources without an id.
	ResourceID int64
	Details    Details
}

// userAgentLength bounds what is kept of a User-Agent header, in characters.
const userAgentLength = 512

// Record writes an event of the caller in the transaction of q. An organization
// that has switched the action's category off keeps nothing of it.
func Record(ctx context.Context, q *db.Queries, e Event) error {
	details, err := json.Marshal(e.Details)
	if err != nil {
		return fmt.Errorf("audit details of %s: %w", e.Action, err)
	}
	action := actions[e.Action]
	client := caller.ClientFrom(ctx)
	row := db.RecordAuditParams{
		AccountID:      caller.From(ctx).AccountID,
		OrganizationID: e.OrganizationID,
		Action:         string(e.Action),
		Resource:       &action.resource,
		Details:        details,
		Switch:         action.setting,
	}
	if e.ResourceID != 0 {
		row.ResourceID = &e.ResourceID
	}
	row.IPAddress, row.UserAgent = peer(client)
	if err := q.RecordAudit(ctx, row); err != nil {
		return fmt.Errorf("record %s: %w", e.Action, err)
	}
	return nil
}

// RecordAll is Record for any number of events, in one statement.
func RecordAll(ctx context.Context, q *db.Queries, events []Event) error {
	type row struct {
		Action         Action  `json:"action"`
		OrganizationID *int64  `json:"organizationId"`
		Resource       string  `json:"resource"`
		ResourceID     int64   `json:"resourceId"`
		Switch         string  `json:"switch"`
		Details        Details `json:"details"`
	}
	rows := make([]row, len(events))
	for i, e := range events {
		action := actions[e.Action]
		rows[i] = row{e.Action, e.OrganizationID, action.resource, e.ResourceID, action.setting, e.Details}
	}
	encoded, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("audit details: %w", err)
	}
	ip, agent := peer(caller.ClientFrom(ctx))
	if err := q.RecordAudits(ctx, db.RecordAuditsParams{
		AccountID: caller.From(ctx).AccountID, IPAddress: ip, UserAgent: agent, Events: encoded,
	}); err != nil {
		return fmt.Errorf("record %d events: %w", len(events), err)
	}
	return nil
}

// peer is what is kept of the client; nil where it is unknown.
func peer(client caller.Client) (ip, userAgent *string) {
	if client.IP != "" {
		ip = &client.IP
	}
	if agent := client.CutAgent(userAgentLength); agent != "" {
		userAgent = &agent
	}
	return ip, userAgent
}
