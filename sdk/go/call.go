package nexterm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
)

// maxAnswer is more than any list has.
const maxAnswer = 256 << 20

// call is one operation with its arguments.
type call struct {
	name, method, path string
	query              url.Values
	// body is sent as JSON, or as it is if it is bytes.
	body any
	// tokenInQuery: the operation is for clients that cannot send headers, and takes none.
	tokenInQuery bool
	// seconds are how long the operation may take, where that is longer than usual.
	seconds int
}

func result[T any](ctx context.Context, c *Client, op call) (T, error) {
	var out T
	if err := c.do(ctx, op, &out); err != nil {
		var none T
		return none, err
	}
	return out, nil
}

// do sends a call until it succeeds or need not be tried again, and decodes the
// answer into out, if that is not nil.
func (c *Client) do(ctx context.Context, op call, out any) error {
	for segment := range strings.SplitSeq(op.path[1:], "/") {
		if segment == "" || segment == "." || segment == ".." { // it would lead to another operation
			return &Error{Operation: op.name, Message: fmt.Sprintf("there is nothing that can have %q for an id", segment), kind: ErrBadRequest}
		}
	}
	body, contentType, err := encode(op.body)
	if err != nil {
		return &Error{Operation: op.name, Message: "the body cannot be written as JSON", kind: ErrBadRequest, cause: err}
	}
	for attempt := 0; ; attempt++ {
		err := c.try(ctx, op, body, contentType, out)
		if err == nil {
			return nil
		}
		wait, again := c.again(ctx, op, err, attempt)
		if !again {
			return err
		}
		if !sleep(ctx, wait) {
			return (&Error{Operation: op.name}).because(ctx.Err(), "the call was given up", err)
		}
	}
}

func encode(body any) (encoded []byte, contentType string, err error) {
	switch body := body.(type) {
	case nil:
		return nil, "", nil
	case []byte:
		return body, "application/octet-stream", nil
	}
	encoded, err = json.Marshal(body)
	return encoded, "application/json", err
}

// try sends a call once.
func (c *Client) try(ctx context.Context, op call, body []byte, contentType string, out any) *Error {
	failed := &Error{Operation: op.name}
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { failed.connected = true }}
	request, err := c.request(httptrace.WithClientTrace(ctx, trace), op, body, contentType)
	if err != nil {
		return failed.because(ErrBadRequest, "the request cannot be made", err)
	}
	patient := *c.http
	if least := time.Duration(op.seconds) * time.Second; patient.Timeout != 0 && patient.Timeout < least {
		patient.Timeout = least
	}
	response, err := patient.Do(request)
	if err != nil {
		return failed.unreachable(ctx, err)
	}
	defer response.Body.Close()
	failed.Status, failed.RequestID = response.StatusCode, response.Header.Get("X-Request-Id")
	failed.RetryAfter = retryAfter(response.Header.Get("Retry-After"))
	raw, isRaw := out.(*[]byte)
	done := response.StatusCode/100 == 2
	switch {
	case response.StatusCode/100 == 3:
		return failed.because(ErrUnexpected, "the server redirects"+target(response)+"; what it leads to may be the address to use", nil)
	case !done && !isJSON(response):
		return failed.foreign(response)
	case done && !isRaw && !isJSON(response):
		return failed.because(ErrUnexpected, "the answer is "+kindOf(response)+", not JSON; is this the address of a nexterm server?", nil)
	}
	answer, err := io.ReadAll(http.MaxBytesReader(nil, response.Body, maxAnswer))
	switch {
	case err != nil && ctx.Err() != nil:
		return failed.because(ctx.Err(), "the call was given up", nil)
	case err != nil:
		failed.broken = !errors.As(err, new(*http.MaxBytesError))
		return failed.because(ErrUnexpected, "the answer breaks off", err)
	case !done:
		return failed.refused(response, answer)
	case out == nil:
		return nil
	case isRaw:
		*raw = answer
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return failed.because(ErrUnexpected, "the answer is not of the form that the contract says", withoutText(err))
	}
	if value := reflect.ValueOf(out).Elem(); value.Kind() == reflect.Pointer && value.IsNil() {
		return failed.because(ErrUnexpected, "the answer is null", nil)
	}
	return nil
}

func (c *Client) request(ctx context.Context, op call, body []byte, contentType string) (*http.Request, error) {
	address := c.base.JoinPath(op.path) // which is escaped already
	if op.tokenInQuery {
		address.RawQuery = url.Values{"token": {string(c.authorize())}}.Encode()
	} else {
		address.RawQuery = op.query.Encode()
	}
	// With a reader of no bytes, it would be a body.
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, op.method, address.String(), reader)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", c.userAgent)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if token := c.authorize(); token != "" && !op.tokenInQuery {
		request.Header.Set("Authorization", "Bearer "+string(token))
	}
	return request, nil
}

func isJSON(response *http.Response) bool {
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// kindOf names what a foreign answer is.
func kindOf(response *http.Response) string {
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil {
		return "of no known type"
	}
	return kind
}

// target is where a redirect leads, without what may be secret in it.
func target(response *http.Response) string {
	location, err := response.Location()
	if err != nil {
		return ""
	}
	return " to " + location.Scheme + "://" + location.Host
}

// withoutText leaves out of a JSON error what it quotes of the text.
func withoutText(err error) error {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Errorf("%s is not a %s", mismatch.Field, mismatch.Type)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("no JSON at byte %d", syntax.Offset)
	}
	return errors.New("a value does not fit")
}

// values are the parameters of a query, as names and values by turns; what is zero is
// left out.
func values(pairs ...any) url.Values {
	query := url.Values{}
	for pair := range slices.Chunk(pairs, 2) {
		if name, value := pair[0].(string), pair[1]; !reflect.ValueOf(value).IsZero() {
			query.Set(name, fmt.Sprint(value))
		}
	}
	return query
}
