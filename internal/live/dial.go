package live

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/hostkey"
	"github.com/nexterm-go/nexterm/internal/login"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/screen"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/target"
	"github.com/nexterm-go/nexterm/internal/telnet"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// dial makes the connection and hands it over, or says why not.
func (r *Registry) dial(l *live) {
	channel, shell, keys, err := r.reach(l)
	var run *script
	if err == nil && l.Script != nil {
		if run, err = l.upload(channel); err != nil {
			l.hangUp(channel, shell)
		}
	}
	opened := l.post(func() {
		if err != nil {
			l.fail(err)
			return
		}
		l.open(channel, shell, keys)
		if run != nil {
			l.begin(run)
		}
	})
	if opened || err != nil {
		return
	}
	if run != nil {
		run.release()
	}
	l.hangUp(channel, shell)
}

func (r *Registry) reach(l *live) (channel *login.Channel, shell shell, keys screen.Keys, err error) {
	leave, err := r.dials.Enter(l.ctx, l.AccountID)
	if err != nil {
		return nil, nil, keys, err
	}
	defer leave()
	if err := speaks(l.Protocol); err != nil {
		return nil, nil, keys, err
	}
	if l.Protocol == "telnet" {
		if keys, err = r.keys(l); err == nil {
			shell, err = r.telnet(l)
		}
		return nil, shell, keys, err
	}
	var people *People
	if l.Kind == "terminal" {
		people = &People{Ask: l.ask, Note: l.note, Replaced: func(tx *change.Tx) error {
			return tx.AddConnectionDetails(l.ctx, db.AddConnectionDetailsParams{ID: l.ID, Details: []byte(`{"hostKey": "replaced"}`)})
		}}
	}
	use := l.openFiles
	if l.Kind == "terminal" {
		if keys, err = r.keys(l); err != nil {
			return nil, nil, keys, err
		}
		use = func(login *ssh.Login) (err error) {
			shell, err = l.openShell(login)
			return err
		}
	}
	channel, err = r.Channel(l.ctx, l.Opening, people, use)
	return channel, shell, keys, err
}

func (r *Registry) keys(l *live) (keys screen.Keys, err error) {
	config, err := r.Queries.GetTerminalKeys(l.ctx, l.EntryID)
	if err != nil {
		return keys, err
	}
	return keys, json.Unmarshal(config, &keys)
}

func (l *live) openShell(login *ssh.Login) (shell, error) {
	size := l.firstSize()
	session, err := login.Shell(l.ctx, size)
	if err != nil {
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, session.Stderr()) }() // there is none on a terminal
	return l.recorded(session, size)
}

// recorded is a shell that is recorded from now on, where that is to be.
func (l *live) recorded(open shell, size ssh.Size) (shell, error) {
	if err := l.record(size); err != nil {
		_ = open.Close() // there is nobody to tell
		return nil, err
	}
	return open, nil
}

// telnet dials a host that asks for its login itself.
func (r *Registry) telnet(l *live) (shell, error) {
	_, to, err := r.target(l.ctx, l.Opening, nil)
	switch {
	case err != nil:
		return nil, err
	case len(to.Way) > 1:
		return nil, failure("Jump hosts are not supported for telnet")
	}
	conn, err := r.Dialer.Connect(l.ctx, to.Way[0])
	if err != nil {
		return nil, err
	}
	size := l.firstSize()
	return l.recorded(telnet.New(conn, size), size)
}

// speaks refuses what is not spoken here.
func speaks(protocol string) error {
	switch {
	case protocol == "ssh", protocol == "sftp", protocol == "telnet":
		return nil
	case protocol == "rdp", protocol == "vnc":
		return noDesktop
	case protocol == "ftp", protocol == "ftps":
		return failure("FTP is not supported by this server")
	case protocol == "":
		return failure(target.NoHost)
	case strings.HasPrefix(protocol, "pve-"):
		return failure("Proxmox is not supported by this server")
	}
	return failure("Unsupported protocol: " + protocol)
}

// People are those who wait for a login in a terminal.
type People struct {
	// Ask puts a question to them, Note tells them something, and Replaced hears that they
	// have replaced a host key, within that change.
	Ask      func(context.Context, string) (vault.Secret, error)
	Note     func(string)
	Replaced func(*change.Tx) error
}

// Channel takes a channel on the SSH login of an account at an entry: one that is
// shared, or one of its own for a login that the request has brought along, and begins
// there what it is for. The rights of the account to all that is on the way, and to the
// identity, are as of now; whether it may connect at all is for the caller to know, and
// so is an identity where the request brings no login. With nobody to ask, people is nil.
func (r *Registry) Channel(ctx context.Context, o Opening, people *People, use login.Use) (*login.Channel, error) {
	who, to, err := r.target(ctx, o, o.IdentityID)
	if err != nil {
		return nil, err
	}
	host := &to.Way[len(to.Way)-1]
	if o.Direct != nil {
		host.Username, host.Password = o.Direct.Username, o.Direct.Password
		host.PrivateKey, host.Passphrase = o.Direct.PrivateKey, o.Direct.Passphrase
	}
	if host.Username == "" {
		return nil, failure(target.NoUsername)
	}
	// Whoever trusts a key does it as the account.
	who.SessionID, who.APIKeyID = o.SessionID, o.APIKeyID
	ctx = caller.With(ctx, who)
	sightings, err := r.HostKeys.Load(ctx, []hostkey.Dial{people.dial(o, who, to)})
	if err != nil {
		return nil, err
	}
	defer r.saw(ctx, sightings)
	dial := func(ctx context.Context) (*ssh.Login, error) { return r.Dialer.Dial(ctx, to.Way) }
	if o.Direct != nil {
		return r.logins.Alone(ctx, dial, use)
	}
	places := hostkey.Places(to.Owner, to.Way)
	last := places[len(places)-1]
	key := login.Key{
		SessionID: o.SessionID, APIKeyID: o.APIKeyID, EntryID: o.EntryID, IdentityID: *o.IdentityID, Username: host.Username,
		Owner: int64(to.Owner), Way: strings.TrimPrefix(last.Via+","+net.JoinHostPort(last.Host, strconv.Itoa(last.Port)), ","),
	}
	return r.logins.Open(ctx, key, people != nil, dial, use)
}

// target is the way to an entry with an identity, or with none, as its account may go it
// by now.
func (r *Registry) target(ctx context.Context, o Opening, identityID *int64) (*caller.Caller, target.Target, error) {
	callers, _, err := caller.FindByAccount(ctx, r.Queries, []int64{o.AccountID}, nil, 0)
	if err != nil {
		return nil, target.Target{}, err
	}
	who := callers[o.AccountID]
	if who == nil {
		return nil, target.Target{}, cannotConnect
	}
	to, err := target.LoadFor(ctx, r.Queries, r.Vault, o.AccountID, who.Reach, o.EntryID, identityID)
	if err == nil && to.Problem != nil {
		err = problem(*to.Problem)
	}
	return who, to, err
}

// ErrNoIdentity is for entries that a caller has no identity for, or not the one that is
// named.
var ErrNoIdentity = fail.BadRequest("Identity not found")

// Identity is the one with which a caller logs in to an entry: the named one, linked or
// not, or else the first of the entry's.
func (r *Registry) Identity(ctx context.Context, who *caller.Caller, entryID int64, named *int64) (int64, error) {
	way, err := r.Queries.ListLogins(ctx, db.ListLoginsParams{ID: entryID, Reach: who.Reach, IdentityID: named})
	if err != nil {
		return 0, err
	}
	if len(way) == 0 || way[len(way)-1].IdentityID == 0 {
		return 0, ErrNoIdentity
	}
	return way[len(way)-1].IdentityID, nil
}

// dial is how the way is gone, with those who can be asked.
func (p *People) dial(o Opening, who *caller.Caller, to target.Target) hostkey.Dial {
	dial := hostkey.Dial{AccountID: o.AccountID, EntryID: o.EntryID, Name: to.Name, Owner: to.Owner, Way: to.Way}
	if p == nil {
		return dial
	}
	dial.Ask, dial.Note, dial.Replaced = p.Ask, p.Note, p.Replaced
	dial.MayReplace = func() bool { return who.Need(permission.ResourcesManage, to.Owner, errNo, errNo) == nil }
	for i := range to.Way {
		to.Way[i].Ask = p.Ask
	}
	return dial
}

// saw keeps which host keys were seen, which is no reason to fail.
func (r *Registry) saw(ctx context.Context, sightings *hostkey.Sightings) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	if err := sightings.Save(ctx); err != nil {
		r.Log.WarnContext(ctx, "store when host keys were seen", "error", err)
	}
}

// Turn waits until an account may make one more login, until leave is called.
func (r *Registry) Turn(ctx context.Context, accountID int64) (leave func(), err error) {
	return r.dials.Enter(ctx, accountID)
}

// errNo stands for a right that there is not.
var errNo = errors.New("may not")

var usualSize = ssh.Size{Columns: 80, Rows: 24}

// firstSize is that of the first terminal that has told its own, so far.
func (l *live) firstSize() ssh.Size {
	size := usualSize
	l.await(func() {
		if l.size == (ssh.Size{}) {
			l.size = usualSize
		}
		size = l.size
	})
	return size
}

// record begins to record what is shown from now on, if it is to be recorded. What
// cannot be is not shown either.
func (l *live) record(size ssh.Size) error {
	recorder, write, err := l.registry.Recordings.Record(l.ctx, l.ID, size, l.rouse)
	if err != nil {
		return err
	}
	l.registry.work.Go(write)
	if !l.post(func() {
		l.recorder = recorder
		if l.size != size {
			recorder.Resize(l.size)
		}
	}) {
		recorder.End()
	}
	return nil
}
