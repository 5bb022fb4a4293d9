package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/nexterm-go/nexterm/openapi/sdk"
)

// curl takes the address and the token from the environment.
func curl(c call) string {
	address := `"$NEXTERM_URL` + c.path
	separator := "?"
	for _, parameter := range c.query {
		address += separator + parameter.name + "=" + url.QueryEscape(fmt.Sprint(parameter.value))
		separator = "&"
	}
	if c.tokenInQuery {
		address += separator + "token=$NEXTERM_TOKEN"
	}
	lines := []string{"curl"}
	if c.method != "GET" && (c.method != "POST" || c.body == nil && !c.bytes) {
		lines[0] += " -X " + c.method
	}
	lines[0] += " " + address + `"`
	if !c.public && !c.tokenInQuery {
		lines = append(lines, `-H "Authorization: Bearer $NEXTERM_TOKEN"`)
	}
	switch {
	case c.bytes:
		lines = append(lines, `-H "Content-Type: application/octet-stream"`, "--data-binary @picture.webp")
	case c.body != nil:
		text := literal(c.body, dialect{key: quoted, value: plainJSON, open: "{", close: "}", indent: "  "})
		lines = append(lines, "--json '"+strings.ReplaceAll(text, "'", `'\''`)+"'")
	}
	if c.image {
		lines = append(lines, "-o avatar.webp")
	}
	return strings.Join(lines, " \\\n  ")
}

func typescript(service, method string, c call) string {
	js := dialect{key: jsKey, value: jsValue, open: "{ ", close: " }", indent: "  "}
	var arguments []string
	for _, id := range c.ids {
		arguments = append(arguments, jsValue(id))
	}
	switch {
	case c.bytes:
		arguments = append(arguments, "picture")
	case c.body != nil:
		arguments = append(arguments, literal(c.body, js))
	}
	if len(c.query) > 0 {
		arguments = append(arguments, literal(object(c.query), js))
	}
	text := "await client." + service + "." + method + "(" + strings.Join(arguments, ", ") + ")"
	if c.answers {
		return "const answer = " + text
	}
	return text
}

// python names what is in the body and in the query; only what is inside has the API's names.
func python(service, method string, c call) string {
	inside := dialect{key: quoted, value: pythonValue, open: "{", close: "}", indent: "    "}
	var arguments []string
	for _, id := range c.ids {
		arguments = append(arguments, pythonValue(id))
	}
	if c.bytes {
		arguments = append(arguments, "picture")
	}
	body, _ := c.body.(object)
	for _, m := range append(body, c.query...) {
		arguments = append(arguments, snake(m.name)+"="+literal(m.value, inside))
	}
	text := "client." + snake(service) + "." + snake(method) + fold("(", arguments, ")", "    ")
	if c.answers {
		return "answer = " + text
	}
	return text
}

func snake(name string) string { return strings.Join(sdk.Words(name), "_") }

// dialect is how a language writes an object.
type dialect struct {
	key   func(name string) string
	value func(any) string

	open, close, indent string
}

func literal(value any, d dialect) string {
	switch v := value.(type) {
	case object:
		members := make([]string, len(v))
		for i, m := range v {
			members[i] = d.key(m.name) + ": " + literal(m.value, d)
		}
		if len(members) == 0 {
			return "{}"
		}
		return fold(d.open, members, d.close, d.indent)
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = literal(item, d)
		}
		return fold("[", items, "]", d.indent)
	}
	return d.value(value)
}

// fold writes items into one line, or each into one of its own where that is too long.
func fold(open string, items []string, close, indent string) string {
	line := open + strings.Join(items, ", ") + close
	if len(items) == 0 || len(line) < 60 && !strings.Contains(line, "\n") {
		return line
	}
	for i, item := range items {
		items[i] = "\n" + indent + strings.ReplaceAll(item, "\n", "\n"+indent)
	}
	return strings.TrimSpace(open) + strings.Join(items, ",") + "\n" + strings.TrimSpace(close)
}

func plainJSON(value any) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return strings.TrimSpace(out.String())
}

func quoted(name string) string { return plainJSON(name) }

var identifier = regexp.MustCompile(`^[A-Za-z_$][\w$]*$`)

func jsKey(name string) string {
	if identifier.MatchString(name) {
		return name
	}
	return jsValue(name)
}

func jsValue(value any) string {
	text, isText := value.(string)
	if !isText || strings.Contains(text, "'") {
		return plainJSON(value)
	}
	return "'" + strings.ReplaceAll(strings.Trim(plainJSON(text), `"`), `\"`, `"`) + "'"
}

func pythonValue(value any) string {
	switch value {
	case nil:
		return "None"
	case true:
		return "True"
	case false:
		return "False"
	}
	return plainJSON(value)
}
