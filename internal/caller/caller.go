// Package caller owns who is asking and which rows they reach. It does not
// decide what an operation needs: that is the operation's own.
package caller

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"github.com/nexterm-go/nexterm/internal/permission"
)

// Caller is the account behind a request, as of the start of that request.
type Caller struct {
	AccountID int64
	// SessionID is the login session, 0 for a caller with an API key.
	SessionID int64
	// APIKeyID is the API key, 0 for a caller with a login session.
	APIKeyID int64
	// ImpersonatorID is the account that really acts, 0 unless that is another one.
	ImpersonatorID int64
	Admin          bool
	// System holds the effective system permissions, all of them for administrators.
	System permission.Set
	// Organizations lists the organizations with an active membership, ascending.
	Organizations []int64
	// Reach are the owners whose things the caller may read, as numbers (see
	// Owner): the caller and its organizations.
	Reach []int64

	owned     []int64
	overrides []override
}

// override is one row of the permissions of an organization's member.
type override struct {
	organizationID int64
	permission     permission.Set
	allow          bool
}

// Holds reports whether the caller has a system permission.
func (c *Caller) Holds(name permission.Name) bool { return c.System.Has(name) }

// ManagesAll reports whether the caller may act as an administrator of every
// organization, a member of it or not.
func (c *Caller) ManagesAll() bool { return c.Holds(permission.OrganizationsManageAll) }

// Member reports whether the caller has an active membership.
func (c *Caller) Member(organizationID int64) bool {
	return slices.Contains(c.Organizations, organizationID)
}

// Owns reports whether the caller is the organization's owner.
func (c *Caller) Owns(organizationID int64) bool { return slices.Contains(c.owned, organizationID) }

// In resolves the caller's permissions in an organization: all of them for its
// owner and for those who manage all organizations; for other active members an
// override decides, else the system permission of the same name; else none.
// It does not tell whether the organization exists.
func (c *Caller) In(organizationID int64) permission.Set {
	if !c.Member(organizationID) && !c.ManagesAll() {
		return 0
	}
	var allowed, denied permission.Set
	for _, o := range c.overrides {
		switch {
		case o.organizationID != organizationID:
		case o.allow:
			allowed |= o.permission
		default:
			denied |= o.permission
		}
	}
	_, effective := c.System.InOrganization(c.Owns(organizationID), allowed, denied)
	return effective
}

// Client is the peer of a request.
type Client struct {
	// IP is the address of the caller, with trusted proxies taken out.
	IP string
	// UserAgent is the header as sent, empty when absent.
	UserAgent string
	// Host is what the client takes this server's host and port to be.
	Host string
	// Origin is the header as sent: the page that makes the request, empty when absent.
	Origin string
	// PassedOn tells that another server of the deployment has passed the request on.
	PassedOn bool
	// Accept is the header as sent: the formats that the client takes.
	Accept string
}

// userAgentLength bounds what sessions and device codes keep of a User-Agent
// header, in characters.
const userAgentLength = 255

// Agent is what sessions and device codes keep of the User-Agent header, or a
// word for its absence.
func (c Client) Agent(absent string) string {
	return cmp.Or(c.CutAgent(userAgentLength), absent)
}

// CutAgent is the User-Agent header, cut to so many characters.
func (c Client) CutAgent(most int) string {
	agent := []rune(c.UserAgent)
	return string(agent[:min(len(agent), most)])
}

// Network is what a limit for an address counts: the address itself for IPv4,
// its /64 for IPv6, because that is what one subscriber owns.
func (c Client) Network() string {
	addr, err := netip.ParseAddr(c.IP)
	if err != nil || addr.Is4() {
		return c.IP
	}
	prefix, err := addr.Prefix(64)
	if err != nil {
		return c.IP
	}
	return prefix.String()
}

type callerKey struct{}
type clientKey struct{}
type signInKey struct{}
type membersKey struct{}

// With stores the caller of a request.
func With(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// From returns the caller of an authenticated operation. It panics on a public
// one: such a handler has nobody to ask for.
func From(ctx context.Context) *Caller { return ctx.Value(callerKey{}).(*Caller) }

// Optional returns the caller of an operation that needs none, nil without one.
func Optional(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	return c
}

// WithSignIn stores who wants to know which account a request signs in.
func WithSignIn(ctx context.Context, heard func(accountID int64)) context.Context {
	return context.WithValue(ctx, signInKey{}, heard)
}

// SignedIn tells that the request opens a session of the account.
func SignedIn(ctx context.Context, accountID int64) {
	if heard, ok := ctx.Value(signInKey{}).(func(int64)); ok {
		heard(accountID)
	}
}

// WithMembers stores the names of the members of a request's body.
func WithMembers(ctx context.Context, names []string) context.Context {
	return context.WithValue(ctx, membersKey{}, names)
}

// Members are the names of the body's members, in the contract's order, without
// those that the audit log may not name: secret ones.
func Members(ctx context.Context, secret ...string) []string {
	names, _ := ctx.Value(membersKey{}).([]string)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(secret, name) })
}

// WithClient stores the peer of a request.
func WithClient(ctx context.Context, client Client) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}

// ClientFrom returns the peer of a request.
func ClientFrom(ctx context.Context) Client {
	client, _ := ctx.Value(clientKey{}).(Client)
	return client
}
