package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/terminal"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// lingerTime is how long a tunnel waits for more when its local end has nothing more to
// say, which cannot be told to the other end.
const lingerTime = 5 * time.Second

// exit is the status of a command that has run elsewhere, and why it did not.
type exit struct {
	status int
	why    string
}

func (e exit) Error() string { return e.why }

// loginFlags are what all connections to hosts take.
func loginFlags(command *cobra.Command) {
	command.Flags().String("org", "", "the `organization` that the entry belongs to, by name or id, or personal")
	command.Flags().String("identity", "", "the `identity` to log in with, instead of the entry's first")
	command.Flags().String("reason", "", "why, for organizations that want to know")
	completeFlag(command, "org", organizationReference)
	completeFlag(command, "identity", identities.reference())
}

// host is the entry that an argument names, the identity that a flag does, and the reason.
func (s *session) host(called string) (entry nexterm.Entry, identity int64, reason string, err error) {
	found, _, err := entries.find(s, []string{called})
	if err != nil {
		return entry, 0, "", err
	}
	if name, _ := s.Flags().GetString("identity"); name != "" {
		if identity, err = identities.reference().id(s, name); err != nil {
			return entry, 0, "", err
		}
	}
	reason, _ = s.Flags().GetString("reason")
	return found[0], identity, reason, nil
}

func completeEntry(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return entryReference.complete(cmd, begun)
}

func sshCommand() *cobra.Command {
	var patience time.Duration
	command := &cobra.Command{
		Use: "ssh ENTRY [-- COMMAND...]", Short: "Open a terminal on the host of an entry, or run a command there",
		Long: `Opens a terminal on the host of an SSH entry, where Enter, ~ and . one after the other
hang up. With a command, runs that and prints what it prints, when it has ended: up to
256 KiB each of output and errors. The exit status is the command's, 255 where the host
could not be reached, and 124 where the command took too long.`,
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: completeEntry,
		RunE: signedIn(func(s *session, args []string) error {
			if patience < time.Second || patience > time.Hour {
				return usage("--timeout is between 1s and 1h")
			}
			entry, identity, reason, err := s.host(args[0])
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return s.shell(entry.ID, identity, reason)
			}
			body := nexterm.Command{Command: strings.Join(args[1:], " "), TimeoutSeconds: int(math.Ceil(patience.Seconds())), ConnectionReason: reason}
			result, err := s.client.Remote.Run(s.Context(), entry.ID, body, nexterm.RunCommandQuery{IdentityID: identity})
			if err != nil {
				return err
			}
			_, err = io.WriteString(s.OutOrStdout(), result.Stdout)
			_, failed := io.WriteString(s.ErrOrStderr(), result.Stderr)
			if err := errors.Join(err, failed); err != nil {
				return err
			}
			if result.ExitCode == 0 && result.Success {
				return nil
			}
			return exit{result.ExitCode, result.ErrorMessage.Or("")}
		}),
	}
	loginFlags(command)
	command.Flags().DurationVar(&patience, "timeout", 5*time.Minute, "how `long` it may take")
	return command
}

// forward is a local port, and where connections to it lead.
type forward struct {
	listener net.Listener
	host     string
	port     int
}

func forwardCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "forward ENTRY PORT:HOST:HOSTPORT...", Short: "Forward local ports through the host of an entry",
		Long: `Listens on 127.0.0.1 and leads each connection through the host of an SSH entry to
an address as that host sees it, until it is interrupted. PORT:HOSTPORT leads to the
host itself, and port 0 takes one that is free. IPv6 addresses stand in brackets.`,
		Args: cobra.MinimumNArgs(2), ValidArgsFunction: completeEntry,
		RunE: signedIn(func(s *session, args []string) error {
			entry, identity, reason, err := s.host(args[0])
			if err != nil {
				return err
			}
			var all []forward
			defer func() {
				for _, f := range all {
					_ = f.listener.Close()
				}
			}()
			for _, arg := range args[1:] {
				f, err := listen(s.Context(), arg)
				if err != nil {
					return err
				}
				all = append(all, f)
			}
			for _, f := range all {
				if _, err := fmt.Fprintf(s.OutOrStdout(), "%s leads to %s\n", f.listener.Addr(), net.JoinHostPort(f.host, strconv.Itoa(f.port))); err != nil {
					return err
				}
			}
			return s.serve(all, func(ctx context.Context, f forward) (net.Conn, error) {
				return s.client.Tunnel(ctx, entry.ID, f.host, f.port, nexterm.TunnelOptions{IdentityID: identity, Reason: reason})
			})
		}),
	}
	loginFlags(command)
	return command
}

// counter counts the bytes that are written to it.
type counter struct{ atomic.Int64 }

func (c *counter) Write(data []byte) (int, error) {
	c.Add(int64(len(data)))
	return len(data), nil
}

// listen reads what is to be forwarded, and listens.
func listen(ctx context.Context, text string) (f forward, err error) {
	local, to, found := strings.Cut(text, ":")
	if found && !strings.Contains(to, ":") {
		to = "127.0.0.1:" + to
	}
	port, err := strconv.ParseUint(local, 10, 16)
	host, far, splitErr := net.SplitHostPort(to)
	farPort, farErr := strconv.ParseUint(far, 10, 16)
	if !found || err != nil || splitErr != nil || farErr != nil || farPort == 0 || host == "" {
		return f, usage("%q is not like 5432:db.internal:5432", text)
	}
	f.host, f.port = host, int(farPort)
	f.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.FormatUint(port, 10)))
	return f, err
}

// serve leads connections on until the command is interrupted, or may not go on.
func (s *session) serve(all []forward, open func(context.Context, forward) (net.Conn, error)) error {
	ctx, end := context.WithCancelCause(s.Context())
	defer end(nil)
	var working sync.WaitGroup
	for _, f := range all {
		context.AfterFunc(ctx, func() { _ = f.listener.Close() })
		working.Go(func() {
			for {
				near, err := f.listener.Accept()
				if err != nil {
					end(err)
					return
				}
				working.Go(func() {
					defer near.Close()
					err := join(ctx, near, func() (net.Conn, error) { return open(ctx, f) })
					switch {
					case err == nil || ctx.Err() != nil:
					case errors.Is(err, nexterm.ErrUnauthorized), errors.Is(err, nexterm.ErrForbidden), errors.Is(err, nexterm.ErrNotFound), errors.Is(err, nexterm.ErrBadRequest):
						end(err)
					default:
						fmt.Fprintf(s.ErrOrStderr(), "nexterm: %s: %s\n", f.listener.Addr(), terminal.Clean(tell(err)))
					}
				})
			}
		})
	}
	<-ctx.Done()
	working.Wait()
	if s.Context().Err() != nil {
		return nil // as people end it
	}
	return context.Cause(ctx)
}

// join copies between two connections, either way, until one of them has ended.
func join(ctx context.Context, near net.Conn, open func() (net.Conn, error)) error {
	far, err := open()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() {
		_ = near.Close()
		_ = far.Close()
	})()
	var moved counter
	go func() {
		_, err := io.Copy(far, near)
		for before := int64(-1); err == nil && moved.Load() != before; {
			before = moved.Load()
			time.Sleep(lingerTime)
		}
		_ = far.Close()
	}()
	_, err = io.Copy(near, io.TeeReader(far, &moved))
	_ = far.Close()
	if errors.As(err, new(*net.OpError)) {
		return nil // the local end is gone
	}
	return err
}
