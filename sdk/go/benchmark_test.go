package nexterm_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// What the client costs, beside the least that a program of its own would do.
func BenchmarkListIdentities(b *testing.B) {
	c := account(b, "bench")
	for i := range 200 {
		_, err := c.Identities.Create(b.Context(), nexterm.NewIdentity{Name: fmt.Sprintf("identity %d", i), Type: nexterm.IdentityTypePassword, Username: "deploy", Password: "secret"})
		if err != nil {
			b.Fatal(err)
		}
	}
	type identity struct {
		ID             int64   `json:"id"`
		Name           string  `json:"name"`
		Username       *string `json:"username"`
		Type           string  `json:"type"`
		OrganizationID *int64  `json:"organizationId"`
		AccountID      *int64  `json:"accountId"`
		Scope          string  `json:"scope"`
	}
	bare := func() (list []identity, err error) {
		request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, address+"/api/identity/list", nil)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+string(c.Token()))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		err = json.NewDecoder(response.Body).Decode(&list)
		return list, err
	}
	// By turns, so that whatever else the machine does falls on both.
	var sdk, plain []time.Duration
	for b.Loop() {
		begin := time.Now()
		list, err := c.Identities.List(b.Context())
		middle := time.Now()
		same, bareErr := bare()
		sdk, plain = append(sdk, middle.Sub(begin)), append(plain, time.Since(middle))
		if err != nil || bareErr != nil || len(list) != 200 || len(same) != 200 {
			b.Fatal(len(list), err, len(same), bareErr)
		}
	}
	slices.Sort(sdk)
	slices.Sort(plain)
	b.ReportMetric(float64(sdk[len(sdk)/2].Microseconds()), "µs-sdk")
	b.ReportMetric(float64(plain[len(plain)/2].Microseconds()), "µs-bare")
	b.ReportMetric(float64(sdk[len(sdk)/2])/float64(plain[len(plain)/2]), "sdk/bare")
}
