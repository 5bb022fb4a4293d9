// Package contract holds answers against the contract: those that tests get, and
// those of a deployment to the contract's own examples.
package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/nexterm-go/nexterm/gen"
)

// Document is the OpenAPI document that the server serves.
var Document = sync.OnceValue(func() *openapi3.T {
	document, err := openapi3.NewLoader().LoadFromData(gen.Contract)
	if err != nil {
		panic(err)
	}
	return document
})

// Operation is one operation of the contract, with where it stands.
type Operation struct {
	*openapi3.Operation
	Method string
	Path   string
	Item   *openapi3.PathItem

	path *regexp.Regexp
}

var parameter = regexp.MustCompile(`\{[^}]+\}`)

// Operations lists all operations, by their ids.
var Operations = sync.OnceValue(func() []*Operation {
	var all []*Operation
	for path, item := range Document().Paths.Map() {
		expression := regexp.MustCompile(`^` + parameter.ReplaceAllString(path, `[^/]+`) + `$`)
		for method, op := range item.Operations() {
			all = append(all, &Operation{op, method, path, item, expression})
		}
	}
	slices.SortFunc(all, func(a, b *Operation) int { return strings.Compare(a.OperationID, b.OperationID) })
	return all
})

// NotYet reports whether the operation cannot succeed yet.
func (o *Operation) NotYet() bool { return o.Extensions["x-not-yet"] != nil }

// closeCode is a row of the table in a socket's description.
var closeCode = regexp.MustCompile(`(?m)^\| (\d{4}) \|`)

// CloseCodes are those that the operation's socket lists, nil for one that has none.
func (o *Operation) CloseCodes() (codes []string) {
	if o.Extensions["x-websocket"] == nil {
		return nil
	}
	for _, found := range closeCode.FindAllStringSubmatch(o.Description, -1) {
		codes = append(codes, found[1])
	}
	return codes
}

// parameters are those of the operation and of its path.
func (o *Operation) parameters() []*openapi3.Parameter {
	var all []*openapi3.Parameter
	for _, ref := range slices.Concat(o.Item.Parameters, o.Parameters) {
		all = append(all, ref.Value)
	}
	return all
}

// Find finds the operation behind a request, in either spelling of its path; nil
// for paths and methods outside the contract. An escaped slash separates nothing.
func Find(request *http.Request) *Operation {
	path := strings.TrimSuffix(request.URL.EscapedPath(), "/")
	for _, spelling := range []string{path, canonical(path)} {
		var found *Operation
		for _, o := range Operations() {
			// Of two that match, the one with fewer parameters is meant.
			if o.Method == request.Method && o.path.MatchString(spelling) &&
				(found == nil || strings.Count(o.Path, "{") < strings.Count(found.Path, "{")) {
				found = o
			}
		}
		if found != nil {
			return found
		}
	}
	return nil
}

func canonical(path string) string {
	for _, tag := range Document().Tags {
		groups, _ := tag.Extensions["x-alias"].(map[string]any)
		for group, alias := range groups {
			if path == alias || strings.HasPrefix(path, alias.(string)+"/") {
				return group + strings.TrimPrefix(path, alias.(string))
			}
		}
	}
	return path
}

// Check says what of an answer is outside the contract: its status, its shape, or
// an error without its own code. The operation is nil for requests outside of it.
func Check(o *Operation, response *http.Response, body []byte) error {
	var problems []error
	// What fails on purpose says so in the contract, or by its status that it is not there.
	listed := o != nil && o.Responses.Status(response.StatusCode) != nil || o == nil && response.StatusCode == http.StatusNotImplemented
	if response.StatusCode >= http.StatusInternalServerError && response.StatusCode != http.StatusServiceUnavailable && !listed {
		problems = append(problems, errors.New("the server failed"))
	}
	if response.StatusCode >= http.StatusBadRequest {
		problems = append(problems, checkError(response, body))
	}
	if o != nil {
		options := &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true}
		if ok := o.Responses.Status(response.StatusCode); ok != nil && ok.Value.Content["application/*"] != nil {
			options.ExcludeResponseBody = true // bytes, by whatever type they are called
		}
		options.WithCustomSchemaErrorFunc(func(err *openapi3.SchemaError) string {
			return "/" + strings.Join(err.JSONPointer(), "/") + ": " + err.Reason
		})
		problems = append(problems, openapi3filter.ValidateResponse(response.Request.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: response.Request, Route: &routers.Route{
				Spec: Document(), Path: o.Path, PathItem: o.Item, Method: o.Method, Operation: o.Operation,
			}},
			Status:  response.StatusCode,
			Header:  response.Header,
			Body:    io.NopCloser(bytes.NewReader(body)),
			Options: options,
		}))
	}
	return errors.Join(problems...)
}

func checkError(response *http.Response, body []byte) error {
	var failure struct {
		Code    int
		Message string
	}
	if err := json.Unmarshal(body, &failure); err != nil || failure.Code != response.StatusCode || failure.Message == "" {
		return fmt.Errorf("%d without the error shape: %.200s", response.StatusCode, body)
	}
	if kind := response.Header.Get("Content-Type"); !strings.EqualFold(kind, "application/json; charset=utf-8") {
		return fmt.Errorf("%d as %q", response.StatusCode, kind)
	}
	return nil
}
