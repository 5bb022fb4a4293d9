package server

import (
	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/internal/account"
	"github.com/nexterm-go/nexterm/internal/audit"
	"github.com/nexterm-go/nexterm/internal/identity"
	"github.com/nexterm-go/nexterm/internal/job"
	"github.com/nexterm-go/nexterm/internal/organization"
	"github.com/nexterm-go/nexterm/internal/script"
	"github.com/nexterm-go/nexterm/internal/service"
	"github.com/nexterm-go/nexterm/internal/session"
	"github.com/nexterm-go/nexterm/internal/snippet"
	"github.com/nexterm-go/nexterm/internal/source"
	"github.com/nexterm-go/nexterm/internal/user"
)

type (
	accountHandlers      = account.Handlers
	auditHandlers        = audit.Handlers
	identityHandlers     = identity.Handlers
	organizationHandlers = organization.Handlers
	scriptHandlers       = script.Handlers
	serviceHandlers      = service.Handlers
	sessionHandlers      = session.Handlers
	snippetHandlers      = snippet.Handlers
	sourceHandlers       = source.Handlers
	userHandlers         = user.Handlers
)

// operations is the whole API. An operation that is missing, or that two tags
// claim, does not compile.
type operations struct {
	*accountHandlers
	*auditHandlers
	*identityHandlers
	*organizationHandlers
	*scriptHandlers
	*serviceHandlers
	*sessionHandlers
	*snippetHandlers
	*sourceHandlers
	*userHandlers
}

var _ api.StrictServerInterface = operations{}

func newOperations(o Options, jobs *job.Client) operations {
	return operations{
		account.New(o.Pool),
		audit.New(o.Pool, o.Events),
		identity.New(o.Pool, o.Vault, o.Events),
		organization.New(o.Pool, o.Events),
		script.New(o.Pool),
		service.New(o.Pool, o.Version),
		session.New(o.Pool),
		snippet.New(o.Pool, o.Events),
		source.New(source.NewSyncer(o.Pool, o.Outbound, o.Log), jobs),
		user.New(o.Pool, o.Events),
	}
}
