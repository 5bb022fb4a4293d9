package server

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/api"
)

// Lists are written as the generated code writes them.
func TestListsAreWrittenAsAWhole(t *testing.T) {
	t.Parallel()
	tag := api.Tag{ID: 1, Name: "<é&\u2028>" + strings.Repeat("x", 200), Color: "#fff"}
	many := make(api.ListTags200JSONResponse, 1000)
	for i := range many {
		many[i] = tag
	}
	const pageLength = 300
	for _, list := range []api.ListTags200JSONResponse{nil, {}, {tag}, many, many[:pageLength]} {
		expected, given := httptest.NewRecorder(), httptest.NewRecorder()
		require.NoError(t, list.VisitListTagsResponse(expected))
		require.NoError(t, writeList(given, func() (any, error) {
			page := list[:min(len(list), pageLength)]
			list = list[len(page):]
			return page, nil
		}))
		require.Equal(t, expected.Result().Header, given.Result().Header)
		require.Equal(t, expected.Body.String(), given.Body.String())
	}
}
