package authprovider_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/authprovider"
)

type canned string

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(c)))}, nil
}

// A provider on https does not send the client's secret over http.
func TestEndpointsAreAsSafeAsTheirIssuer(t *testing.T) {
	t.Parallel()
	check := func(endpoints ...string) error {
		about := fmt.Sprintf(`{"issuer": "https://id.example.com", "authorization_endpoint": %q, "token_endpoint": %q, "jwks_uri": %q, "userinfo_endpoint": %q}`,
			endpoints[0], endpoints[1], endpoints[2], endpoints[3])
		ctx := oidc.ClientContext(context.Background(), &http.Client{Transport: canned(about)})
		p, err := oidc.NewProvider(ctx, "https://id.example.com")
		require.NoError(t, err)
		return authprovider.CheckEndpoints(p, "https://id.example.com")
	}
	require.NoError(t, check("https://a.example", "https://b.example", "https://c.example", "https://d.example"))
	require.NoError(t, check("https://a.example", "https://b.example", "https://c.example", ""))
	for i := range 4 {
		for _, wrong := range []string{"http://a.example", "javascript:alert(1)", "//a.example", "https://u:p@a.example", "file:///etc/passwd"} {
			endpoints := []string{"https://a.example", "https://b.example", "https://c.example", "https://d.example"}
			endpoints[i] = wrong
			require.Error(t, check(endpoints...), wrong)
		}
	}
}

func TestReasonsAreShort(t *testing.T) {
	t.Parallel()
	require.Len(t, authprovider.Reason(errors.New(strings.Repeat("ü", 500))), 200)
	require.True(t, strings.HasSuffix(authprovider.Reason(errors.New("x"+strings.Repeat("ü", 500))), "ü"))
}
