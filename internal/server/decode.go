package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nexterm-go/nexterm/internal/fail"
)

var (
	errNotJSON   = fail.BadRequest("The request body is not valid JSON")
	errNotObject = fail.BadRequest("The request body must be a JSON object")
	errUTF8      = fail.BadRequest("The request is not valid UTF-8")
	errNUL       = fail.BadRequest("The request contains a NUL character")
	errMembers   = fail.BadRequest(fmt.Sprintf("The request body has an object with more than %d members", maxMembers))
	errValues    = fail.BadRequest(fmt.Sprintf("The request body has more than %d values", maxValues))
	errDuplicate = fail.BadRequest("The request body names a member twice")
)

const (
	// maxMembers bounds the members of one object, of which the decoder has to know
	// all names to find one that comes twice.
	maxMembers = 1000
	// maxValues bounds what is unfolded of one body.
	maxValues = 20_000
)

// decodeObject reads one JSON object strictly (RFC 8259 and I-JSON, RFC 7493):
// no duplicate names, no invalid UTF-8, nothing after the value. NUL is refused
// because PostgreSQL cannot hold it. Numbers stay as written.
//
// Only what the schema has a place for is unfolded, because a few bytes of JSON
// become many of Go: of what is too long one more than its limit, of names that
// are not allowed the first; members that may be anything stay text.
func decodeObject(schema *openapi3.Schema, data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errUTF8
	}
	d := &decoder{Decoder: jsontext.NewDecoder(bytes.NewBuffer(data)), data: data}
	if d.PeekKind() != '{' {
		if jsontext.Value(data).IsValid() {
			return nil, errNotObject
		}
		return nil, errNotJSON
	}
	value, err := d.value(schema)
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return nil, errDuplicate
	}
	var named *fail.Error
	if errors.As(err, &named) {
		return nil, named
	}
	if err != nil {
		return nil, errNotJSON
	}
	if _, err := d.ReadToken(); err == nil || d.InputOffset() < int64(len(bytes.TrimRight(data, " \t\r\n"))) {
		return nil, errNotJSON
	}
	return value, nil
}

type decoder struct {
	*jsontext.Decoder
	data   []byte
	values int
}

// token reads the next one, unless it makes an object too large.
func (d *decoder) token() (jsontext.Token, error) {
	if kind, length := d.StackIndex(d.StackDepth()); kind == '{' && length > 2*maxMembers {
		return jsontext.Token{}, errMembers
	}
	return d.ReadToken()
}

func (d *decoder) value(schema *openapi3.Schema) (any, error) {
	if d.values++; d.values > maxValues {
		return nil, errValues
	}
	switch d.PeekKind() {
	case '[':
		return d.array(schema)
	case '{':
		return d.object(schema)
	}
	token, err := d.token()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case 'n':
		return nil, nil
	case 't', 'f':
		return token.Bool(), nil
	case '0':
		return json.Number(token.String()), nil
	default:
		return text(token)
	}
}

func (d *decoder) array(schema *openapi3.Schema) (any, error) {
	list := []any{}
	if !schema.Type.Is(openapi3.TypeArray) {
		_, err := d.skip()
		return list, err
	}
	if _, err := d.token(); err != nil {
		return nil, err
	}
	for d.PeekKind() != ']' {
		if schema.MaxItems != nil && uint64(len(list)) > *schema.MaxItems {
			if _, err := d.skip(); err != nil {
				return nil, err
			}
			continue
		}
		item, err := d.value(schema.Items.Value)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	_, err := d.token()
	return list, err
}

func (d *decoder) object(schema *openapi3.Schema) (any, error) {
	object := map[string]any{}
	if !schema.Type.Is(openapi3.TypeObject) {
		_, err := d.skip()
		return object, err
	}
	if _, err := d.token(); err != nil {
		return nil, err
	}
	open := schema.AdditionalProperties.Has != nil && *schema.AdditionalProperties.Has
	var refused *string // the name that violation blames
	for d.PeekKind() != '}' {
		token, err := d.token()
		if err != nil {
			return nil, err
		}
		name, err := text(token)
		if err != nil {
			return nil, err
		}
		if property := propertySchema(schema, name); property != nil {
			if object[name], err = d.value(property); err != nil {
				return nil, err
			}
			continue
		}
		raw, err := d.skip()
		if err != nil {
			return nil, err
		}
		if open {
			object[name] = json.RawMessage(raw)
		} else if refused == nil || name < *refused {
			refused = &name
		}
	}
	if refused != nil {
		object[*refused] = nil
	}
	_, err := d.token()
	return object, err
}

// skip reads a value without unfolding it.
func (d *decoder) skip() ([]byte, error) {
	start, outer := d.InputOffset(), d.StackDepth()
	for inside := true; inside; inside = d.StackDepth() > outer {
		if _, err := d.token(); err != nil {
			return nil, err
		}
	}
	raw := bytes.TrimLeft(d.data[start:d.InputOffset()], " \t\r\n:,")
	for rest := raw; ; rest = rest[2:] {
		// A backslash and what it escapes are looked at together.
		at := bytes.IndexByte(rest, '\\')
		if at < 0 {
			return raw, nil
		}
		if rest = rest[at:]; bytes.HasPrefix(rest, []byte(`\u0000`)) {
			return nil, errNUL
		}
	}
}

func text(token jsontext.Token) (string, error) {
	s := token.String()
	if strings.ContainsRune(s, 0) {
		return "", errNUL
	}
	return s, nil
}

// parseQuery reads a query string and refuses what cannot be stored.
func parseQuery(raw string) (url.Values, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fail.BadRequest("The query string is malformed")
	}
	for name, given := range values {
		for _, s := range append(given, name) {
			if !utf8.ValidString(s) {
				return nil, errUTF8
			}
			if strings.ContainsRune(s, 0) {
				return nil, errNUL
			}
		}
	}
	return values, nil
}
