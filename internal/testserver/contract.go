package testserver

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/nexterm-go/nexterm/internal/contract"
)

// Contract is the OpenAPI document that the server serves.
var Contract = contract.Document

// checking sends requests with a client's headers and holds every answer
// against the contract.
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

	operation := contract.Find(request)
	err = contract.Check(operation, response, body)
	if err != nil {
		c.t.Errorf("%s %s answered %d outside the contract: %v: %s", request.Method, request.URL.Path, response.StatusCode, err, body)
	}
	if operation != nil {
		Record(c.t, operation.OperationID, response.StatusCode, err == nil)
	}
	return response, nil
}

// coverage is where the answers of this process are collected for the scores of
// the contract, in the folder that CONTRACT_COVERAGE names; nil without one.
var coverage = sync.OnceValues(func() (*os.File, error) {
	folder := os.Getenv("CONTRACT_COVERAGE")
	if folder == "" {
		return nil, nil
	}
	return os.CreateTemp(folder, "answers-")
})

// RecordExample notes that the operation's example was sent, and whether it works.
func RecordExample(t testing.TB, operation string, works bool) { note(t, operation, "example", works) }

// Record notes that an operation has answered with a status, and whether that was
// within the contract.
func Record(t testing.TB, operation string, status int, valid bool) {
	note(t, operation, status, valid)
}

func note(t testing.TB, line ...any) {
	file, err := coverage()
	if err == nil && file != nil {
		_, err = fmt.Fprintln(file, line...)
	}
	if err != nil {
		t.Error("record an answer:", err)
	}
}
