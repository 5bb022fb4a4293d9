// Package server owns HTTP: routing, the guard before every operation, errors,
// limits, logs and metrics. It is the only package that knows Echo. It does not
// know what the operations do.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/nexterm-go/nexterm/gen"
	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/contentsource"
	"github.com/nexterm-go/nexterm/internal/docs"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/feed"
	"github.com/nexterm-go/nexterm/internal/guacamole"
	"github.com/nexterm-go/nexterm/internal/job"
	"github.com/nexterm-go/nexterm/internal/live"
	"github.com/nexterm-go/nexterm/internal/origin"
	"github.com/nexterm-go/nexterm/internal/outbound"
	"github.com/nexterm-go/nexterm/internal/recording"
	"github.com/nexterm-go/nexterm/internal/remote"
	"github.com/nexterm-go/nexterm/internal/statuspage"
	"github.com/nexterm-go/nexterm/internal/vault"
	"github.com/nexterm-go/nexterm/internal/webclient"
)

const (
	// DefaultLoginLimit is how many failed sign-ins one network has in 15 minutes. It
	// may begin five times as many with OpenID Connect.
	DefaultLoginLimit = 20
	// DefaultDeviceLimit is how many device codes one network may ask for in an
	// hour without a credential.
	DefaultDeviceLimit = 10
)

// Where machines ask how the server is.
const (
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// readyTimeout is how long /readyz waits for the database.
const readyTimeout = 2 * time.Second

// Connections are the bounds of live connections; 0 stands for the presets.
type Connections struct {
	Most                     int
	IdleTime, HibernatedTime time.Duration
	// NodeURL is where the other servers of the database reach this one.
	NodeURL string
	// MaxUpload bounds a file that is uploaded, in bytes; 0 does not.
	MaxUpload int64
	// Guacd shows desktops, where there is one.
	Guacd guacamole.Daemon
}

// Options are what a server is made of.
type Options struct {
	Pool    *pgxpool.Pool
	Vault   *vault.Vault
	Events  *event.Log
	Changes *change.Changes
	// Outbound is for requests to addresses that people type in.
	Outbound *outbound.Client
	// Syncer is shared with what works the jobs that Jobs enqueues.
	Syncer *contentsource.Syncer
	Jobs   *job.Client
	// Live are the connections of this server, and Connections how they are kept.
	Live        *live.Registry
	Connections Connections
	// Recordings are what terminals have shown.
	Recordings *recording.Store
	// Collectors are shown to Prometheus besides the server's own.
	Collectors []prometheus.Collector
	Log        *slog.Logger
	Version    string
	Trust      ProxyTrust
	// LoginLimit overrides DefaultLoginLimit when it is not 0.
	LoginLimit int
	// Limits override the preset ones of what an owner can have.
	Limits change.Limits
	// SourceBytes and SourcesBytes bound what is kept of one source and of all; 0 is
	// the source package's own.
	SourceBytes, SourcesBytes int64
	// PingInterval and WriteTimeout override the live feed's when they are not 0. Other
	// answers have the same time to be read, each part of them.
	PingInterval, WriteTimeout time.Duration
	// ListBytes overrides, when it is not 0, how long a list of entries may be, and those
	// that come in pages on state sockets.
	ListBytes int
	// DeviceLimit overrides DefaultDeviceLimit when it is not 0.
	DeviceLimit int
	// SessionIdleDays end login sessions that are not used for so long, unless it is 0.
	SessionIdleDays int32
	// PublicURLs are the origins that passkeys are accepted from and OpenID Connect
	// leads back to. With none, it is the host that a request itself names, and
	// wherever an administrator says.
	PublicURLs []origin.Origin
	// Web has a client to serve wherever the server has nothing itself, unless it is empty.
	Web webclient.Folder
}

// Server is the handler of all requests, and what runs besides them.
type Server struct {
	http.Handler
	feed    *feed.Hub
	remote  *remote.Handlers
	sockets *sockets
	leaving *atomic.Bool
}

// Leave makes /readyz answer 503, for proxies to send requests elsewhere. All of
// them are served as before.
func (s *Server) Leave() { s.leaving.Store(true) }

// Run keeps the live feed and the rights of what runs on hosts up to date until the context
// ends. Then it ends all open sockets and waits for that, because stopping the HTTP server
// does not.
func (s *Server) Run(ctx context.Context) {
	context.AfterFunc(ctx, s.sockets.stop)
	var working sync.WaitGroup
	working.Go(func() { s.remote.Run(ctx) })
	s.feed.Run(ctx)
	working.Wait()
	s.sockets.drain()
}

// Following is closed when the live feed has begun to hear of changes.
func (s *Server) Following() <-chan struct{} { return s.feed.Following }

type server struct {
	pool    *pgxpool.Pool
	queries *db.Queries
	log     *slog.Logger
	trust   ProxyTrust
	metrics *metrics
	sockets *sockets
	live    *live.Registry
	turns   turns
	leaving atomic.Bool
	version string
	began   time.Time
	// patience is how long a client may take to read a part of an answer.
	patience time.Duration

	sessionIdleDays int32
}

// readContract reads it once: that takes longer than all else that New does, and
// tests start many servers.
var readContract = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(gen.Contract) })

// New builds a whole server from the contract. It fails when
// the contract asks for something that the server does not have.
func New(options Options) (*Server, error) {
	contract, err := readContract()
	if err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	all := newOperations(options, contract)
	hub := feed.New(feed.Options{
		Pool: options.Pool, Events: options.Events, Log: options.Log, Lists: stateLists(all), Presence: all.Presence,
		PingInterval: options.PingInterval, WriteTimeout: options.WriteTimeout, SessionIdleDays: options.SessionIdleDays,
		MaxSockets: options.Limits.Of(change.StateSockets), ListBytes: options.ListBytes,
	})
	s := &server{
		pool:     options.Pool,
		queries:  db.New(options.Pool),
		log:      options.Log,
		trust:    options.Trust,
		metrics:  newMetrics(options.Pool),
		sockets:  newSockets(),
		live:     options.Live,
		turns:    newTurns(),
		version:  options.Version,
		began:    time.Now(),
		patience: cmp.Or(options.WriteTimeout, feed.DefaultWriteTimeout),

		sessionIdleDays: options.SessionIdleDays,
	}
	s.metrics.count(hub)
	s.metrics.registry.MustRegister(options.Collectors...)
	if options.LoginLimit == 0 {
		options.LoginLimit = DefaultLoginLimit
	}
	if options.DeviceLimit == 0 {
		options.DeviceLimit = DefaultDeviceLimit
	}
	guarded, err := readOperations(contract)
	if err != nil {
		return nil, err
	}
	guarded = append(guarded, assistantSocket)
	middlewares, err := s.middlewares(contract, guarded, limiters(options.LoginLimit, options.DeviceLimit))
	if err != nil {
		return nil, err
	}

	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.writeError
	e.Pre(s.observe, aliases(contract))
	if options.Web != "" {
		e.Pre(serveClient(options.Web))
	}
	router := heads{e}
	router.GET(healthPath, s.healthz)
	router.GET(readyPath, s.readyz)
	router.GET("/metrics", echo.WrapHandler(s.metrics.handler()))
	router.GET("/api/openapi.json", serveContract, transfer)
	explorer := echo.WrapHandler(docs.Handler(gen.Samples))
	router.GET(docs.Mount, explorer)
	router.GET(docs.Mount+"/*", explorer)
	status := echo.WrapHandler(statuspage.Handler())
	router.GET(statuspage.Mount, status)
	router.GET(statuspage.Mount+"/*", status)
	api.RegisterHandlersWithOptions(router, api.NewStrictHandler(all, []api.StrictMiddlewareFunc{streamLists}), api.RegisterHandlersOptions{
		OperationMiddlewares: middlewares,
	})
	s.registerAbsences(router, contract)
	if err := s.registerSockets(e, guarded, middlewares, socketHandlers(hub, options.Live, all.remoteHandlers, all.fileHandlers)); err != nil {
		return nil, err
	}
	return &Server{e, hub, all.remoteHandlers, s.sockets, &s.leaving}, nil
}

// middlewares builds what stands before each operation: its name in the log, its
// deadline, who calls where that is optional, its limiter and its guard. WebSockets
// meet the guard after their upgrade, and have deadlines of their own.
func (s *server) middlewares(contract *openapi3.T, operations []operation, limiters map[string]limiter) (map[string][]echo.MiddlewareFunc, error) {
	all := map[string][]echo.MiddlewareFunc{}
	for _, o := range operations {
		var chain []echo.MiddlewareFunc
		if strings.HasSuffix(o.route, "}") {
			chain = append(chain, exact(contract))
		}
		chain = append(chain, s.named(o.id))
		switch {
		case o.stream:
			chain = append(chain, s.streams)
		case !o.websocket:
			chain = append(chain, s.deadline(o.timeout))
		}
		if o.optional && !o.websocket {
			chain = append(chain, s.identify)
		}
		if o.limiter != "" {
			l, known := limiters[o.limiter]
			if !known {
				return nil, fmt.Errorf("contract: %s names the unknown limiter %s", o.id, o.limiter)
			}
			chain = append(chain, s.limit(l))
		}
		if o.passedOn {
			chain = append(chain, s.passOn)
		}
		if !o.websocket {
			chain = append(chain, s.guard(o))
		}
		if o.transferred {
			chain = append(chain, transfer)
		}
		all[o.id] = chain
	}
	return all, nil
}

// serveClient serves the web client at paths that are nothing else, and outside the API. A route
// for them would take the place of the router's answers to wrong methods.
func serveClient(folder webclient.Folder) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			err, r := next(c), c.Request()
			inAPI := r.URL.Path == "/api" || strings.HasPrefix(r.URL.Path, "/api/")
			if !errors.Is(err, echo.ErrNotFound) || inAPI || r.Method != http.MethodGet && r.Method != http.MethodHead {
				return err
			}
			// What a client reads slowly is a file, which costs no memory.
			c.Response().Writer.(*hurrying).end = time.Now().Add(time.Hour)
			err = folder.Serve(c.Response(), r)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return echo.ErrNotFound
			case errors.Is(err, webclient.ErrAway):
				return fail.Busy("The web client is not there. Please try again later.")
			}
			return err
		}
	}
}

func serveContract(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "no-cache")
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, gen.OpenAPI)
}

// healthz says that the process answers.
func (s *server) healthz(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

// readyz says that requests can be served, and will be: the database answers, and
// the server does not stop soon.
func (s *server) readyz(c echo.Context) error {
	if s.leaving.Load() {
		return errLeaving
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyTimeout)
	defer cancel()
	if err := s.pool.Ping(ctx); err != nil {
		return errDatabaseAway
	}
	return c.String(http.StatusOK, "ready\n")
}
