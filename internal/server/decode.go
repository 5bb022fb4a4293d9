package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/nexterm-go/nexterm/internal/fail"
)

var (
	errNotJSON   = fail.BadRequest("The request body is not valid JSON")
	errNotObject = fail.BadRequest("The request body must be a JSON object")
	errUTF8      = fail.BadRequest("The request is not valid UTF-8")
	errNUL       = fail.BadRequest("The request contains a NUL character")
	errDuplicate = fail.BadRequest("The request body names a member twice")
)

// decodeObject reads one JSON object strictly (RFC 8259 and I-JSON, RFC 7493):
// no duplicate names, no invalid UTF-8, nothing after the value. NUL is refused
// because PostgreSQL cannot hold it. Numbers stay as written.
func decodeObject(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errUTF8
	}
	decoder := jsontext.NewDecoder(bytes.NewReader(data))
	if decoder.PeekKind() != '{' {
		if jsontext.Value(data).IsValid() {
			return nil, errNotObject
		}
		return nil, errNotJSON
	}
	value, err := decodeValue(decoder)
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return nil, errDuplicate
	}
	if errors.Is(err, errNUL) {
		return nil, err
	}
	if err != nil {
		return nil, errNotJSON
	}
	if _, err := decoder.ReadToken(); err == nil || decoder.InputOffset() < int64(len(bytes.TrimRight(data, " \t\r\n"))) {
		return nil, errNotJSON
	}
	return value, nil
}

func decodeValue(decoder *jsontext.Decoder) (any, error) {
	token, err := decoder.ReadToken()
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
	case '"':
		return text(token)
	case '[':
		list := []any{}
		for decoder.PeekKind() != ']' {
			item, err := decodeValue(decoder)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		_, err := decoder.ReadToken()
		return list, err
	default:
		object := map[string]any{}
		for decoder.PeekKind() != '}' {
			token, err := decoder.ReadToken()
			if err != nil {
				return nil, err
			}
			name, err := text(token)
			if err != nil {
				return nil, err
			}
			if object[name], err = decodeValue(decoder); err != nil {
				return nil, err
			}
		}
		_, err := decoder.ReadToken()
		return object, err
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
