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
// byte for byte what the generated code writes. Lists that are longer than memory
// allows come in pages, from a method Next.
func streamLists(next api.StrictHandlerFunc, _ string) api.StrictHandlerFunc {
	return func(c echo.Context, request any) (any, error) {
		answer, err := next(c, request)
		if err != nil {
			return answer, err
		}
		if pages, paged := answer.(interface{ Next() (any, error) }); paged {
			return nil, writeList(c.Response(), pages.Next)
		}
		list := reflect.ValueOf(answer)
		if list.Kind() != reflect.Slice || list.Type().Elem().Kind() == reflect.Uint8 {
			return answer, nil
		}
		return nil, writeList(c.Response(), func() (any, error) {
			page := answer
			answer = list.Slice(0, 0).Interface()
			return page, nil
		})
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

// writeList writes a list that comes in pages, the last of which is empty.
func writeList(w http.ResponseWriter, next func() (any, error)) error {
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
	for begun := false; ; {
		page, err := next()
		if err != nil {
			return err
		}
		list := reflect.ValueOf(page)
		if list.Len() == 0 {
			if !begun {
				return errors.Join(encoder.Encode(page), flush())
			}
			part.WriteString("]\n")
			return flush()
		}
		for i := 0; i < list.Len(); i += streamItems {
			begin := part.Len()
			if err := encoder.Encode(list.Slice(i, min(i+streamItems, list.Len())).Interface()); err != nil {
				return err
			}
			if begun {
				part.Bytes()[begin] = ','
			}
			begun = true
			part.Truncate(part.Len() - len("]\n"))
			if part.Len() >= streamSize {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
}
