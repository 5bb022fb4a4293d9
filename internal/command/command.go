// Package command owns the commands of the program, their settings and what they
// print: parse, build, run. It does not own what a server is made of.
package command

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Execute runs the command that the arguments name, and ends the process if it fails.
func Execute(version string) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once instead of waiting for the drain.
	context.AfterFunc(ctx, stop)
	if err := root(version).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "nexterm:", err)
		os.Exit(1)
	}
}

func root(version string) *cobra.Command {
	root := &cobra.Command{
		Use:           "nexterm",
		Short:         "Manage connections to servers, with their credentials sealed",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(serveCommand(), migrateCommand(), healthcheckCommand(), accountCommand(), keyCommand(), contractCommand())
	return root
}
