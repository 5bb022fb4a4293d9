package server

import (
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

// aliases rewrites the plural spelling of a path group to the canonical one,
// and drops one trailing slash. The groups come from the tags' x-alias. A path
// that the contract names in its plural spelling is an operation of its own and
// stays as it is.
func aliases(contract *openapi3.T) echo.MiddlewareFunc {
	canonical := canonicalGroups(contract)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			u := c.Request().URL
			u.Path, u.RawPath = rewrite(u.Path, canonical, contract), rewrite(u.RawPath, canonical, contract)
			return next(c)
		}
	}
}

// canonicalGroups maps each plural group, as in identities, to its canonical path.
func canonicalGroups(contract *openapi3.T) map[string]string {
	canonical := map[string]string{}
	for _, tag := range contract.Tags {
		groups, _ := tag.Extensions["x-alias"].(map[string]any)
		for group, alias := range groups {
			canonical[strings.TrimPrefix(alias.(string), "/api/")] = group
		}
	}
	return canonical
}

func rewrite(path string, canonical map[string]string, contract *openapi3.T) string {
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	rest, found := strings.CutPrefix(path, "/api/")
	if !found {
		return path
	}
	group, below, nested := strings.Cut(rest, "/")
	target, known := canonical[group]
	if !known || contract.Paths.Value(path) != nil {
		return path
	}
	if !nested {
		return target
	}
	return target + "/" + below
}
