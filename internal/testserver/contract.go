package testserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/nexterm-go/nexterm/gen"
)

// Contract is the OpenAPI document that the server serves.
var Contract = sync.OnceValue(func() *openapi3.T {
	document, err := openapi3.NewLoader().LoadFromData(gen.Contract)
	if err != nil {
		panic(err)
	}
	return document
})

// checking sends requests with a client's headers and holds every answer
// against the contract: known status, right shape, errors with their own code.
type checking struct {
	t      testing.TB
	header http.Header
}

func (c checking) RoundTrip(request *http.Request) (*http.Response, error) {
	for name, values := range c.header {
		request.Header[name] = values
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))

	called := request.Method + " " + request.URL.Path
	route := findRoute(request)
	// What fails on purpose says so in the contract.
	listed := route != nil && route.Operation.Responses.Status(response.StatusCode) != nil
	if response.StatusCode >= http.StatusInternalServerError && response.StatusCode != http.StatusServiceUnavailable && !listed {
		c.t.Errorf("%s answered %d: %s", called, response.StatusCode, body)
	}
	if response.StatusCode >= http.StatusBadRequest {
		c.checkError(called, response, body)
	}
	if route != nil {
		record(c.t, route.Operation.OperationID, response.StatusCode)
		err := openapi3filter.ValidateResponse(request.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, Route: route},
			Status:                 response.StatusCode,
			Header:                 response.Header,
			Body:                   io.NopCloser(bytes.NewReader(body)),
			Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
		})
		if err != nil {
			c.t.Errorf("%s answered %d outside the contract: %v", called, response.StatusCode, err)
		}
	}
	return response, nil
}

func (c checking) checkError(called string, response *http.Response, body []byte) {
	var failure struct {
		Code    int
		Message string
	}
	if err := json.Unmarshal(body, &failure); err != nil || failure.Code != response.StatusCode || failure.Message == "" {
		c.t.Errorf("%s answered %d without the error shape: %s", called, response.StatusCode, body)
	}
	if kind := response.Header.Get("Content-Type"); !strings.EqualFold(kind, "application/json; charset=utf-8") {
		c.t.Errorf("%s answered %d as %q", called, response.StatusCode, kind)
	}
}

// pathPattern is one path of the contract as an expression.
type pathPattern struct {
	expression *regexp.Regexp
	path       string
	item       *openapi3.PathItem
}

var pathPatterns = sync.OnceValue(func() []pathPattern {
	var patterns []pathPattern
	for _, path := range Contract().Paths.InMatchingOrder() {
		expression := regexp.MustCompile(`^` + regexp.MustCompile(`\{[^}]+\}`).ReplaceAllString(path, `[^/]+`) + `$`)
		patterns = append(patterns, pathPattern{expression, path, Contract().Paths.Value(path)})
	}
	return patterns
})

// findRoute finds the operation behind a request, in either spelling of its
// path; nil for paths and methods outside the contract. An escaped slash
// separates nothing.
func findRoute(request *http.Request) *routers.Route {
	path := strings.TrimSuffix(request.URL.EscapedPath(), "/")
	for _, spelling := range []string{path, canonical(path)} {
		for _, p := range pathPatterns() {
			if op := p.item.GetOperation(request.Method); op != nil && p.expression.MatchString(spelling) {
				return &routers.Route{
					Spec: Contract(), Path: p.path, PathItem: p.item, Method: request.Method, Operation: op,
				}
			}
		}
	}
	return nil
}

func canonical(path string) string {
	for _, tag := range Contract().Tags {
		groups, _ := tag.Extensions["x-alias"].(map[string]any)
		for group, alias := range groups {
			if path == alias || strings.HasPrefix(path, alias.(string)+"/") {
				return group + strings.TrimPrefix(path, alias.(string))
			}
		}
	}
	return path
}

// coverage is where the answers of this process are collected for the table of
// coverage, in the folder that CONTRACT_COVERAGE names; nil without one.
var coverage = sync.OnceValues(func() (*os.File, error) {
	folder := os.Getenv("CONTRACT_COVERAGE")
	if folder == "" {
		return nil, nil
	}
	return os.CreateTemp(folder, "answers-")
})

// record notes that an operation has answered with a status.
func record(t testing.TB, operation string, status int) {
	file, err := coverage()
	if err == nil && file != nil {
		_, err = fmt.Fprintln(file, operation, status)
	}
	if err != nil {
		t.Error("record an answer:", err)
	}
}
