package openapi_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

var action = regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)+$`)

// event: an operation that changes something says which actions it records, as in
// [entry.create], or why it records none.
func (c *checker) event(place string, op *openapi3.Operation) {
	switch value := op.Extensions["x-event"].(type) {
	case nil:
		if !strings.HasPrefix(place, "GET ") {
			c.say("%s: x-event is missing", place)
		}
	case string:
		if reason, found := strings.CutPrefix(value, "none: "); !found || strings.TrimSpace(reason) == "" {
			c.say("%s: x-event %q gives no reason, as in \"none: <why>\"", place, value)
		}
	case []any:
		if len(value) == 0 {
			c.say("%s: x-event is empty", place)
		}
		seen := map[any]bool{}
		for _, name := range value {
			if text, _ := name.(string); !action.MatchString(text) {
				c.say("%s: x-event %v is no action such as entry.create", place, name)
			}
			if seen[name] {
				c.say("%s: x-event names %v twice", place, name)
			}
			seen[name] = true
		}
	default:
		c.say("%s: x-event is neither a list of actions nor a text", place)
	}
}

func TestEventsOfAnOperation(t *testing.T) {
	t.Parallel()
	for _, rule := range []struct {
		method string
		event  any
		broken []string
	}{
		{"GET", nil, nil},
		{"PUT", []any{"entry.create", "folder_mgmt.create"}, nil},
		{"PUT", "none: nothing is stored", nil},
		{"PUT", nil, []string{"PUT /: x-event is missing"}},
		{"PUT", []any{}, []string{"PUT /: x-event is empty"}},
		{"PUT", true, []string{"PUT /: x-event is neither a list of actions nor a text"}},
		{"PUT", "none: ", []string{`PUT /: x-event "none: " gives no reason, as in "none: <why>"`}},
		{"PUT", "entry.create", []string{`PUT /: x-event "entry.create" gives no reason, as in "none: <why>"`}},
		{"PUT", []any{"create", 1}, []string{
			"PUT /: x-event create is no action such as entry.create", "PUT /: x-event 1 is no action such as entry.create",
		}},
		{"PUT", []any{"entry.create", "entry.create"}, []string{"PUT /: x-event names entry.create twice"}},
	} {
		c := &checker{}
		c.event(rule.method+" /", &openapi3.Operation{Extensions: map[string]any{"x-event": rule.event}})
		require.Equal(t, rule.broken, c.broken)
	}
}
