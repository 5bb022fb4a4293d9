package server

import (
	"bytes"
	"net/http"
	"reflect"

	"github.com/goccy/go-json"
	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/gen/api"
)

// streamSize is how much of a list is encoded before it is written, in bytes.
const streamSize = 32 << 10

// streamLists writes answers that are lists part by part: as a whole, encoded and
// copied, a long list would take its length several times over. What comes out is
// byte for byte what the generated code writes.
func streamLists(next api.StrictHandlerFunc, _ string) api.StrictHandlerFunc {
	return func(c echo.Context, request any) (any, error) {
		answer, err := next(c, request)
		list := reflect.ValueOf(answer)
		if err != nil || list.Kind() != reflect.Slice || list.Type().Elem().Kind() == reflect.Uint8 {
			return answer, err
		}
		return nil, writeList(c.Response(), list)
	}
}

func writeList(w http.ResponseWriter, list reflect.Value) error {
	var part bytes.Buffer
	flush := func() error {
		if w.Header().Get(echo.HeaderContentType) == "" {
			w.Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
			w.WriteHeader(http.StatusOK)
		}
		_, err := part.WriteTo(w)
		return err
	}
	if list.IsNil() {
		part.WriteString("null\n")
		return flush()
	}
	encoder := json.NewEncoder(&part)
	part.WriteByte('[')
	for i := range list.Len() {
		if i > 0 {
			part.WriteByte(',')
		}
		item := list.Index(i)
		if item.Kind() != reflect.Interface {
			item = item.Addr()
		}
		if err := encoder.Encode(item.Interface()); err != nil {
			return err
		}
		part.Truncate(part.Len() - len("\n"))
		if part.Len() >= streamSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	part.WriteString("]\n")
	return flush()
}
