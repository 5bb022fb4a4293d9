package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/api"
)

// dearest is how many bytes a request's body may cost for each of its own.
const dearest = 10

// fillings make texts of a length that stand for much.
var fillings = map[string]func(length int) string{
	"numbers":  filling("[", "0,", "0]"),
	"doubles":  filling("[", "1e308,", "0]"),
	"texts":    filling("[", `"",`, `""]`),
	"arrays":   filling("[", "[],", "[]]"),
	"members":  filling("[", `{"a":0},`, "{}]"),
	"names":    filling("{", `"#":0,`, `"x":0}`),
	"crowds":   filling("[", filling("{", `"#":0,`, `"x":0}`)(8000)+",", "0]"),
	"servers":  filling("[", `{"identities":[`+strings.Repeat("1,", 800)+"1]},", "{}]"),
	"nested":   filling("[", strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+",", "0]"),
	"escapes":  filling(`"`, `\u0041`, `"`),
	"brackets": filling(`"`, `<`, `"`),
}

// filling repeats a text; a # in it is another number each time.
func filling(first, again, last string) func(length int) string {
	made := map[int]string{}
	return func(length int) string {
		if made[length] == "" {
			var b strings.Builder
			b.WriteString(first)
			for i := 0; b.Len() < length; i++ {
				b.WriteString(strings.ReplaceAll(again, "#", strconv.FormatInt(int64(i), 36)))
			}
			made[length] = b.String() + last
		}
		return made[length]
	}
}

var errBound = errors.New("the body is bound")

// TestNoBodyCostsMuch fills every place of every body with each filling. Bodies that are
// right are bound, too.
func TestNoBodyCostsMuch(t *testing.T) {
	e := echo.New()
	api.RegisterHandlers(e, api.NewStrictHandler(nil, []api.StrictMiddlewareFunc{func(api.StrictHandlerFunc, string) api.StrictHandlerFunc {
		return func(echo.Context, any) (any, error) { return nil, errBound }
	}}))
	bound := 0
	all, err := readOperations(contract(t))
	require.NoError(t, err)
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.id, b.id) })
	for _, o := range all {
		if o.body == nil {
			continue
		}
		worst, blame := 0.0, ""
		for label, wrapped := range wrappings(o.body) {
			for name, f := range fillings {
				body := wrapped[0] + f(int(o.bodyLimit)*9/10) + wrapped[1]
				cost, whole := o.cost(e, body)
				if whole {
					bound++
				}
				if cost > worst {
					worst, blame = cost, label+": "+name
				}
			}
		}
		t.Logf("%-28s %5.1f  %s", o.id, worst, blame)
		if worst > dearest {
			t.Errorf("%s costs %.1f bytes for each of its own with %s", o.id, worst, blame)
		}
	}
	t.Log(bound, "bodies are bound")
	require.NotZero(t, bound)
}

// cost is how much a body of the operation costs, for each of its bytes, and whether it
// is one that the operation takes.
func (o operation) cost(e *echo.Echo, body string) (cost float64, whole bool) {
	path, query := o.route, url.Values{}
	for _, p := range o.path {
		path = strings.ReplaceAll(path, "{"+p.Name+"}", fmt.Sprint(p.Example))
	}
	for _, p := range o.query {
		if p.Required {
			query.Set(p.Name, fmt.Sprint(p.Example))
		}
	}
	r := httptest.NewRequest(o.method, path+"?"+query.Encode(), strings.NewReader(body))
	r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	c := e.NewContext(r, httptest.NewRecorder())
	e.Router().Find(o.method, path, c)
	c.Set(routedKey, &routed{bodyComes: func() func() { return func() {} }})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := o.checkBody(c)
	if err == nil {
		err = c.Handler()(c)
	}
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / float64(len(body)), errors.Is(err, errBound)
}

// wrappings are what stands before and after each place of a body, by its label.
func wrappings(schema *openapi3.Schema) map[string][2]string {
	all := map[string][2]string{"body": {`{"unknown":`, "}"}, "names": {"", ""}}
	var walk func(schema *openapi3.Schema, label, before, after string)
	walk = func(schema *openapi3.Schema, label, before, after string) {
		all[label] = [2]string{before, after}
		example, _ := schema.Example.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
			others := ""
			for _, other := range slices.Sorted(maps.Keys(example)) {
				if value, _ := json.Marshal(example[other]); other != name {
					others += `,"` + other + `":` + string(value)
				}
			}
			walk(schema.Properties[name].Value, label+"."+name, before+`{"`+name+`":`, others+"}"+after)
		}
		if schema.Items != nil {
			walk(schema.Items.Value, label+"[]", before+"[", "]"+after)
		}
		if schema.Type.Is(openapi3.TypeObject) {
			all[label+".*"] = [2]string{before + `{"unknown":`, "}" + after}
		}
	}
	walk(schema, "", "", "")
	return all
}
