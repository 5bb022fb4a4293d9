package authprovider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	// answerTime is how long a provider may take for one answer, finishTime for all
	// those that a sign-in needs.
	answerTime = 10 * time.Second
	finishTime = 20 * time.Second
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 256 << 10
	// metadataTime is how long a provider's word about itself holds, keys included.
	metadataTime = 5 * time.Minute
)

// metadata remembers what providers say of themselves, by issuer.
type metadata struct {
	mu    sync.Mutex
	known map[string]described
}

type described struct {
	provider *oidc.Provider
	until    time.Time
}

func (m *metadata) get(issuer string) *oidc.Provider {
	m.mu.Lock()
	defer m.mu.Unlock()
	if found := m.known[issuer]; time.Now().Before(found.until) {
		return found.provider
	}
	return nil
}

func (m *metadata) put(issuer string, provider *oidc.Provider) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.known, func(_ string, d described) bool { return time.Now().After(d.until) })
	if m.known == nil {
		m.known = map[string]described{}
	}
	m.known[issuer] = described{provider, time.Now().Add(metadataTime)}
}

// reach returns a context in which the library sends its requests through the
// guarded client. No answer of a provider is a redirect, so none is followed.
func (h *Handlers) reach(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, h.outbound.Direct(maxAnswer, answerTime))
}

// connect finds out where a provider's endpoints and keys are.
func (h *Handlers) connect(ctx context.Context, issuer string) (*oidc.Provider, error) {
	if known := h.metadata.get(issuer); known != nil {
		return known, nil
	}
	// The networks that the operator allows may be others by now.
	if err := h.checkIssuer(ctx, issuer); err != nil {
		return nil, err
	}
	provider, err := oidc.NewProvider(h.reach(ctx), issuer)
	if err != nil {
		return nil, err
	}
	if err := checkEndpoints(provider, issuer); err != nil {
		return nil, err
	}
	h.metadata.put(issuer, provider)
	return provider, nil
}

// checkEndpoints refuses endpoints that are no web addresses, or for which a
// provider on https falls back to http.
func checkEndpoints(provider *oidc.Provider, issuer string) error {
	var more struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&more); err != nil {
		return err
	}
	endpoints := []string{provider.Endpoint().AuthURL, provider.Endpoint().TokenURL, more.Keys}
	if userInfo := provider.UserInfoEndpoint(); userInfo != "" {
		endpoints = append(endpoints, userInfo)
	}
	own, _, err := parseAddress(issuer)
	if err != nil {
		return err
	}
	for _, endpoint := range endpoints {
		u, _, err := parseAddress(endpoint)
		if err != nil {
			return fmt.Errorf("endpoint: %w", err)
		}
		if own.Scheme == "https" && u.Scheme != "https" {
			return fmt.Errorf("the endpoint %q is not on https", endpoint)
		}
	}
	return nil
}

// client is this server in its role towards a provider.
func client(provider *oidc.Provider, id, redirectURI, secret string) (*oauth2.Config, error) {
	var supported struct {
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := provider.Claims(&supported); err != nil {
		return nil, err
	}
	endpoint := provider.Endpoint()
	// Trying one way after the other would use up the code with the first.
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if secret == "" || len(supported.Methods) > 0 && !slices.Contains(supported.Methods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{ClientID: id, ClientSecret: secret, Endpoint: endpoint, RedirectURL: redirectURI}, nil
}

// scopes always has openid among them, without which there is no ID token.
func scopes(text string) []string {
	asked := strings.Fields(text)
	if !slices.Contains(asked, oidc.ScopeOpenID) {
		asked = append([]string{oidc.ScopeOpenID}, asked...)
	}
	return asked
}

// maxReason bounds what the log keeps of foreign words, in bytes.
const maxReason = 200

// reason is what the log says of a provider's failure. The token endpoint's
// answers are left out: they could repeat what they were sent.
func reason(err error) string {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		err = fmt.Errorf("the token endpoint answers %s %q", refused.Response.Status, refused.ErrorCode)
	}
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), maxReason)], "")
}
