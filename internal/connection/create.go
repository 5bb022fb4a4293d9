package connection

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/live"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// mostOpen is how many connections an account has open at a time.
const mostOpen = 50

var (
	errEntryNotFound  = fail.NotFound("Entry not found")
	errScriptNotFound = fail.NotFound("Script not found")
	errDenied         = fail.Forbidden("Access denied")
	errDirectProxmox  = fail.BadRequest("Direct connections are not supported for Proxmox entries")
	errUnfit          = fail.BadRequest("This connection type is not supported for this server")
	errNoScripts      = fail.BadRequest("Scripts can only run on SSH servers")
	errNoReason       = fail.BadRequest("Connection reason required")
	errTooMany        = fail.TooManyAtATime("Too many open connections", mostOpen, time.Second)
)

// CreateConnection opens a connection; how that goes is seen on its socket.
func (h *Handlers) CreateConnection(ctx context.Context, request api.CreateConnectionRequestObject) (api.CreateConnectionResponseObject, error) {
	id, err := h.open(ctx, *request.Body)
	return api.CreateConnection201JSONResponse{SessionID: id}, err
}

// DuplicateConnection opens another one like one that is open.
func (h *Handlers) DuplicateConnection(ctx context.Context, request api.DuplicateConnectionRequestObject) (api.DuplicateConnectionResponseObject, error) {
	row, err := h.get(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	wanted := api.NewConnection{
		EntryID: row.EntryID, IdentityID: row.IdentityID, ConnectionReason: row.Reason, Type: (*api.NewConnectionType)(row.Type),
		ScriptID: row.ScriptID, StartPath: row.StartPath, TabID: given(request.Body).TabID, BrowserID: given(request.Body).BrowserID,
	}
	if direct := h.live.Direct(row.ID); direct != nil {
		wanted.DirectIdentity = &api.DirectIdentity{
			Type: api.DirectIdentityTypeBoth, Username: &direct.Username,
			Password: (*string)(&direct.Password), SSHKey: (*string)(&direct.PrivateKey), Passphrase: (*string)(&direct.Passphrase),
		}
	} else if row.IsDirect {
		return nil, errNotFound // its login has gone with it
	}
	id, err := h.open(ctx, wanted)
	return api.DuplicateConnection201JSONResponse{SessionID: id}, err
}

func (h *Handlers) open(ctx context.Context, wanted api.NewConnection) (uuid.UUID, error) {
	c := caller.From(ctx)
	entry, err := h.queries.GetConnectionEntry(ctx, db.GetConnectionEntryParams{ID: wanted.EntryID, Reach: c.Reach})
	if err != nil {
		return uuid.Nil, fail.OnNoRows(err, errEntryNotFound)
	}
	protocol := entry.Protocol
	if entry.Type != string(api.EntryTypeServer) {
		protocol = entry.Type
	}
	kind := kindOf(wanted.Type, protocol)
	owner := caller.Owner(entry.Scope)
	if err := c.Need(live.Permission(kind, protocol), owner, errDenied, errDenied); err != nil {
		return uuid.Nil, err
	}
	if wanted.ScriptID != nil {
		if err := c.Need(permission.ScriptsExecute, owner, errDenied, errDenied); err != nil {
			return uuid.Nil, err
		}
	}
	if err := fits(wanted, kind, protocol); err != nil {
		return uuid.Nil, err
	}
	var script *live.Script
	if wanted.ScriptID != nil {
		row, err := h.queries.GetScript(ctx, db.GetScriptParams{ID: *wanted.ScriptID, Reach: c.Reach, Sources: true})
		if err != nil {
			return uuid.Nil, fail.OnNoRows(err, errScriptNotFound)
		}
		script = &live.Script{Name: row.Name, Content: row.Content}
	}
	reason := ""
	if wanted.ConnectionReason != nil {
		reason = strings.TrimSpace(*wanted.ConnectionReason)
	}
	if entry.ReasonRequired && reason == "" {
		return uuid.Nil, errNoReason
	}
	identityID, err := h.identity(ctx, wanted, protocol)
	if err != nil {
		return uuid.Nil, err
	}
	row := db.CreateConnectionParams{
		ID: uuid.New(), AccountID: c.AccountID, SessionID: c.SessionID, APIKeyID: c.APIKeyID,
		EntryID: wanted.EntryID, OrganizationID: entry.OrganizationID, Kind: kind, Protocol: protocol, Type: (*string)(wanted.Type),
		IdentityID: identityID, IsDirect: wanted.DirectIdentity != nil, ScriptID: wanted.ScriptID, StartPath: wanted.StartPath,
		Renderer: entry.Renderer, Reason: filled(reason), TabID: wanted.TabID, BrowserID: wanted.BrowserID, NodeID: h.live.Node,
	}
	if wanted.Type != nil && *wanted.Type == api.NewConnectionTypeSftp {
		row.Renderer = (*string)(wanted.Type)
	}
	if err := h.store(ctx, row, owner, reason); err != nil {
		return uuid.Nil, err
	}
	opening := live.Opening{
		ID: row.ID, AccountID: c.AccountID, SessionID: c.SessionID, APIKeyID: c.APIKeyID, EntryID: wanted.EntryID,
		IdentityID: identityID, Direct: direct(wanted.DirectIdentity), Kind: kind, Protocol: protocol, Script: script,
	}
	if wanted.StartPath != nil && wanted.ScriptID == nil {
		opening.StartPath = *wanted.StartPath
	}
	h.live.Open(opening)
	return row.ID, nil
}

// kindOf is what a connection shows.
func kindOf(wanted *api.NewConnectionType, protocol string) string {
	switch {
	case wanted != nil && *wanted == api.NewConnectionTypeSftp, protocol == "sftp", protocol == "ftp", protocol == "ftps":
		return "sftp"
	case protocol == "rdp", protocol == "vnc", protocol == "demo", protocol == "pve-qemu":
		return "guac"
	}
	return "terminal"
}

// fits refuses what an entry's protocol does not have.
func fits(wanted api.NewConnection, kind, protocol string) error {
	onSSH := protocol == "ssh" || protocol == ""
	isProxmox := strings.HasPrefix(protocol, "pve-")
	switch {
	case wanted.DirectIdentity != nil && isProxmox:
		return errDirectProxmox
	case wanted.Type == nil:
	case *wanted.Type == api.NewConnectionTypeSftp && !onSSH && !strings.HasSuffix(strings.TrimSuffix(protocol, "s"), "ftp"):
		return errUnfit
	case *wanted.Type == api.NewConnectionTypeTerminal && kind != "terminal":
		return errUnfit
	}
	if wanted.ScriptID != nil && (kind != "terminal" || protocol != "ssh") {
		return errNoScripts
	}
	return nil
}

// identity is the one to log in with, nil where the request brings its own login or
// none is needed.
func (h *Handlers) identity(ctx context.Context, wanted api.NewConnection, protocol string) (*int64, error) {
	switch {
	case wanted.DirectIdentity != nil:
		return nil, nil
	case wanted.IdentityID == nil && (protocol == "telnet" || protocol == "demo" || strings.HasPrefix(protocol, "pve-")):
		return nil, nil
	}
	id, err := h.live.Identity(ctx, caller.From(ctx), wanted.EntryID, wanted.IdentityID)
	return &id, err
}

// store writes the connection and what is told of it.
func (h *Handlers) store(ctx context.Context, row db.CreateConnectionParams, owner caller.Owner, reason string) error {
	action := connectAction(row.Kind, row.Protocol)
	told := event.Event{
		Action: action, Owner: owner, ResourceID: row.EntryID, Reason: reason, Lists: []event.List{},
		Details:  event.Details{"connectionReason": reason},
		Accounts: []int64{row.AccountID}, AccountLists: []event.List{event.Connections},
	}
	if reason == "" {
		told.Details = event.Details{}
	}
	if owner < 0 {
		told.Lists = []event.List{event.LiveSessions}
	}
	if row.ScriptID != nil {
		told.Action, told.ResourceID = event.ScriptExecute, *row.ScriptID
		told.Details["serverId"] = row.EntryID
	}
	row.Switch = told.Action.Switch()
	return h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		if err := tx.LockConnections(ctx, row.AccountID); err != nil {
			return err
		}
		open, err := tx.CountOpenConnections(ctx, row.AccountID)
		if err != nil {
			return err
		}
		if open >= mostOpen {
			return errTooMany
		}
		if err := h.live.Room(); err != nil {
			return err
		}
		if told.AuditID, err = tx.CreateConnection(ctx, row); err != nil {
			return fail.OnConstraint(err, "connections_entry_exists", errEntryNotFound)
		}
		if row.ScriptID == nil {
			err := tx.TouchRecentConnection(ctx, db.TouchRecentConnectionParams{AccountID: row.AccountID, EntryID: row.EntryID, Action: string(action)})
			if err != nil {
				return err
			}
		}
		tx.Record(told)
		return nil
	})
}

// connectAction is how the audit log calls it.
func connectAction(kind, protocol string) event.Action {
	switch {
	case kind == "sftp":
		return event.SFTPConnect
	case protocol == "rdp":
		return event.RDPConnect
	case protocol == "vnc":
		return event.VNCConnect
	case protocol == "demo":
		return event.DemoConnect
	case strings.HasPrefix(protocol, "pve-"):
		return event.PVEConnect
	}
	return event.SSHConnect
}

// direct is a login that came in the request.
func direct(given *api.DirectIdentity) *live.Direct {
	if given == nil {
		return nil
	}
	text := func(given *string) vault.Secret {
		if given == nil {
			return ""
		}
		return vault.Secret(*given)
	}
	d := &live.Direct{Username: string(text(given.Username))}
	if given.Type != api.DirectIdentityTypeSSH {
		d.Password = text(given.Password)
	}
	if given.Type == api.DirectIdentityTypeSSH || given.Type == api.DirectIdentityTypeBoth {
		d.PrivateKey, d.Passphrase = text(given.SSHKey), text(given.Passphrase)
	}
	return d
}
