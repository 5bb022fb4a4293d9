package ssh

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"

	"golang.org/x/crypto/ssh"
)

const (
	// maxBanners and maxRounds bound what a host may say before it lets us in or not.
	maxBanners = 32
	maxRounds  = 10
	// maxQuestions is how many questions people answer for one login, and maxTries how
	// often they are asked for a password or a passphrase that was wrong.
	maxQuestions = 10
	maxTries     = 3
)

// attempt is one handshake with a hop, and the login that follows.
type attempt struct {
	ctx        context.Context
	hop        Hop
	algorithms []string
	paced      *paced
	// accepted is the host's key, once it is.
	accepted ssh.PublicKey
	// hostKeyErr is why it is not.
	hostKeyErr error
	// conn is the connection, once keys are exchanged, and begun tells that the host
	// has said how it lets in.
	conn                                      ssh.ConnMetadata
	begun                                     bool
	passwordSent, passwordRefused, questioned bool
	banners, rounds                           int

	// limit is the host's time. While it stands still, people are asked.
	limit  *limit
	dialer *Dialer
	// asked are the questions; passwords and dialogues, how often each has been tried.
	asked, passwords, dialogues int
	// askErr is why a question has no answer, and further that nobody was there.
	askErr  error
	further bool
}

// enter logs in to the next hop. One that has no key of the known types is asked
// for any other: to be told which, whoever judges it needs one.
func (l *Login) enter(ctx context.Context, hop Hop, key ssh.Signer) error {
	client, err := l.handshake(ctx, hop, key, l.dialer.hostKeyAlgorithms(hop.HostKeys.Known))
	var none *ssh.AlgorithmNegotiationError
	if len(hop.HostKeys.Known) > 0 && errors.As(err, &none) && none.What == "host key" {
		client, err = l.handshake(ctx, hop, key, l.dialer.hostKeyAlgorithms(nil))
	}
	if err != nil {
		return err
	}
	l.clients = append(l.clients, client)
	return nil
}

func (l *Login) handshake(ctx context.Context, hop Hop, key ssh.Signer, algorithms []string) (*ssh.Client, error) {
	conn, err := l.Connect(ctx, hop.Host, hop.Port)
	if err != nil {
		return nil, err
	}
	// A host has any number of names, and one address as long as it is resolved here.
	place := bothered{hop.Owner, net.JoinHostPort(hop.Host, strconv.Itoa(hop.Port))}
	if len(l.clients) == 0 {
		l.conn, place.address = conn, conn.RemoteAddr().String()
	}
	if l.dialer.hasRefusedOften(place) {
		conn.Close()
		return nil, ErrTooOften
	}
	limit, ctx := newLimit(ctx, cmp.Or(l.dialer.loginTime, loginTime))
	defer limit.end()
	// The first of all connections: a hop that is silent does not close the others.
	first := l.conn
	defer context.AfterFunc(ctx, func() { first.Close() })()
	a := &attempt{ctx: ctx, hop: hop, algorithms: algorithms, paced: &paced{Conn: conn}, limit: limit, dialer: l.dialer}
	c, channels, requests, err := ssh.NewClientConn(a.paced, hop.Host, &ssh.ClientConfig{
		Config:            l.dialer.algorithms(),
		User:              hop.Username,
		Auth:              a.methods(key),
		AuthCallback:      a.observe,
		BannerCallback:    a.banner,
		HostKeyAlgorithms: algorithms,
		HostKeyCallback:   a.checkHostKey,
		ClientVersion:     "SSH-2.0-nexterm",
	})
	a.paced.free.Store(true)
	if err == nil {
		if peer, direct := conn.RemoteAddr().(*net.TCPAddr); direct && len(l.clients) == 0 {
			l.dialer.dials.add(bothered{hop.Owner, peer.AddrPort().Addr().Unmap().String()}, -1)
		}
		return ssh.NewClient(c, channels, requests), nil
	}
	if a.conn != nil {
		drain(a.conn)
	}
	switch {
	case a.hostKeyErr != nil:
		return nil, a.hostKeyErr
	case a.askErr != nil:
		return nil, a.askErr
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %w", ErrHandshake, ctx.Err())
	case a.begun:
		l.dialer.refusals.add(place, 1)
		if a.further {
			return nil, fmt.Errorf("%w: %w", ErrFurther, err)
		}
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
}

// checkHostKey is called before anything else is sent, and whenever keys are
// exchanged again.
func (a *attempt) checkHostKey(_ string, _ net.Addr, key ssh.PublicKey) error {
	switch {
	case a.accepted != nil && !bytes.Equal(key.Marshal(), a.accepted.Marshal()):
		return ErrHostKeyChanged
	case a.accepted != nil:
		return nil
	case !slices.ContainsFunc(a.algorithms, func(algorithm string) bool { return keyType(algorithm) == key.Type() }):
		// Such as a certificate, whose signature looks like that of its key.
		a.hostKeyErr = fmt.Errorf("%w: host key of type %q, which has not been asked for", ErrHandshake, key.Type())
	default:
		a.hostKeyErr = a.hop.HostKeys.check(context.WithValue(a.ctx, limitKey{}, a.limit), key)
	}
	if a.hostKeyErr == nil {
		a.accepted = key
		a.paced.keyed.Store(true)
	}
	return a.hostKeyErr
}

func (k HostKeys) check(ctx context.Context, key ssh.PublicKey) error {
	known := slices.ContainsFunc(k.Known, func(known ssh.PublicKey) bool { return bytes.Equal(known.Marshal(), key.Marshal()) })
	judge, refusal := k.Unknown, ErrHostKeyUnknown
	if len(k.Known) > 0 {
		judge, refusal = k.Changed, ErrHostKeyChanged
	}
	switch {
	case known && k.Seen != nil:
		k.Seen(key)
		return nil
	case known:
		return nil
	case judge == nil:
		return refusal
	}
	return judge(ctx, key)
}

func (a *attempt) banner(message string) error {
	a.paced.taken(len(message))
	if a.banners++; a.banners > maxBanners {
		return errors.New("the host sends too many banners")
	}
	return nil
}
