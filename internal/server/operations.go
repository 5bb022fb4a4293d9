package server

import (
	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/internal/account"
	"github.com/nexterm-go/nexterm/internal/identity"
	"github.com/nexterm-go/nexterm/internal/organization"
	"github.com/nexterm-go/nexterm/internal/service"
	"github.com/nexterm-go/nexterm/internal/session"
)

type (
	accountHandlers      = account.Handlers
	identityHandlers     = identity.Handlers
	organizationHandlers = organization.Handlers
	serviceHandlers      = service.Handlers
	sessionHandlers      = session.Handlers
)

// operations is the whole API. An operation that is missing, or that two tags
// claim, does not compile.
type operations struct {
	*accountHandlers
	*identityHandlers
	*organizationHandlers
	*serviceHandlers
	*sessionHandlers
}

var _ api.StrictServerInterface = operations{}

func newOperations(o Options) operations {
	return operations{
		account.New(o.Pool),
		identity.New(o.Pool, o.Vault, o.Events),
		organization.New(o.Pool, o.Events),
		service.New(o.Pool, o.Version),
		session.New(o.Pool),
	}
}
