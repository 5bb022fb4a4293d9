package server

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/testdb"
	"github.com/nexterm-go/nexterm/internal/vault"
	"github.com/nexterm-go/nexterm/internal/ws"
)

const socketContract = `{
	"openapi": "3.0.3", "info": {"title": "t", "version": "1"},
	"components": {"securitySchemes": {"socketToken": {"type": "apiKey", "in": "query", "name": "sessionToken"}}},
	"paths": {"/api/ws/thing/{thingId}": {
		"parameters": [{"name": "thingId", "in": "path", "required": true, "x-message": "Invalid thing id", "schema": {"type": "integer"}}],
		"get": {
			"operationId": "openThing", "x-websocket": true, "x-permission": "users.view", "security": [{"socketToken": []}],
			"parameters": [
				{"name": "rows", "in": "query", "schema": {"type": "integer", "minimum": 1}},
				{"name": "name", "in": "query", "required": true, "schema": {"type": "string", "maxLength": 5}},
				{"name": "X-Tab", "in": "header", "schema": {"type": "string", "maxLength": 5}}
			],
			"responses": {"101": {"description": "d"}}
		}
	}}
}`

func socketOperations(t *testing.T, changes ...func(*openapi3.Operation)) ([]operation, error) {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData([]byte(socketContract))
	require.NoError(t, err)
	for _, change := range changes {
		change(document.Paths.Value("/api/ws/thing/{thingId}").Get)
	}
	return readOperations(document)
}

// socketServer serves openThing with a handler, and knows an administrator and
// somebody without permissions.
type socketServer struct {
	*server
	t      *testing.T
	url    string
	tokens map[string]string
	log    *lockedBuffer
}

type lockedBuffer struct {
	mu    sync.Mutex
	bytes bytes.Buffer
}

func (b *lockedBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes.Write(line)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes.String()
}

func serveSockets(t *testing.T, handler ws.Handler) *socketServer {
	t.Helper()
	pool, log := testdb.New(t), &lockedBuffer{}
	s := &server{
		pool: pool, queries: db.New(pool), metrics: newMetrics(pool), sockets: newSockets(), patience: time.Minute,
		log: slog.New(NewLogHandler(slog.NewJSONHandler(log, nil))),
	}
	all, err := socketOperations(t)
	require.NoError(t, err)
	before, err := s.middlewares(&openapi3.T{Paths: openapi3.NewPaths()}, all, nil)
	require.NoError(t, err)
	e := echo.New()
	e.HTTPErrorHandler = s.writeError
	e.Pre(s.observe)
	require.NoError(t, s.registerSockets(e, all, before, map[string]ws.Handler{"openThing": handler}))
	listener := httptest.NewServer(e)
	t.Cleanup(listener.Close)
	t.Cleanup(s.sockets.drain)
	tokens := map[string]string{}
	for _, name := range []string{"admin", "nobody"} {
		tokens[name] = vault.NewSessionToken()
		_, err := pool.Exec(t.Context(), `with a as (
			insert into accounts (username, first_name, last_name, password_hash) values ($1, 'A', 'B', 'x') returning id
		), g as (
			insert into group_members (group_id, account_id) select p.id, a.id from permission_groups p, a where p.is_admin and $1 = 'admin'
		) insert into sessions (account_id, token_hash, ip, user_agent) select id, $2, '127.0.0.1', 'seed' from a`, name, vault.HashToken(tokens[name]))
		require.NoError(t, err)
	}
	return &socketServer{s, t, listener.URL, tokens, log}
}

func (s *socketServer) dial(who, path, tab string) *websocket.Conn {
	s.t.Helper()
	conn, _, err := websocket.Dial(s.t.Context(), s.url+path+"&sessionToken="+s.tokens[who], &websocket.DialOptions{
		HTTPHeader: map[string][]string{"X-Tab": {tab}},
	})
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func closed(t *testing.T, conn *websocket.Conn) websocket.CloseError {
	t.Helper()
	_, _, err := conn.Read(t.Context())
	var ending websocket.CloseError
	require.ErrorAs(t, err, &ending)
	return ending
}

func TestGuardDecidesOnSockets(t *testing.T) {
	t.Parallel()
	s := serveSockets(t, func(context.Context, *ws.Conn, *caller.Caller, ws.Parameters) {
		t.Error("nobody is to be let in")
	})
	for _, refused := range []struct {
		who, path, tab string
		want           websocket.CloseError
	}{
		{"", "/api/ws/thing/7?name=x", "", websocket.CloseError{Code: 4001, Reason: "You need to provide the token in the 'sessionToken' parameter"}},
		{"nobody", "/api/ws/thing/0?rows=0", "", websocket.CloseError{Code: 1008, Reason: "Forbidden"}},
		{"admin", "/api/ws/thing/0?name=x", "", websocket.CloseError{Code: 1008, Reason: "Invalid thing id"}},
		{"admin", "/api/ws/thing/7?x", "", websocket.CloseError{Code: 1008, Reason: "name is required"}},
		{"admin", "/api/ws/thing/7?name=x&rows=0", "", websocket.CloseError{Code: 1008, Reason: "rows must be a positive number"}},
		{"admin", "/api/ws/thing/7?name=toolong", "", websocket.CloseError{Code: 1008, Reason: "name length must be less than or equal to 5 characters long"}},
		{"admin", "/api/ws/thing/7?name=x", "toolong", websocket.CloseError{Code: 1008, Reason: "X-Tab length must be less than or equal to 5 characters long"}},
	} {
		require.Equal(t, refused.want, closed(t, s.dial(refused.who, refused.path, refused.tab)), refused.path)
	}
	require.Eventually(t, func() bool {
		return strings.Count(s.log.String(), `"operation":"openThing","status":101,`) == 7 && strings.Count(s.log.String(), `"close":1008`) == 6
	}, 10*time.Second, 5*time.Millisecond, "every refusal is logged with its operation")
}

func TestSocketHandlersGetWhatTheContractNames(t *testing.T) {
	t.Parallel()
	got := make(chan ws.Parameters, 1)
	s := serveSockets(t, func(ctx context.Context, conn *ws.Conn, who *caller.Caller, parameters ws.Parameters) {
		if who != caller.From(ctx) || ctx.Err() != nil || caller.ClientFrom(ctx).IP != "127.0.0.1" {
			t.Error("the context is not the caller's")
		}
		got <- parameters
		conn.End(ws.PolicyViolation, "enough")
	})
	conn := s.dial("admin", "/api/ws/thing/7?name=x&rows=2.0&other=y", "t")
	require.Equal(t, websocket.CloseError{Code: 1008, Reason: "enough"}, closed(t, conn))
	parameters := <-got
	require.Equal(t, ws.Parameters{"thingId": "7", "name": "x", "rows": "2", "X-Tab": "t", "sessionToken": s.tokens["admin"]}, parameters)
	require.Equal(t, int64(2), parameters.Int("rows"))
	require.Zero(t, parameters.Int("absent"))
}

func TestPanicOfASocketHandlerIsACloseCode(t *testing.T) {
	t.Parallel()
	s := serveSockets(t, func(context.Context, *ws.Conn, *caller.Caller, ws.Parameters) { panic("oh no") })
	require.Equal(t, websocket.CloseError{Code: 1011, Reason: "Internal server error"}, closed(t, s.dial("admin", "/api/ws/thing/7?name=x", "")))
	require.Eventually(t, func() bool {
		return strings.Contains(s.log.String(), "oh no") && strings.Contains(s.log.String(), `"operation":"openThing"`)
	}, 10*time.Second, 5*time.Millisecond)
}

func TestStoppingServerEndsSocketsAndAdmitsNoMore(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	s := serveSockets(t, func(ctx context.Context, conn *ws.Conn, _ *caller.Caller, _ ws.Parameters) {
		close(begun)
		derived, cancel := context.WithCancel(ctx)
		defer cancel()
		<-derived.Done()
		conn.End(ws.GoingAway, ws.ShuttingDown)
	})
	goodbye := websocket.CloseError{Code: 1001, Reason: "The server is shutting down"}
	conn := s.dial("admin", "/api/ws/thing/7?name=x", "")
	<-begun
	drained := make(chan struct{})
	go func() { s.sockets.drain(); close(drained) }()
	require.Equal(t, goodbye, closed(t, conn))
	<-drained
	require.Equal(t, goodbye, closed(t, s.dial("admin", "/api/ws/thing/7?name=x", "")))
}

// A handler that returns leaves no open connection behind.
func TestSocketThatItsHandlerForgetsIsCut(t *testing.T) {
	t.Parallel()
	s := serveSockets(t, func(context.Context, *ws.Conn, *caller.Caller, ws.Parameters) {})
	_, _, err := s.dial("admin", "/api/ws/thing/7?name=x", "").Read(t.Context())
	require.ErrorIs(t, err, io.EOF)
}

func TestSocketsAndHandlersBelongTogether(t *testing.T) {
	t.Parallel()
	s := &server{sockets: newSockets()}
	all, err := socketOperations(t)
	require.NoError(t, err)
	handler := func(context.Context, *ws.Conn, *caller.Caller, ws.Parameters) {}
	require.EqualError(t, s.registerSockets(echo.New(), all, nil, nil), "contract: the WebSocket openThing has no handler")
	require.EqualError(t, s.registerSockets(echo.New(), all, nil, map[string]ws.Handler{"openThing": handler, "openOther": handler}),
		"contract: there is no WebSocket [openOther] to handle")
}

func TestWebSocketsThatCannotBe(t *testing.T) {
	t.Parallel()
	for message, change := range map[string]func(*openapi3.Operation){
		"contract: openThing is a WebSocket and takes no token in the query": func(o *openapi3.Operation) { o.Security = &openapi3.SecurityRequirements{} },
		"contract: openThing is a WebSocket and has a body or a limiter":     func(o *openapi3.Operation) { o.Extensions["x-rate-limit"] = "login" },
	} {
		_, err := socketOperations(t, change)
		require.EqualError(t, err, message)
	}
}
