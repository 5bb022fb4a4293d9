// Command nexterm is the server and its tools: parse, build, run.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is replaced at link time for releases.
var version = "0.1.0"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once instead of waiting for the drain.
	context.AfterFunc(ctx, stop)
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "nexterm:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "nexterm",
		Short:         "Manage connections to servers, with their credentials sealed",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(
		&cobra.Command{
			Use:   "serve",
			Short: "Run the server",
			Long:  "Run the server. Without any setting it keeps everything, a private PostgreSQL included, in the data directory.\n\n" + settingsHelp(),
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return withSettings(cmd.Context(), serve)
			},
		},
		&cobra.Command{
			Use:   "migrate",
			Short: "Bring the database's schema up to date and exit",
			Long:  "Bring the database's schema up to date and exit; `serve` does the same when it starts.\n\n" + settingsHelp(),
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return withSettings(cmd.Context(), migrate)
			},
		},
		&cobra.Command{
			Use:   "healthcheck",
			Short: "Ask the server on this machine whether it is ready; exit 1 if it is not",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return withSettings(cmd.Context(), healthcheck)
			},
		},
		accountCommand(),
	)
	return root
}

func withSettings(ctx context.Context, run func(context.Context, Settings) error) error {
	settings, err := readSettings()
	if err != nil {
		return err
	}
	return run(ctx, settings)
}
