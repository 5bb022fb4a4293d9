package caller

import "context"

// ActorKind tells accounts, and the ways in which they act, from what acts without one.
type ActorKind string

// The kinds of actors, as stored and answered.
const (
	BySession       ActorKind = "session"
	ByAPIKey        ActorKind = "api_key"
	ByImpersonation ActorKind = "impersonation"
	// ByJob is background work.
	ByJob ActorKind = "job"
	// ByOperator is the person at the machine's command line.
	ByOperator ActorKind = "operator"
	// BySystem is the server itself, and whoever has not proved who it is.
	BySystem ActorKind = "system"
)

// Actor is who brings a change about. Ids that do not apply are 0.
type Actor struct {
	Kind                                           ActorKind
	AccountID, SessionID, APIKeyID, ImpersonatorID int64
}

type actorKey struct{}

// WithActor lets what follows be done by the kind of actor that has no account.
func WithActor(ctx context.Context, kind ActorKind) context.Context {
	return context.WithValue(ctx, actorKey{}, kind)
}

// ActorFrom tells who acts: the caller of the request, else whom WithActor has
// named, else the system.
func ActorFrom(ctx context.Context) Actor {
	c := Optional(ctx)
	switch {
	case c == nil:
		kind, named := ctx.Value(actorKey{}).(ActorKind)
		if !named {
			kind = BySystem
		}
		return Actor{Kind: kind}
	case c.APIKeyID != 0:
		return Actor{Kind: ByAPIKey, AccountID: c.AccountID, APIKeyID: c.APIKeyID}
	case c.ImpersonatorID != 0:
		return Actor{Kind: ByImpersonation, AccountID: c.AccountID, SessionID: c.SessionID, ImpersonatorID: c.ImpersonatorID}
	}
	return Actor{Kind: BySession, AccountID: c.AccountID, SessionID: c.SessionID}
}
