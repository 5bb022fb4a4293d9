package ws

import (
	"context"
	"strconv"

	"github.com/nexterm-go/nexterm/internal/caller"
)

// Handler serves one WebSocket of an operation and returns when it is done with
// it; what it has not closed by then is cut. The guard has admitted the caller,
// who is also in the context. The context ends when the server stops, not when
// the peer goes: that shows on the connection.
type Handler func(ctx context.Context, conn *Conn, who *caller.Caller, parameters Parameters)

// Parameters are the operation's, in path, query and headers, as the contract
// names them. They are checked against their schemas; absent ones are empty.
type Parameters map[string]string

// Int is a parameter that the contract calls an integer, 0 when it is absent.
func (p Parameters) Int(name string) int64 {
	// What is no integer never gets here.
	value, _ := strconv.ParseInt(p[name], 10, 64)
	return value
}
