package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Request is an operation's example: the values that the contract shows for its
// parameters and its body.
type Request struct {
	*Operation
	PathValues map[string]string
	Query      url.Values
	// Body is nil, bytes, or what is sent as JSON.
	Body any
	// Token is the credential, put where the operation expects it.
	Token string
}

// Example is the operation's example, to be changed at will.
func (o *Operation) Example() *Request {
	r := &Request{Operation: o, PathValues: map[string]string{}, Query: url.Values{}}
	for _, p := range o.parameters() {
		switch {
		case p.Example == nil:
		case p.In == openapi3.ParameterInPath:
			r.PathValues[p.Name] = text(p.Example)
		case p.In == openapi3.ParameterInQuery:
			r.Query.Set(p.Name, text(p.Example))
		}
	}
	if body := o.body(); body != nil {
		r.Body = clone(body.Example)
	}
	return r
}

// body is the schema of the request's body, nil where it is no JSON.
func (o *Operation) body() *openapi3.Schema {
	if o.RequestBody == nil || o.RequestBody.Value.Content.Get("application/json") == nil {
		return nil
	}
	return o.RequestBody.Value.Content.Get("application/json").Schema.Value
}

// text writes a value as it stands in a path.
func text(value any) string {
	if number, is := value.(float64); is {
		return fmt.Sprint(int64(number))
	}
	return fmt.Sprint(value)
}

func clone(value any) any {
	switch v := value.(type) {
	case map[string]any:
		copied := maps.Clone(v)
		for name := range copied {
			copied[name] = clone(copied[name])
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i := range v {
			copied[i] = clone(v[i])
		}
		return copied
	default:
		return value
	}
}

// Members are those of a body that is an object.
func (r *Request) Members() map[string]any {
	members, _ := r.Body.(map[string]any)
	return members
}

// has reports whether one of the operation's ways to authorize is this one.
func (o *Operation) has(scheme string) bool {
	for _, requirement := range *o.Security {
		if _, found := requirement[scheme]; found {
			return true
		}
	}
	return false
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// Answer is an answer, read to its end, and what of it is outside the contract.
type Answer struct {
	Status  int
	Body    []byte
	Problem error
}

// HTTP is the request as it is sent to a server.
func (r *Request) HTTP(ctx context.Context, base string) (*http.Request, error) {
	path := r.Path
	for name, value := range r.PathValues {
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
	}
	query := maps.Clone(r.Query)
	for scheme, name := range map[string]string{"queryToken": "token", "socketToken": "sessionToken"} {
		if r.has(scheme) && r.Token != "" {
			query.Set(name, r.Token)
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var content io.Reader
	kind := ""
	switch body := r.Body.(type) {
	case nil:
	case []byte:
		content, kind = bytes.NewReader(body), "application/octet-stream"
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content, kind = bytes.NewReader(encoded), "application/json"
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, base+path, content)
	if err != nil {
		return nil, err
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	if r.Token != "" {
		request.Header.Set("Authorization", "Bearer "+r.Token)
	}
	if r.Extensions["x-websocket"] == true {
		for name, value := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		} {
			request.Header.Set(name, value)
		}
	}
	return request, nil
}

// Send sends a request of the operation and holds the answer against the contract.
// The error is that of a server that has not answered.
func (o *Operation) Send(client *http.Client, request *http.Request) (Answer, error) {
	response, err := client.Do(request) //nolint:gosec // whoever gives the address is who asks
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	answer := Answer{Status: response.StatusCode}
	if answer.Status != http.StatusSwitchingProtocols {
		if answer.Body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer)); err != nil {
			return Answer{}, err
		}
	}
	answer.Problem = Check(o, response, answer.Body)
	return answer, nil
}
