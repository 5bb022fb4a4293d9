// Package command owns the commands of the program, their settings and what they
// print: parse, build, run. It does not own what a server is made of.
package command

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/cli"
)

// Execute runs the command that the arguments name, and ends the process if it fails.
func Execute(version string) {
	stops := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup
		stops = append(stops, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), stops...)
	// A second signal ends the process at once instead of waiting for the drain.
	context.AfterFunc(ctx, stop)
	if status := cli.Execute(ctx, root(version)); status != 0 {
		os.Exit(status)
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
	root.AddCommand(serveCommand(), migrateCommand(), healthcheckCommand(), accountCommand(), keyCommand(), backupCommand(), restoreCommand(), contractCommand())
	cli.AddTo(root)
	return root
}
