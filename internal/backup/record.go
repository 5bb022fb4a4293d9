package backup

import (
	"context"
	"fmt"
	"time"

	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
)

// RecordCreate has the audit log tell of a backup that is about to be made, as nobody
// knows how much of one has left that is not finished.
func RecordCreate(ctx context.Context, changes *change.Changes, to string, keys Keys) error {
	details := event.Details{"name": to}
	if len(keys.Recipients) > 0 {
		readers := make([]string, len(keys.Recipients))
		for i, r := range keys.Recipients {
			readers[i] = fmt.Sprint(r)
		}
		details["recipients"] = readers
	}
	return changes.Record(ctx, event.Event{Action: event.BackupCreate, Details: details})
}

// RecordRestore has the audit log of a restored database tell that it is one.
func RecordRestore(ctx context.Context, changes *change.Changes, from string, m Manifest) error {
	return changes.Record(ctx, event.Event{
		Action: event.BackupRestore, Details: event.Details{"name": from, "madeAt": m.Time.UTC().Format(time.RFC3339)},
	})
}
