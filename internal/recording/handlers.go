package recording

import (
	"context"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/internal/asset"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
)

var (
	errNoLog       = fail.NotFound("Audit log not found")
	errNoRecording = fail.NotFound("Recording not found")
)

// Handlers are the operations of the tag recording.
type Handlers struct{ store *Store }

// New returns the operations over the recordings of a database.
func New(store *Store) *Handlers { return &Handlers{store} }

// GetRecording hands a recording out as it is stored, or as it is played. A row that
// the caller may have no recording of is like none.
func (h *Handlers) GetRecording(ctx context.Context, request api.GetRecordingRequestObject) (api.GetRecordingResponseObject, error) {
	row, err := h.store.queries.GetRecording(ctx, request.AuditLogID)
	if err != nil {
		return nil, fail.OnNoRows(err, errNoLog)
	}
	c := caller.From(ctx)
	switch {
	case row.OrganizationID != nil && !c.In(*row.OrganizationID).Has(permission.OrgAuditRecordings):
		return nil, errNoLog
	case row.OrganizationID == nil && (row.AccountID == nil || *row.AccountID != c.AccountID):
		return nil, errNoLog
	case row.Size == 0:
		return nil, errNoRecording
	}
	answer := api.GetRecording200ApplicationResponse{ContentType: "application/json", ContentLength: row.Size}
	if row.Type == "guac" {
		answer.ContentType = "application/octet-stream"
	}
	answer.Headers.ContentDisposition = fmt.Sprintf(`attachment; filename="%d.%s.gz"`, request.AuditLogID, row.Type)
	stored := &reader{ctx: ctx, store: h.store, id: request.AuditLogID, last: -1}
	if accepted := request.Params.AcceptEncoding; accepted != nil && asset.Accepts(*accepted, "gzip") {
		coding := "gzip"
		answer.Headers.ContentEncoding, answer.Body = &coding, stored
		return answer, nil
	}
	// What comes in full is what has been stored in full: its end says how long it is.
	lines, err := gzip.NewReader(stored)
	answer.Body, answer.ContentLength = io.Reader(lines), row.Bytes
	return answer, err
}
