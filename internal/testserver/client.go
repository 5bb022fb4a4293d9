package testserver

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Client speaks to the server as one account. Every answer is checked against
// the contract before the test sees it.
type Client struct {
	AccountID int64
	Username  string
	Token     string

	t      testing.TB
	url    string
	http   *http.Client
	header http.Header
}

func (s *Server) client(t testing.TB, accountID int64, username, token string) *Client {
	t.Helper()
	c := &Client{AccountID: accountID, Username: username, Token: token, t: t, url: s.URL, header: http.Header{}}
	if token != "" {
		c.header.Set("Authorization", "Bearer "+token)
	}
	c.http = newHTTPClient(checking{t: t, header: c.header})
	return c
}

// newHTTPClient returns a client that shows redirects instead of following them.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// On returns the same caller on another server of the deployment.
func (c *Client) On(s *Server) *Client {
	return s.client(c.t, c.AccountID, c.Username, c.Token)
}

// With returns the same caller with one more header.
func (c *Client) With(name, value string) *Client {
	changed := *c
	changed.header = c.header.Clone()
	changed.header.Set(name, value)
	changed.http = newHTTPClient(checking{t: c.t, header: changed.header})
	return &changed
}

// Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte

	t      testing.TB
	called string
}

// Do sends a request. A string or []byte body goes out as it is, anything else
// but nil as JSON; all of them as application/json.
func (c *Client) Do(method, path string, body any) *Response {
	c.t.Helper()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	case []byte:
		content = bytes.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		require.NoError(c.t, err)
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, content)
	require.NoError(c.t, err)
	if content != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(request)
	require.NoError(c.t, err)
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	require.NoError(c.t, err)
	return &Response{Status: answer.StatusCode, Header: answer.Header, Body: read, t: c.t, called: method + " " + path}
}

// AtOnce sends requests at the same time and returns their statuses.
func AtOnce(requests ...func() *Response) []int {
	statuses := make([]int, len(requests))
	start := make(chan struct{})
	var done sync.WaitGroup
	for i, request := range requests {
		done.Go(func() {
			<-start
			statuses[i] = request().Status
		})
	}
	close(start)
	done.Wait()
	return statuses
}

// Get, Put, Post, Patch and Delete are Do with their method.
func (c *Client) Get(path string) *Response { c.t.Helper(); return c.Do(http.MethodGet, path, nil) }

// Put sends PUT.
func (c *Client) Put(path string, body any) *Response {
	c.t.Helper()
	return c.Do(http.MethodPut, path, body)
}

// Post sends POST.
func (c *Client) Post(path string, body any) *Response {
	c.t.Helper()
	return c.Do(http.MethodPost, path, body)
}

// Patch sends PATCH.
func (c *Client) Patch(path string, body any) *Response {
	c.t.Helper()
	return c.Do(http.MethodPatch, path, body)
}

// Delete sends DELETE.
func (c *Client) Delete(path string) *Response {
	c.t.Helper()
	return c.Do(http.MethodDelete, path, nil)
}

// Want fails the test at once when the status is another one.
func (r *Response) Want(status int) *Response {
	r.t.Helper()
	require.Equal(r.t, status, r.Status, "%s answered %s", r.called, r.Body)
	return r
}

// WantError expects an error of this status and message.
func (r *Response) WantError(status int, message string) {
	r.t.Helper()
	r.Want(status)
	require.Equal(r.t, message, r.Message(), r.called)
}

// Message is the member message of the answer.
func (r *Response) Message() string {
	r.t.Helper()
	var answer struct{ Message string }
	r.Into(&answer)
	return answer.Message
}

// ID is the member id of the answer.
func (r *Response) ID() int64 {
	r.t.Helper()
	var answer struct{ ID int64 }
	r.Into(&answer)
	require.NotZero(r.t, answer.ID, r.called)
	return answer.ID
}

// Into decodes the answer.
func (r *Response) Into(value any) *Response {
	r.t.Helper()
	require.NoError(r.t, json.Unmarshal(r.Body, value), "%s answered %s", r.called, r.Body)
	return r
}
