package command

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/db/migrations"
)

func migrateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date and exit",
		Long:  "Bring the database's schema up to date and exit; `serve` does the same when it starts.\n\n" + settingsHelp(),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			settings, err := readSettings()
			if err != nil {
				return err
			}
			log := settings.logger()
			d, err := openDatabase(cmd.Context(), settings, log, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.close()) }()
			return migrations.Up(cmd.Context(), d.direct, cmd.Root().Version, log)
		},
	}
}
