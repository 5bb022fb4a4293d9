package server

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/ws"
)

// checkPath accepts ids: decimal, from 1 to the largest int64, no leading zero or
// sign. A text is what its schema says.
func (o operation) checkPath(c echo.Context) error {
	for _, p := range o.path {
		text := c.Param(p.Name)
		if schema := p.Schema.Value; schema.Type.Is(openapi3.TypeString) {
			if violation(schema, text, p.Name) != "" {
				return fail.BadRequest(parameterMessage(p))
			}
			continue
		}
		id, err := strconv.ParseUint(text, 10, 64)
		if err != nil || id == 0 || id > math.MaxInt64 || text[0] == '0' || text[0] == '+' {
			return fail.BadRequest(parameterMessage(p))
		}
	}
	return nil
}

func parameterMessage(p *openapi3.Parameter) string {
	if message, set := p.Extensions["x-message"].(string); set {
		return message
	}
	return p.Name + " must be a positive number"
}

// checkQuery validates the query parameters that the contract names, takes out
// empty ones, and writes the others as the generated code reads them. Unknown
// parameters are ignored, unless the contract closes the query.
func (o operation) checkQuery(c echo.Context) error {
	if len(o.query) == 0 {
		return nil
	}
	u := c.Request().URL
	values, err := parseQuery(u.RawQuery)
	if err != nil {
		return err
	}
	changed := false
	for _, p := range o.query {
		given := values[p.Name]
		text, err := checkText(p, given)
		switch {
		case err != nil:
			return err
		case len(given) == 0 || text != "" && text == given[0]:
			continue
		case text == "":
			values.Del(p.Name)
		default:
			values.Set(p.Name, text)
		}
		changed = true
	}
	if o.closedQuery {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if !slices.ContainsFunc(o.query, func(p *openapi3.Parameter) bool { return p.Name == name }) {
				return fail.BadRequest(clip(name) + " is not allowed")
			}
		}
	}
	if changed {
		u.RawQuery = values.Encode()
	}
	return nil
}

// checkCookie validates the cookies that the contract names, all of them texts.
func (o operation) checkCookie(c echo.Context) error {
	for _, p := range o.cookie {
		cookie, err := c.Cookie(p.Name)
		if err != nil {
			continue
		}
		if _, err := checkText(p, []string{cookie.Value}); err != nil {
			return err
		}
	}
	return nil
}

// checkHeader does with headers what checkQuery does with the query.
func (o operation) checkHeader(c echo.Context) error {
	header := c.Request().Header
	for _, p := range o.header {
		given := header.Values(p.Name)
		for _, text := range given {
			if !utf8.ValidString(text) {
				return errUTF8
			}
			if strings.ContainsRune(text, 0) {
				return errNUL
			}
		}
		text, err := checkText(p, given)
		if err != nil {
			return err
		}
		if text == "" {
			header.Del(p.Name)
			continue
		}
		header.Set(p.Name, text)
	}
	return nil
}

// checkText validates what is given for a parameter and writes whole numbers
// plainly. Empty text counts as absent.
func checkText(p *openapi3.Parameter, given []string) (string, error) {
	if len(given) > 1 {
		return "", fail.BadRequest(p.Name + " must be given once")
	}
	if len(given) == 0 || given[0] == "" {
		if p.Required {
			message, set := p.Extensions["x-required-message"].(string)
			if !set {
				message = p.Name + " is required"
			}
			return "", fail.BadRequest(message)
		}
		return "", nil
	}
	value, message := coerceText(p.Schema.Value, given[0], p.Name)
	if message == "" {
		message = violation(p.Schema.Value, value, p.Name)
	}
	if own, set := p.Extensions["x-message"].(string); message != "" && set {
		message = own
	}
	if message != "" {
		return "", fail.BadRequest(message)
	}
	if whole, ok := value.(int64); ok {
		return strconv.FormatInt(whole, 10), nil
	}
	return given[0], nil
}

// parameters are those of an admitted request.
func (o operation) parameters(c echo.Context) ws.Parameters {
	all := ws.Parameters{}
	for _, p := range o.path {
		all[p.Name] = c.Param(p.Name)
	}
	query := c.Request().URL.Query()
	for _, p := range o.query {
		all[p.Name] = query.Get(p.Name)
	}
	for _, p := range o.header {
		all[p.Name] = c.Request().Header.Get(p.Name)
	}
	return all
}
