package server_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// caller is one whom nothing but the body can stop.
func (o operation) caller(s *testserver.Server) *testserver.Client {
	switch {
	case o.public():
		return s.Anonymous
	case len(o.permissions()) > 0:
		return s.Admin
	}
	return s.Owner
}

// withBodies calls f with every operation that takes a body and a path to
// something of Owner, and expects that nothing is written meanwhile.
func withBodies(t *testing.T, s *testserver.Server, f func(o operation, path string)) {
	t.Helper()
	for _, o := range contractOperations() {
		if o.body() == nil {
			continue
		}
		path := o.ownersPath(t, s)
		before := contents(t, s)
		f(o, path)
		require.Equal(t, before, contents(t, s), "%s wrote something", o)
	}
}

// blames reports whether a message names the member as its schema wants it.
func (p place) blames(message string) bool {
	if p.required && p.together != "" && message == p.together {
		return true
	}
	if own, set := p.schema.Extensions["x-message"].(string); set {
		return message == own || message == p.label+" is required"
	}
	return strings.HasPrefix(message, p.label+" ")
}

func TestBodiesOutsideTheirSchema(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, manyLogins)
	withBodies(t, s, func(o operation, path string) {
		c := o.caller(s)
		refuse := func(p place, why, body string) {
			answer := o.send(c, path, body)
			if assert.Equal(t, http.StatusBadRequest, answer.Status, at(o, p.label+": "+why)) {
				assert.True(t, p.blames(answer.Message()), "%s, %s: %s: %s", o, p.label, why, answer.Message())
			}
		}
		for _, p := range places(o.body(), o.example(t)) {
			if p.required && len(p.path) > 0 {
				if _, member := p.path[len(p.path)-1].(string); member {
					refuse(p, "absent", p.without())
				}
			}
			for _, v := range p.refused() {
				refuse(p, v.why, p.with(v.value))
			}
		}
	})
}

func TestBodiesAtTheirLimits(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, manyLogins)
	for _, o := range contractOperations() {
		if o.body() == nil {
			continue
		}
		for _, p := range places(o.body(), o.example(t)) {
			for _, v := range p.taken() {
				// Ids that nobody has keep what Owner has unchanged.
				answer := o.send(o.caller(s), o.unknownPath(), p.with(v.value))
				if answer.Status == http.StatusBadRequest {
					assert.False(t, p.blames(answer.Message()), "%s, %s: %s: %s", o, p.label, v.why, answer.Message())
				}
				assert.NotEqual(t, http.StatusRequestEntityTooLarge, answer.Status, at(o, p.label+": "+v.why))
			}
		}
	}
}

func TestUnknownAndDoubledMembers(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, manyLogins)
	withBodies(t, s, func(o operation, path string) {
		c, example := o.caller(s), o.example(t)
		if allowed := o.body().AdditionalProperties; o.body().Extensions["x-unknown-keys"] == nil && allowed.Schema == nil && (allowed.Has == nil || !*allowed.Has) {
			for _, name := range []string{"unknown", "Id", "__proto__", "ä", "", " "} {
				o.send(c, path, encode(put(example, []any{name}, 1))).WantError(400, name+" is not allowed")
			}
			long := strings.Repeat("x", 1000)
			o.send(c, path, encode(put(example, []any{long}, 1))).WantError(400, long[:64]+"… is not allowed")
			for name := range example {
				other := strings.ToUpper(name[:1]) + name[1:]
				o.send(c, path, encode(put(example, []any{other}, example[name]))).WantError(400, other+" is not allowed")
			}
		}
		for name, member := range example {
			doubled := strings.TrimSuffix(encode(example), "}") + "," + encode(name) + ":" + encode(member) + "}"
			o.send(c, path, doubled).WantError(400, "The request body names a member twice")
			// Escaped, it is the same name.
			escaped := strings.Replace(doubled, encode(name)+":", `"\u00`+hexByte(name[0])+name[1:]+`":`, 1)
			o.send(c, path, escaped).WantError(400, "The request body names a member twice")
		}
	})
}

func hexByte(b byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[b>>4], digits[b&15]})
}

func TestTextThatCannotBeStored(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, manyLogins)
	withBodies(t, s, func(o operation, path string) {
		for _, p := range places(o.body(), o.example(t)) {
			for text, message := range map[string]string{
				`"a\u0000b"`:                  "The request contains a NUL character",
				"\"a\x00b\"":                  "The request body is not valid JSON",
				"\"a\xffb\"":                  "The request is not valid UTF-8",
				"\"a\xc0\x80b\"":              "The request is not valid UTF-8",
				"\"a\xed\xa0\x80b\"":          "The request is not valid UTF-8",
				`"a\ud800b"`:                  "The request body is not valid JSON",
				`"a\udc00\ud800b"`:            "The request body is not valid JSON",
				`"a\uZZZZ"`:                   "The request body is not valid JSON",
				"\"a\nb\"":                    "The request body is not valid JSON",
				`{"a\u0000b": 1}`:             "The request contains a NUL character",
				`{"same": 1, "same": 1}`:      "The request body names a member twice",
				strings.Repeat("[", 10_000):   "The request body is not valid JSON",
				strings.Repeat(`{"":`, 5_000): "The request body is not valid JSON",
			} {
				o.send(o.caller(s), path, p.with(json.RawMessage(text))).WantError(400, message)
			}
			deep := strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000)
			o.send(o.caller(s), path, p.with(json.RawMessage(deep))).Want(400)
		}
	})
}

func TestBodiesThatAreNoObject(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, manyLogins)
	const notJSON, notObject = "The request body is not valid JSON", "The request body must be a JSON object"
	withBodies(t, s, func(o operation, path string) {
		valid := encode(o.example(t))
		for body, message := range map[string]string{
			`[]`: notObject, `"x"`: notObject, `null`: notObject, `5`: notObject, `true`: notObject, ` [{}] `: notObject,
			`{`: notJSON, `}`: notJSON, `{]`: notJSON, `x`: notJSON, ` `: notJSON, `{"a"}`: notJSON, `{"a":}`: notJSON, `{"a":1,}`: notJSON,
			`{'a':1}`: notJSON, `{a:1}`: notJSON, `{"a":01}`: notJSON, `{"a":+1}`: notJSON, `{"a":.5}`: notJSON, `{"a":NaN}`: notJSON,
			`{"a":1 "b":2}`: notJSON, `{/**/}`: notJSON, "\ufeff" + valid: notJSON, "\x00": notJSON,
			valid + "x": notJSON, valid + valid: notJSON, valid + "{}": notJSON, valid + ",": notJSON, valid + "\x00": notJSON,
			valid[:len(valid)-1]: notJSON, "--" + valid: notJSON, "a=b&c=d": notJSON,
			strings.Repeat("[", 10_000): notJSON, strings.Repeat("[", 4_000) + strings.Repeat("]", 4_000): notObject,
		} {
			answer := o.send(o.caller(s), path, body)
			assert.Equal(t, http.StatusBadRequest, answer.Status, at(o, body))
			assert.Equal(t, message, answer.Message(), at(o, body[:min(len(body), 50)]))
		}
	})
}

// No body is an empty object.
func TestEmptyBodies(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, manyLogins)
	withBodies(t, s, func(o operation, path string) {
		if o.body().VisitJSON(map[string]any{}) == nil {
			return
		}
		empty := o.send(o.caller(s), path, "{}").Want(400)
		none := o.send(o.caller(s), path, nil)
		none.WantError(400, empty.Message())
		o.send(o.caller(s), path, "").WantError(400, empty.Message())
		o.send(o.caller(s), path, " {\t} \r\n").WantError(400, empty.Message())
	})
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, manyLogins)
	withBodies(t, s, func(o operation, path string) {
		padded := func(size int) string { return "{" + strings.Repeat(" ", size-1) }
		limit := o.bodyLimit()
		o.send(o.caller(s), path, padded(limit)).Want(http.StatusBadRequest)
		answer := o.send(o.caller(s), path, padded(limit+1)).Want(http.StatusRequestEntityTooLarge)
		assert.Contains(t, answer.Message(), "larger than", o)
		o.send(o.caller(s), path, padded(10*limit)).Want(http.StatusRequestEntityTooLarge)
	})
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, manyLogins)
	withBodies(t, s, func(o operation, path string) {
		for _, kind := range []string{
			"", "text/plain", "text/json", "application/xml", "application/x-www-form-urlencoded", "application/jsonx",
			"application/merge-patch+json", "multipart/form-data; boundary=x", "nonsense", "application/json; charset", "*/*",
			"application/json; charset=iso-8859-1", "application/json; charset=utf-16", `application/json; charset=""`,
		} {
			if kind == "application/x-www-form-urlencoded" && o.Extensions["x-form"] != nil {
				continue
			}
			answer := o.send(o.caller(s).With("Content-Type", kind), path, "{")
			assert.Equal(t, http.StatusUnsupportedMediaType, answer.Status, at(o, kind))
		}
		for _, kind := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON", `application/json;charset="UTF-8"`} {
			o.send(o.caller(s).With("Content-Type", kind), path, "{").WantError(400, "The request body is not valid JSON")
		}
	})
}

// An operation without a body does not look at one.
func TestBodiesNobodyAskedFor(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, manyLogins)
	for _, o := range contractOperations() {
		if o.body() != nil {
			continue
		}
		without := o.send(o.caller(s), o.unknownPath(), nil)
		with := o.send(o.caller(s).With("Content-Type", "text/plain"), o.unknownPath(), "{\xff")
		require.Equal(t, without.Status, with.Status, o)
	}
}

func TestQueryParameters(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, o := range contractOperations() {
		for _, ref := range slices.Concat(o.item.Parameters, o.Parameters) {
			if ref.Value.In != "query" || o.streams() { // those of files need some
				continue
			}
			name, schema := ref.Value.Name, ref.Value.Schema.Value
			path := o.ownersPath(t, s) + "?" + name + "="
			c, body := o.caller(s), o.example(t)
			refuse := func(text string) {
				answer := o.send(c, path+text, body)
				if assert.Equal(t, http.StatusBadRequest, answer.Status, at(o, path+text)) {
					own, _ := schema.Extensions["x-message"].(string)
					message := answer.Message()
					assert.True(t, strings.HasPrefix(message, name+" ") || message == own, message)
				}
			}
			o.send(c, path+"%00", body).Want(400)
			o.send(c, path+"%ff", body).Want(400)
			o.send(c, path+"%zz", body).Want(400)
			o.send(c, path+"1&"+name+"=1", body).Want(400)
			if !ref.Value.Required {
				assert.NotEqual(t, http.StatusBadRequest, o.send(c, path, body).Status, at(o, path))
			}
			switch {
			case isNumeric(schema):
				for _, text := range []string{"abc", "1.5", "+", "0x10", "1e999", "1e99999999", "9223372036854775808", "99999999999999999999", "NaN", "true", "[]"} {
					refuse(text)
				}
				p := place{schema: schema}
				for _, v := range p.taken() {
					// However a number is written, it is taken.
					text, isText := v.value.(string)
					if !isText {
						text = encode(v.value)
					}
					if answer := o.send(c, path+text, body); answer.Status == 400 {
						assert.NotContains(t, answer.Message(), name, at(o, path+text))
					}
				}
				if schema.Min != nil {
					refuse(encode(*schema.Min - 1))
				}
				if schema.Max != nil {
					refuse(encode(*schema.Max + 1))
				}
			case len(schema.Enum) > 0:
				refuse("never-in-an-enumeration")
			case schema.Type.Is("boolean"):
				refuse("1")
				refuse("True")
			case schema.MaxLength != nil:
				refuse(strings.Repeat("x", int(*schema.MaxLength)+1))
			}
		}
	}
}
