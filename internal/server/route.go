package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

// echoRoute writes a path of the contract as Echo's router has it.
func echoRoute(path string) string {
	return strings.NewReplacer("/{", "/:", "}", "").Replace(path)
}

// exact refuses what Echo routes too far: a parameter at the end of a route
// swallows all segments that follow. Such a path is another one, or none.
func exact(contract *openapi3.T) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			path := c.Request().URL.EscapedPath()
			if strings.Count(path, "/") == strings.Count(c.Path(), "/") {
				return next(c)
			}
			var allow []string
			for template, item := range contract.Paths.Map() {
				if !fits(template, path) {
					continue
				}
				for method := range item.Operations() {
					allow = append(allow, method)
					if method == http.MethodGet {
						allow = append(allow, http.MethodHead)
					}
				}
			}
			if len(allow) == 0 {
				return echo.ErrNotFound
			}
			slices.Sort(allow)
			c.Response().Header().Set(echo.HeaderAllow, strings.Join(append([]string{http.MethodOptions}, allow...), ", "))
			return echo.ErrMethodNotAllowed
		}
	}
}

// fits compares a path with a template of the contract, segment by segment.
func fits(template, path string) bool {
	segments := strings.Split(path, "/")
	return slices.EqualFunc(strings.Split(template, "/"), segments, func(part, segment string) bool {
		return part == segment || strings.HasPrefix(part, "{")
	})
}
