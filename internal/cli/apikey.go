package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/terminal"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

var apiKeys = kind[nexterm.APIKey]{
	name: "api-key", many: "API keys", about: "your own API keys, with which pipelines sign in",
	list:  func(s *session) ([]nexterm.APIKey, error) { return s.client.APIKeys.List(s.Context()) },
	thing: func(_ *session, k nexterm.APIKey) thing { return thing{id: k.ID, name: k.Name} },
	head:  []string{"ID", "NAME", "BEGINS", "USED", "EXPIRES"},
	row: func(_ *session, k nexterm.APIKey) []string {
		return []string{text64(k.ID), k.Name, k.Prefix, minute(k.LastUsedAt), minute(k.ExpiresAt)}
	},
	fields: []field{{name: "expiresAt", usage: "the `time` from which it does not work any more, such as 2030-01-31; never without it"}},
	prints: "token, which is not shown again",
	create: func(s *session, d document) (any, error) { return send(s, d, s.client.APIKeys.Create) },
	remove: func(s *session, k nexterm.APIKey) error { return s.client.APIKeys.Delete(s.Context(), k.ID) },
}

func minute(t nexterm.Optional[time.Time]) string {
	if at, known := t.Get(); known {
		return at.Local().Format("2006-01-02 15:04")
	}
	return "never"
}

// approveCommand is the other side of a login.
func approveCommand() *cobra.Command {
	var yes bool
	command := &cobra.Command{
		Use: "approve CODE", Short: "Approve the code of a login elsewhere, which signs it in as you", Args: cobra.ExactArgs(1),
		RunE: signedIn(func(s *session, args []string) error {
			reference := nexterm.DeviceCodeReference{Code: strings.ToUpper(args[0])}
			device, err := s.client.Devices.GetCode(s.Context(), reference)
			if err != nil {
				return err
			}
			fmt.Fprintf(s.ErrOrStderr(), "%s at %s asks to be signed in as you. Approve only what you have begun yourself.\n",
				terminal.Clean(device.UserAgent), terminal.Clean(device.IPAddress))
			if err := s.agree("Approve?", yes); err != nil {
				return err
			}
			_, err = s.client.Devices.AuthorizeCode(s.Context(), reference)
			return err
		}),
	}
	command.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return command
}
