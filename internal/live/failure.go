package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	gossh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/guacamole"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/target"
)

// Failure is why a connection fails, in the words that people read. Clients look for
// parts of them to translate, so the words are not used in another sense.
type Failure string

func (f Failure) Error() string { return string(f) }

type failure = Failure

// Lost is a login that has broken.
const Lost = Failure("Connection lost")

const (
	connectionLost = Lost
	cancelled      = failure("Cancelled")
	timedOut       = failure("Connection timed out")
	furtherSteps   = failure("Further login steps are needed: open a terminal")
	noShell        = failure("The host does not offer a shell")
	notServed      = failure("The host does not offer this")
	refused        = failure("Connection refused")
	notLetIn       = failure("Authentication failed")
	unreachable    = failure("Host unreachable")
	noName         = failure("Host name not found")
	cannotConnect  = failure("Connection failed")
	noDesktop      = failure("Remote desktop is not configured on this server")
	desktopLost    = failure("Remote desktop connection lost")
)

// failureOf says of an error what people may know: nothing of addresses, of what hosts
// say, of secrets.
func failureOf(err error) failure {
	var said failure
	if errors.As(err, &said) {
		var hop *ssh.HopError
		if errors.As(err, &hop) {
			return failure(fmt.Sprintf("Jump host %d: %s", hop.Hop, said))
		}
		return said
	}
	text := reason(err)
	var hop *ssh.HopError
	if errors.As(err, &hop) {
		text = failure(fmt.Sprintf("Jump host %d: %s", hop.Hop, text))
	}
	return text
}

// FailureOf is failureOf for whatever runs on a host without a terminal.
func FailureOf(err error) Failure {
	if errors.Is(err, ssh.ErrNotServed) {
		return notServed
	}
	return failureOf(err)
}

// refusedBy reads why a host opens no channel. What it says of a connection that it
// could not make is what its system does.
func refusedBy(refusal *gossh.OpenChannelError) failure {
	if refusal.Reason != gossh.ConnectionFailed {
		return notServed
	}
	for _, known := range []struct {
		part string
		said failure
	}{
		{"refused", refused}, {"timed out", timedOut}, {"route", unreachable}, {"unreachable", unreachable},
		{"not known", noName}, {"name resolution", noName},
	} {
		if strings.Contains(strings.ToLower(refusal.Message), known.part) {
			return known.said
		}
	}
	return cannotConnect
}

func reason(err error) failure {
	var lookup *net.DNSError
	var refusal *gossh.OpenChannelError
	var desktop *guacamole.Error
	switch {
	case errors.As(err, &desktop):
		return desktopFailure(desktop.Status)
	case errors.Is(err, guacamole.ErrUnreachable):
		return noDesktop
	case errors.Is(err, guacamole.ErrLost):
		return desktopLost
	case errors.Is(err, ssh.ErrDenied):
		return "Target address is not allowed"
	case errors.Is(err, ssh.ErrTooOften):
		return "Too many failed logins, try again in a minute"
	case errors.Is(err, ssh.ErrHostKeyChanged):
		return "Host key has changed"
	case errors.Is(err, ssh.ErrHostKeyUnknown):
		return "Host key is not known"
	case errors.Is(err, ssh.ErrFurther):
		return furtherSteps
	case errors.Is(err, ssh.ErrRefused):
		return notLetIn
	case errors.Is(err, ssh.ErrPrivateKey):
		return "The private key could not be read"
	case errors.Is(err, ssh.ErrNotServed):
		return noShell
	case errors.As(err, &refusal):
		return refusedBy(refusal)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return timedOut
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused
	case errors.As(err, &lookup):
		return noName
	case errors.Is(err, ssh.ErrUnreachable):
		return unreachable
	case errors.Is(err, ssh.ErrHandshake):
		return "Not an SSH server"
	case errors.Is(err, ssh.ErrLost):
		return connectionLost
	}
	return cannotConnect
}

// isRefusal tells whether a desktop has not let guacd in.
func isRefusal(err error) bool {
	var desktop *guacamole.Error
	return errors.As(err, &desktop) && desktopFailure(desktop.Status) == notLetIn
}

// isUnreached tells whether guacd has not come to a desktop.
func isUnreached(err error) bool {
	return slices.Contains([]failure{timedOut, unreachable, refused}, reason(err))
}

// desktopFailure says of a status of guacd's what it means; its own words may name hosts.
func desktopFailure(status int) failure {
	switch status {
	case 0x0202, 0x020A:
		return timedOut
	case 0x0207:
		return unreachable
	case 0x0208:
		return refused
	case 0x0301, 0x0303:
		return notLetIn
	case 0x0205, 0x0209:
		return "The desktop is in use elsewhere"
	}
	return desktopLost
}

// problem is what keeps an entry from being dialled.
func problem(p target.Problem) failure {
	if p.Reason == target.OtherEngine {
		return "No engine connected"
	}
	return failure(p.String())
}
