// Package event owns what can happen: the vocabulary of actions, what is told of
// each, and how readers follow what has happened, on every server of a
// deployment. It does not write events; package change does.
package event

import (
	"time"

	"github.com/nexterm-go/nexterm/internal/caller"
)

// List names a list that clients draw.
type List string

// The lists, as they are called on the state socket.
const (
	Entries      List = "ENTRIES"
	Identities   List = "IDENTITIES"
	Snippets     List = "SNIPPETS"
	Connections  List = "CONNECTIONS"
	LiveSessions List = "LIVE_SESSIONS"
)

// AllLists are what a membership puts things into.
var AllLists = []List{Entries, Identities, Snippets, Connections, LiveSessions}

// Details is flat: texts, numbers, booleans and lists of them. Never a secret.
type Details map[string]any

// Event is one thing that happened. It does not carry the changed data: who is
// told reads it anew, with its own rights.
type Event struct {
	Action Action `json:"action"`
	// Owner is whose thing it happened to, 0 for the server's own. It decides whose
	// lists are out of date and whose audit log tells of it.
	Owner caller.Owner `json:"scope"`
	// ResourceID is 0 for resources without an id.
	ResourceID int64 `json:"resourceId"`
	// AuditID is the audit row's, where something refers to that; 0 takes the next one.
	AuditID int64 `json:"auditId,omitempty"`
	// Reason is what the actor has given for it.
	Reason  string  `json:"reason,omitempty"`
	Details Details `json:"details"`
	// Lists are out of date for the owner: the account, or the active members of the
	// organization. Nil stands for those that the action always makes so.
	Lists []List `json:"lists,omitempty"`
	// Accounts are those for whom AccountLists are out of date, members or not.
	Accounts     []int64 `json:"accounts,omitempty"`
	AccountLists []List  `json:"accountLists,omitempty"`
	// EndedSessions are login sessions that do not hold any more.
	EndedSessions []int64 `json:"endedSessions,omitempty"`
}

// SessionEnd tells that a login session does not hold any more, by whose hand it
// may be.
func SessionEnd(accountID, sessionID int64, impersonatorID *int64) Event {
	e := Event{Action: SessionDelete, Owner: caller.Account(accountID), ResourceID: sessionID, EndedSessions: []int64{sessionID}}
	if impersonatorID != nil {
		e.Action = ImpersonationEnd
	}
	return e
}

// Committed is an event as readers see it. Transaction and ID are its place in
// the one order of all events.
type Committed struct {
	Event
	Transaction    int64            `json:"transaction"`
	ID             int64            `json:"id"`
	Timestamp      time.Time        `json:"timestamp"`
	Actor          caller.ActorKind `json:"actor"`
	AccountID      int64            `json:"accountId"`
	SessionID      int64            `json:"sessionId"`
	APIKeyID       int64            `json:"apiKeyId"`
	ImpersonatorID int64            `json:"impersonatorId"`
}
