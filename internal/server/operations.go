package server

import (
	"context"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/account"
	"github.com/nexterm-go/nexterm/internal/apikey"
	"github.com/nexterm-go/nexterm/internal/audit"
	"github.com/nexterm-go/nexterm/internal/authprovider"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/connection"
	"github.com/nexterm-go/nexterm/internal/contentsource"
	"github.com/nexterm-go/nexterm/internal/device"
	"github.com/nexterm-go/nexterm/internal/entry"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/feed"
	"github.com/nexterm-go/nexterm/internal/file"
	"github.com/nexterm-go/nexterm/internal/folder"
	"github.com/nexterm-go/nexterm/internal/group"
	"github.com/nexterm-go/nexterm/internal/hostkey"
	"github.com/nexterm-go/nexterm/internal/identity"
	"github.com/nexterm-go/nexterm/internal/keymap"
	"github.com/nexterm-go/nexterm/internal/live"
	"github.com/nexterm-go/nexterm/internal/monitoring"
	"github.com/nexterm-go/nexterm/internal/organization"
	"github.com/nexterm-go/nexterm/internal/passkey"
	"github.com/nexterm-go/nexterm/internal/recording"
	"github.com/nexterm-go/nexterm/internal/remote"
	"github.com/nexterm-go/nexterm/internal/script"
	"github.com/nexterm-go/nexterm/internal/serverinfo"
	"github.com/nexterm-go/nexterm/internal/session"
	"github.com/nexterm-go/nexterm/internal/snippet"
	"github.com/nexterm-go/nexterm/internal/tag"
	"github.com/nexterm-go/nexterm/internal/totp"
	"github.com/nexterm-go/nexterm/internal/user"
	"github.com/nexterm-go/nexterm/internal/ws"
)

type (
	accountHandlers       = account.Handlers
	apikeyHandlers        = apikey.Handlers
	connectionHandlers    = connection.Handlers
	auditHandlers         = audit.Handlers
	deviceHandlers        = device.Handlers
	entryHandlers         = entry.Handlers
	fileHandlers          = file.Handlers
	folderHandlers        = folder.Handlers
	hostkeyHandlers       = hostkey.Handlers
	identityHandlers      = identity.Handlers
	keymapHandlers        = keymap.Handlers
	monitoringHandlers    = monitoring.Handlers
	organizationHandlers  = organization.Handlers
	passkeyHandlers       = passkey.Handlers
	authproviderHandlers  = authprovider.Handlers
	groupHandlers         = group.Handlers
	remoteHandlers        = remote.Handlers
	recordingHandlers     = recording.Handlers
	scriptHandlers        = script.Handlers
	serverinfoHandlers    = serverinfo.Handlers
	sessionHandlers       = session.Handlers
	snippetHandlers       = snippet.Handlers
	contentsourceHandlers = contentsource.Handlers
	tagHandlers           = tag.Handlers
	totpHandlers          = totp.Handlers
	userHandlers          = user.Handlers
)

// operations is the whole API. An operation that is missing, or that two tags
// claim, does not compile.
type operations struct {
	*accountHandlers
	*apikeyHandlers
	*auditHandlers
	*connectionHandlers
	*deviceHandlers
	*entryHandlers
	*fileHandlers
	*folderHandlers
	*hostkeyHandlers
	*identityHandlers
	*keymapHandlers
	*monitoringHandlers
	*organizationHandlers
	*passkeyHandlers
	*authproviderHandlers
	*groupHandlers
	*remoteHandlers
	*recordingHandlers
	*scriptHandlers
	*serverinfoHandlers
	*sessionHandlers
	*snippetHandlers
	*contentsourceHandlers
	*tagHandlers
	*totpHandlers
	*userHandlers
}

var _ api.StrictServerInterface = operations{}

func newOperations(o Options, contract *openapi3.T) operations {
	q, changes := db.New(o.Pool), o.Changes
	return operations{
		account.New(q, changes),
		apikey.New(q, changes),
		audit.New(q, changes),
		connection.New(q, changes, o.Vault, o.Live),
		device.New(q, changes),
		entry.New(o.Pool, changes, rules(contract, "NewEntry"), o.ListBytes),
		file.New(q, changes, o.Live, o.Connections.MaxUpload, o.Log),
		folder.New(q, changes),
		hostkey.New(q, changes, o.Log),
		identity.New(q, changes, o.Vault),
		keymap.New(q, changes),
		monitoring.New(q, changes, o.Log),
		organization.New(q, changes),
		passkey.New(q, changes, o.PublicURLs),
		authprovider.New(q, changes, o.Vault, o.Outbound, o.PublicURLs, o.Log),
		group.New(q, changes),
		remote.New(q, changes, o.Live, o.SessionIdleDays, o.PingInterval, o.Log),
		recording.New(o.Recordings),
		script.New(q, changes),
		serverinfo.New(q, o.Version, o.Limits),
		session.New(q, changes, o.Vault),
		snippet.New(q, changes),
		contentsource.New(o.Syncer, o.Jobs),
		tag.New(q, changes),
		totp.New(q, changes, o.Vault),
		user.New(q, changes, o.Log),
	}
}

// socketHandlers serve the operations that are WebSockets, by operationId. One that
// is missing, or that the contract does not have, keeps the server from starting.
func socketHandlers(feed *feed.Hub, connections *live.Registry, remote *remote.Handlers, files *file.Handlers) map[string]ws.Handler {
	return map[string]ws.Handler{
		assistantSocket.id: closeAssistant,
		"openStateSocket": func(_ context.Context, conn *ws.Conn, who *caller.Caller, p ws.Parameters) {
			feed.Serve(conn, who, p["tabId"], p["browserId"])
		},
		"openTerminalSocket": connections.ServeTerminal,
		"openTunnel":         remote.OpenTunnel,
		"openFileSocket":     files.ServeSocket,
		"openDesktopSocket":  connections.ServeDesktop,
	}
}

// stateLists are what the live feed sends, each exactly as its operation
// answers it.
func stateLists(o operations) map[event.List]func(context.Context) (any, error) {
	return map[event.List]func(context.Context) (any, error){
		event.Entries: func(ctx context.Context) (any, error) {
			return o.ListEntryTree(ctx, api.ListEntryTreeRequestObject{})
		},
		event.Identities: func(ctx context.Context) (any, error) {
			return o.ListIdentities(ctx, api.ListIdentitiesRequestObject{})
		},
		event.LiveSessions: func(ctx context.Context) (any, error) { return o.ListLiveSessions(ctx) },
		event.Connections:  func(ctx context.Context) (any, error) { return o.List(ctx) },
		event.Snippets: func(ctx context.Context) (any, error) {
			return o.ListSnippets(ctx, api.ListSnippetsRequestObject{})
		},
	}
}
