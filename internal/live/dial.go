package live

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/hostkey"
	"github.com/nexterm-go/nexterm/internal/login"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/screen"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/target"
)

// dial makes the connection and hands it over, or says why not.
func (r *Registry) dial(l *live) {
	channel, shell, keys, err := r.reach(l)
	opened := l.post(func() {
		if err != nil {
			l.fail(err)
			return
		}
		l.open(channel, shell, keys)
	})
	if opened || err != nil {
		return
	}
	if shell != nil {
		shell.Close()
	}
	channel.Close()
}

func (r *Registry) reach(l *live) (channel *login.Channel, shell *ssh.Session, keys screen.Keys, err error) {
	leave, err := r.dials.Enter(l.ctx, l.AccountID)
	if err != nil {
		return nil, nil, keys, err
	}
	defer leave()
	switch l.Protocol {
	case "ssh", "sftp":
	case "rdp", "vnc":
		return nil, nil, keys, failure("Remote desktop is not configured on this server")
	case "ftp", "ftps":
		return nil, nil, keys, failure("FTP is not supported by this server")
	case "":
		return nil, nil, keys, failure("Missing host configuration")
	default:
		if strings.HasPrefix(l.Protocol, "pve-") {
			return nil, nil, keys, failure("Proxmox is not supported by this server")
		}
		return nil, nil, keys, failure("Unsupported protocol: " + l.Protocol)
	}
	callers, _, err := caller.FindByAccount(l.ctx, r.Queries, []int64{l.AccountID}, nil, 0)
	if err != nil {
		return nil, nil, keys, err
	}
	who := callers[l.AccountID]
	if who == nil {
		return nil, nil, keys, cannotConnect
	}
	who.SessionID, who.APIKeyID = l.SessionID, l.APIKeyID
	to, err := target.LoadFor(l.ctx, r.Queries, r.Vault, l.AccountID, who.Reach, l.EntryID, l.IdentityID)
	if err != nil {
		return nil, nil, keys, err
	}
	if to.Problem != nil {
		return nil, nil, keys, problem(*to.Problem)
	}
	if channel, err = r.login(l, who, to); err != nil || l.Kind != "terminal" {
		return channel, nil, keys, err
	}
	config, err := r.Queries.GetTerminalKeys(l.ctx, l.EntryID)
	if err == nil {
		err = json.Unmarshal(config, &keys)
	}
	if err == nil {
		shell, err = channel.Shell(l.ctx, l.firstSize())
	}
	if err != nil {
		channel.Close()
		return nil, nil, keys, err
	}
	return channel, shell, keys, nil
}

// login takes a channel on a login that is shared, or on one of its own for what the
// request has brought along.
func (r *Registry) login(l *live, who *caller.Caller, to target.Target) (*login.Channel, error) {
	host := &to.Way[len(to.Way)-1]
	if l.Direct != nil {
		host.Username, host.Password = l.Direct.Username, l.Direct.Password
		host.PrivateKey, host.Passphrase = l.Direct.PrivateKey, l.Direct.Passphrase
	}
	if host.Username == "" {
		return nil, failure(target.NoUsername)
	}
	dialled := hostkey.Dial{AccountID: l.AccountID, EntryID: l.EntryID, Name: to.Name, Owner: to.Owner, Way: to.Way}
	if l.Kind == "terminal" {
		dialled.Ask = l.ask
		dialled.Note, dialled.Replaced = l.note, func(tx *change.Tx) error {
			return tx.AddConnectionDetails(l.ctx, db.AddConnectionDetailsParams{ID: l.ID, Details: []byte(`{"hostKey": "replaced"}`)})
		}
		dialled.MayReplace = func() bool { return who.Need(permission.ResourcesManage, to.Owner, errNo, errNo) == nil }
		for i := range to.Way {
			to.Way[i].Ask = l.ask
		}
	}
	// Whoever trusts a key does it as the account.
	ctx := caller.With(l.ctx, who)
	sightings, err := r.HostKeys.Load(ctx, []hostkey.Dial{dialled})
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context) (*ssh.Login, error) { return r.Dialer.Dial(ctx, to.Way) }
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
		defer cancel()
		if err := sightings.Save(ctx); err != nil {
			r.Log.WarnContext(ctx, "store when host keys were seen", "error", err)
		}
	}()
	if l.Direct != nil {
		return r.logins.Alone(ctx, dial)
	}
	places := hostkey.Places(to.Owner, to.Way)
	last := places[len(places)-1]
	key := login.Key{
		SessionID: l.SessionID, APIKeyID: l.APIKeyID, EntryID: l.EntryID, IdentityID: *l.IdentityID, Username: host.Username,
		Owner: int64(to.Owner), Way: strings.TrimPrefix(last.Via+","+net.JoinHostPort(last.Host, strconv.Itoa(last.Port)), ","),
	}
	return r.logins.Open(ctx, key, l.Kind == "terminal", dial)
}

// errNo stands for a right that there is not.
var errNo = fmt.Errorf("%w", cannotConnect)

// firstSize is that of the first terminal that has told its own, so far.
func (l *live) firstSize() ssh.Size {
	size := make(chan ssh.Size, 1)
	if !l.post(func() {
		if l.size == (ssh.Size{}) {
			l.size = ssh.Size{Columns: 80, Rows: 24}
		}
		size <- l.size
	}) {
		return ssh.Size{Columns: 80, Rows: 24}
	}
	return <-size
}
