package file

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/live"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/ssh"
)

var (
	errPath      = fail.BadRequest("Invalid path")
	errUnknown   = fail.NotFound("Session not found")
	errNotServed = &fail.Error{Status: badGateway, Message: "The host does not offer files"}
	errGone      = fail.ServiceUnavailable("SFTP connection lost")
	mayNot       = map[permission.Name]error{
		permission.FilesDownload: fail.Forbidden("You don't have permission to download files from this server"),
		permission.FilesUpload:   fail.Forbidden("You don't have permission to upload files to this server"),
	}
)

// Statuses for hosts that do not do what they are asked, and for ranges that are not there.
const (
	badGateway          = 502
	rangeNotSatisfiable = 416
)

// transfer is one between a client and a host. It has to be ended.
type transfer struct {
	*live.Files
	host *host
	end  func()
}

// begin waits for a turn among the transfers of a connection of the caller's.
func (h *Handlers) begin(ctx context.Context, sessionID string, name permission.Name) (*transfer, error) {
	id, err := uuid.Parse(sessionID)
	if err != nil {
		return nil, errUnknown
	}
	f, err := h.live.FindFiles(ctx, caller.From(ctx), id)
	if err != nil {
		return nil, err
	}
	if err := h.need(ctx, f, name); errors.Is(err, errForbidden) {
		return nil, mayNot[name]
	} else if err != nil {
		return nil, err
	}
	leave, err := h.takeTurn(ctx, f)
	if err != nil {
		return nil, err
	}
	host, end, err := h.own(ctx, f)
	if err != nil {
		leave()
		return nil, failed(err)
	}
	f.Use()
	ended := make(chan struct{})
	go func() { // it is not idle meanwhile, and does not outlive its connection
		select {
		case <-f.Done:
			host.Close()
		case <-ended:
		}
	}()
	return &transfer{f, host, func() {
		close(ended)
		end()
		leave()
		f.Use()
	}}, nil
}

// takeTurn waits until the connection and its account have few enough transfers.
func (h *Handlers) takeTurn(ctx context.Context, f *live.Files) (leave func(), err error) {
	leaveConnection, err := h.transfers.Enter(ctx, f.ID)
	if err != nil {
		return nil, err
	}
	leaveAccount, err := h.accountTransfers.Enter(ctx, f.AccountID)
	if err != nil {
		leaveConnection()
		return nil, err
	}
	return func() { leaveAccount(); leaveConnection() }, nil
}

// failed puts a failure of a host into a status.
func failed(err error) error {
	var named *fail.Error
	switch {
	case err == nil, errors.As(err, &named), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, ssh.ErrNotServed):
		return errNotServed
	case errors.Is(err, fs.ErrNotExist):
		return fail.NotFound("Not found")
	case errors.Is(err, fs.ErrPermission):
		return fail.Forbidden("Permission denied")
	case errors.Is(err, errFolder), textOf(err) == string(errExists):
		return fail.Conflict(textOf(err))
	case errors.Is(err, errIrregular):
		return fail.BadRequest(textOf(err))
	case isLost(err):
		return errGone
	}
	return &fail.Error{Status: badGateway, Message: textOf(err)}
}

// absolute is a path of a request without repeated slashes. Unlike in sockets, where
// people go up, a detour is refused.
func absolute(given string) (string, error) {
	segments := strings.Split(given, "/")
	if !strings.HasPrefix(given, "/") || len(given) > maxPath || !utf8.ValidString(given) || strings.Contains(given, "\x00") {
		return "", errPath
	}
	for _, segment := range segments {
		if segment == ".." {
			return "", errPath
		}
	}
	return path.Clean(given), nil
}
