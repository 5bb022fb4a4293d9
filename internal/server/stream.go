package server

import (
	"bytes"
	"errors"
	"net/http"
	"reflect"
	"sync"

	"github.com/goccy/go-json"
	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/gen/api"
)

const (
	// streamSize is how much of a list is encoded before it is written, in bytes.
	streamSize = 32 << 10
	// streamItems are encoded at a time: few, because each may be long, and more than
	// one, because beginning takes as long as encoding a short one.
	streamItems = 16
)

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

// buffers are for answers on their way out: growing a new one for each takes longer
// than encoding what it holds.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// putBack lets another answer have a buffer, unless that has grown so long that it
// is better freed.
func putBack(b *bytes.Buffer) {
	if b.Cap() <= 2*streamSize {
		b.Reset()
		buffers.Put(b)
	}
}

func writeList(w http.ResponseWriter, list reflect.Value) error {
	part := buffers.Get().(*bytes.Buffer)
	defer putBack(part)
	flush := func() error {
		if w.Header().Get(echo.HeaderContentType) == "" {
			w.Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
			w.WriteHeader(http.StatusOK)
		}
		_, err := part.WriteTo(w)
		return err
	}
	encoder := json.NewEncoder(part)
	if list.Len() == 0 {
		return errors.Join(encoder.Encode(list.Interface()), flush())
	}
	for i := 0; i < list.Len(); i += streamItems {
		begin := part.Len()
		if err := encoder.Encode(list.Slice(i, min(i+streamItems, list.Len())).Interface()); err != nil {
			return err
		}
		if i > 0 {
			part.Bytes()[begin] = ','
		}
		part.Truncate(part.Len() - len("]\n"))
		if part.Len() >= streamSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	part.WriteString("]\n")
	return flush()
}
