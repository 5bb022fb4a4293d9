package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/manifest"
	"github.com/nexterm-go/nexterm/internal/terminal"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

const exitCodes = `The exit status of a command says why it has failed:

  0    it has not
  1    for another reason than those below
  2    the command was called in a wrong way, or the server finds its input wrong
  3    not signed in, or not permitted
  4    there is no such thing
  5    it conflicts with what there is, or there would be too much of it
  6    the server is away or wants fewer requests: worth another try, later
  7    apply: the server differs from the file in the end
  130  interrupted`

// errUsage is what is wrong with how a command was called.
var errUsage = errors.New("")

func usage(format string, values ...any) error {
	return fmt.Errorf(format+"%w", append(values, errUsage)...)
}

// exitStatuses has the kinds of failures; all others are 1.
var exitStatuses = []struct {
	kind   error
	status int
}{
	{context.Canceled, 130}, {manifest.ErrDrift, 7},
	{errUsage, 2}, {nexterm.ErrBadRequest, 2},
	{errSignedOut, 3}, {nexterm.ErrUnauthorized, 3}, {nexterm.ErrForbidden, 3},
	{nexterm.ErrNotFound, 4}, {nexterm.ErrConflict, 5},
	{nexterm.ErrTooManyRequests, 6}, {nexterm.ErrUnavailable, 6},
}

// Execute runs the command that the arguments name, tells of its failure, and returns
// the exit status.
func Execute(ctx context.Context, root *cobra.Command) int {
	begun := false
	var note func(*cobra.Command)
	note = func(command *cobra.Command) {
		if run := command.RunE; run != nil {
			command.RunE = func(cmd *cobra.Command, args []string) error {
				begun = true
				return run(cmd, args)
			}
		}
		for _, child := range command.Commands() {
			note(child)
		}
	}
	note(root)
	command, err := root.ExecuteContextC(ctx)
	var elsewhere exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &elsewhere) && elsewhere.why == "":
		return elsewhere.status
	case !begun:
		fmt.Fprintf(root.ErrOrStderr(), "nexterm: %s; see `%s --help`\n", terminal.CleanLines(err.Error()), command.CommandPath())
		return 2
	}
	fmt.Fprintln(root.ErrOrStderr(), "nexterm:", terminal.CleanLines(tell(err)))
	if elsewhere.status != 0 {
		return elsewhere.status
	}
	for _, e := range exitStatuses {
		if errors.Is(err, e.kind) {
			return e.status
		}
	}
	return 1
}

// tell is a failure in words for people: of the SDK's errors without the method and the
// status, and with the id of the request only where the server's operator needs it.
func tell(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	text := err.Error()
	for _, e := range answers(err) {
		plain := *e
		plain.Operation, plain.Status = "", 0
		if e.Status < 500 {
			plain.RequestID = ""
		}
		said := strings.TrimPrefix(plain.Error(), "nexterm: ")
		if e.RetryAfter > 0 {
			said += fmt.Sprintf("; try again in %s", e.RetryAfter.Round(time.Second))
		}
		text = strings.ReplaceAll(text, e.Error(), said)
	}
	return text
}

// answers are the SDK's errors that an error is made of.
func answers(err error) (all []*nexterm.Error) {
	switch err := err.(type) { //nolint:errorlint // it walks the tree itself
	case *nexterm.Error:
		return []*nexterm.Error{err}
	case interface{ Unwrap() []error }:
		for _, each := range err.Unwrap() {
			all = append(all, answers(each)...)
		}
	case interface{ Unwrap() error }:
		return answers(err.Unwrap())
	}
	return all
}

// advise adds to a failure what the user can do about it.
func (c credentials) advise(cmd *cobra.Command, client *nexterm.Client, err error) error {
	var e *nexterm.Error
	switch {
	case !errors.As(err, &e):
		return err
	case errors.Is(e, nexterm.ErrUnauthorized) && c.fromEnvironment:
		return fmt.Errorf("%w; does NEXTERM_TOKEN still hold?", err)
	case errors.Is(e, nexterm.ErrUnauthorized) && c.Token != "":
		return fmt.Errorf("%w; sign in again with `nexterm login`", err)
	case e.Message == "Forbidden":
		return fmt.Errorf("%w: the account may not do this; an administrator can permit it", err)
	case errors.Is(e, nexterm.ErrUnexpected), e.Status == 0 && errors.Is(e, nexterm.ErrUnavailable):
		err = fmt.Errorf("%s: %w", c.URL, err)
		if e.Message == "the server's certificate is not to be trusted" {
			err = fmt.Errorf("%w; SSL_CERT_FILE can name the certificate of an authority of your own", err)
		}
	}
	// What a server says that knows less than this command, or more.
	strange := errors.Is(e, nexterm.ErrUnexpected) || e.Message == noSuchPath || strings.HasPrefix(e.Message, noSuchMethod) || strings.HasSuffix(e.Message, noSuchField)
	if strange {
		if difference := versions(cmd, client); difference != "" {
			err = fmt.Errorf("%w\n%s", err, difference)
		}
	}
	return err
}

// What servers say of what they do not know.
const (
	noSuchPath   = "There is nothing at this path"
	noSuchMethod = "This path does not support the method "
	noSuchField  = " is not allowed"
)

// versions says that the server is of another version, if it is. It asks only once
// something does not fit: the others need no further request.
func versions(cmd *cobra.Command, client *nexterm.Client) string {
	ctx, cancel := context.WithTimeout(cmd.Context(), 3*time.Second)
	defer cancel()
	server, err := client.Server.GetVersion(ctx)
	if err != nil || minor(server.Version) == minor(cmd.Root().Version) {
		return ""
	}
	return fmt.Sprintf("The server is of version %s and this command of %s: what only one of them knows does not work until the older one is updated.", server.Version, cmd.Root().Version)
}

// minor is a version without its last part, within which versions fit together.
func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}
