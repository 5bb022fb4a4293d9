package server

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
)

// withHeaders is an operation with parameters in headers.
func withHeaders(t *testing.T) operation {
	t.Helper()
	limit := openapi3.NewHeaderParameter("X-Limit").WithRequired(true).WithSchema(openapi3.NewIntegerSchema().WithMin(1).WithMax(10))
	mode := openapi3.NewHeaderParameter("x-mode").WithSchema(openapi3.NewStringSchema().WithMaxLength(4))
	op := &openapi3.Operation{OperationID: "o", Security: &openapi3.SecurityRequirements{}, Parameters: openapi3.Parameters{{Value: limit}, {Value: mode}}}
	o, err := newOperation(&openapi3.T{}, &openapi3.PathItem{}, op)
	require.NoError(t, err)
	return o
}

func TestHeaderParametersAreRefusedLikeThoseOfTheQuery(t *testing.T) {
	t.Parallel()
	o := withHeaders(t)
	for message, given := range map[string]map[string][]string{
		"X-Limit is required":                                           {},
		"X-Limit must be given once":                                    {"X-Limit": {"1", "1"}},
		"X-Limit must be a number":                                      {"X-Limit": {"one"}},
		"X-Limit must be an integer":                                    {"X-Limit": {"1.5"}},
		"X-Limit must be a positive number":                             {"X-Limit": {"0"}},
		"X-Limit must be less than or equal to 10":                      {"X-Limit": {"11"}},
		"x-mode length must be less than or equal to 4 characters long": {"X-Limit": {"1"}, "X-Mode": {"large"}},
		"The request is not valid UTF-8":                                {"X-Limit": {"1"}, "X-Mode": {"\xff"}},
		"The request contains a NUL character":                          {"X-Limit": {"1"}, "X-Mode": {"\x00"}},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header = given
		require.EqualError(t, o.checkHeader(echo.New().NewContext(r, nil)), message)
	}
}

func TestHeaderParametersAreWrittenAsTheGeneratedCodeReadsThem(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header = map[string][]string{"X-Limit": {"3.0"}, "X-Mode": {""}, "X-Other": {"a", "\xff"}}
	require.NoError(t, withHeaders(t).checkHeader(echo.New().NewContext(r, nil)))
	require.Equal(t, "3", r.Header.Get("X-Limit"))
	require.NotContains(t, r.Header, "X-Mode", "empty counts as absent")
	require.Equal(t, []string{"a", "\xff"}, r.Header["X-Other"], "others pass")
}

func TestParametersThatCannotBe(t *testing.T) {
	t.Parallel()
	p := openapi3.NewHeaderParameter("authorization")
	op := &openapi3.Operation{OperationID: "o", Security: &openapi3.SecurityRequirements{}, Parameters: openapi3.Parameters{{Value: p}}}
	_, err := newOperation(&openapi3.T{}, &openapi3.PathItem{}, op)
	require.EqualError(t, err, "o has the header authorization as a parameter")
}
