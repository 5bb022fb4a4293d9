package live

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/vault"
	"github.com/nexterm-go/nexterm/internal/ws"
)

const (
	// PassedOn is the header by which servers know what others of them pass on. It says
	// when that was, and whose request it is, sealed for the request's query.
	PassedOn = "X-Nexterm-Passed-On" //nolint:gosec // no credential, but a name
	// passedTime is how long it holds; clocks differ.
	passedTime = 2 * time.Minute
)

// Nodes reaches other servers, past any proxy that the environment names for the rest of
// the world: what is passed on has tokens in it.
var Nodes = nodes()

func nodes() *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // Go's own
	transport.Proxy = nil
	return transport
}

// Elsewhere is where the other server is reached that holds a connection; empty for
// one that is here, and for one that is not reached.
func (r *Registry) Elsewhere(ctx context.Context, node uuid.UUID) (string, error) {
	if node == r.Node {
		return "", nil
	}
	address, err := r.Queries.GetNode(ctx, node)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return address, err
}

// Pass makes the header for a request with this query, of the client of the context.
func (r *Registry) Pass(ctx context.Context, query string) (string, error) {
	text := fmt.Sprintf("%d %s", time.Now().Unix(), caller.ClientFrom(ctx).IP)
	sealed, err := r.Vault.Seal("nodes", 0, "passed-on", vault.Secret(text), query)
	return base64.RawURLEncoding.EncodeToString(sealed.Ciphertext), err
}

// Passed reads the header of a request with this query: the address of its client.
func (r *Registry) Passed(header, query string) (ip string, is bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil || header == "" {
		return "", false
	}
	text, err := r.Vault.Open("nodes", 0, "passed-on", sealed, query)
	if err != nil {
		return "", false
	}
	at, ip, _ := strings.Cut(string(text), " ")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > passedTime {
		return "", false
	}
	return ip, true
}

// relay has the server that holds a connection serve its socket, and reports whether
// there is one that did.
func (r *Registry) relay(ctx context.Context, conn *ws.Conn, node uuid.UUID, path string, parameters ws.Parameters) bool {
	if caller.ClientFrom(ctx).PassedOn {
		return false
	}
	address, err := r.Elsewhere(ctx, node)
	if err != nil || address == "" {
		return false
	}
	query := url.Values{}
	for name, value := range parameters {
		if value != "" {
			query.Set(name, value)
		}
	}
	encoded := query.Encode()
	header, err := r.Pass(ctx, encoded)
	if err != nil {
		return false
	}
	return ws.Relay(ctx, conn, &http.Client{Transport: Nodes}, strings.TrimSuffix(address, "/")+path+"?"+encoded, http.Header{PassedOn: {header}}, maxMessage)
}
