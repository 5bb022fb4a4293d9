package server

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/internal/account"
	"github.com/nexterm-go/nexterm/internal/audit"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/identity"
	"github.com/nexterm-go/nexterm/internal/organization"
	"github.com/nexterm-go/nexterm/internal/role"
	"github.com/nexterm-go/nexterm/internal/service"
	"github.com/nexterm-go/nexterm/internal/session"
	"github.com/nexterm-go/nexterm/internal/user"
)

type (
	accountHandlers      = account.Handlers
	auditHandlers        = audit.Handlers
	identityHandlers     = identity.Handlers
	organizationHandlers = organization.Handlers
	roleHandlers         = role.Handlers
	serviceHandlers      = service.Handlers
	sessionHandlers      = session.Handlers
	userHandlers         = user.Handlers
)

// operations is the whole API. An operation that is missing, or that two tags
// claim, does not compile.
type operations struct {
	*accountHandlers
	*auditHandlers
	*identityHandlers
	*organizationHandlers
	*roleHandlers
	*serviceHandlers
	*sessionHandlers
	*userHandlers
}

var _ api.StrictServerInterface = operations{}

func newOperations(o Options) operations {
	return operations{
		account.New(o.Pool),
		audit.New(o.Pool, o.Events),
		identity.New(o.Pool, o.Vault, o.Events),
		organization.New(o.Pool, o.Events),
		role.New(o.Pool),
		service.New(o.Pool, o.Version),
		session.New(o.Pool, o.Events),
		user.New(o.Pool, o.Events, o.Log),
	}
}

// stateLists are what the live feed sends, each exactly as its operation
// answers it.
func stateLists(o operations) map[event.Topic]func(context.Context) (any, error) {
	return map[event.Topic]func(context.Context) (any, error){
		event.Identities: func(ctx context.Context) (any, error) {
			return o.ListIdentities(ctx, api.ListIdentitiesRequestObject{})
		},
	}
}
