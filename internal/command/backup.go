package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/db/migrations"
	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/backup"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/postgres"
	"github.com/nexterm-go/nexterm/internal/terminal"
)

func backupCommand() *cobra.Command {
	var recipients []string
	var file string
	command := &cobra.Command{
		Use:   "backup FILE|FOLDER|-",
		Short: "Write the whole database to one encrypted file, while servers run",
		Long: "Write what the database holds at one moment to one encrypted file, while servers run: a new one, one in a folder, or with - the standard output. " +
			"The master key opens it, unless recipients of age are named; it is no part of the file, and restoring needs it in either case. The settings are those of `serve`.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			settings, err := readSettings()
			if err != nil {
				return err
			}
			keys, err := settings.backupKeys(recipients, file, "")
			if err != nil {
				return err
			}
			if args[0] == "-" && terminal.Is(cmd.OutOrStdout()) {
				return errors.New("a backup is nothing for a terminal: name a file, or send the output to one")
			}
			d, _, err := settings.borrow(cmd.Context(), false, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.close()) }()
			// The schema may be another version's, and the database one that only reads.
			err = d.change(cmd.Context(), settings.logger(), func(ctx context.Context, changes *change.Changes) error {
				return backup.RecordCreate(ctx, changes, args[0], keys)
			})
			if err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "the audit log will not tell of this backup:", err)
			}
			config, version, progress := d.direct.Config().ConnConfig, cmd.Root().Version, terminal.Progress(cmd.ErrOrStderr())
			if args[0] == "-" {
				_, err := backup.Write(cmd.Context(), config, cmd.OutOrStdout(), keys, version, progress)
				return err
			}
			path, err := backup.Create(cmd.Context(), config, args[0], keys, version, progress)
			if err == nil {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), path)
			}
			return err
		},
	}
	command.Flags().StringArrayVar(&recipients, "recipient", nil, "age recipient who opens the file instead of the master key, such as age1…; again for another one (default: BACKUP_RECIPIENTS)")
	command.Flags().StringVar(&file, "recipients-file", "", "file with such recipients, one a line")
	command.AddCommand(verifyBackup())
	return command
}

func restoreCommand() *cobra.Command {
	var identity string
	command := &cobra.Command{
		Use:   "restore FILE",
		Short: "Restore a backup into an empty database",
		Long: "Restore a backup into the database of the settings, which are those of `serve`: an empty one, or one in which nobody has an account yet. No server may run on it. " +
			"The file is read to its end before anything is touched, and the rows come in one transaction.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			settings, err := readSettings()
			if err != nil {
				return err
			}
			keys, err := settings.backupKeys(nil, "", identity)
			if err != nil {
				return err
			}
			m, err := backup.Check(args[0], keys)
			if err != nil {
				return err
			}
			d, err := openDatabase(cmd.Context(), settings, settings.logger(), cmd.OutOrStdout())
			if errors.Is(err, postgres.ErrInUse) {
				return backup.ErrServers
			}
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.close()) }()
			if err := backup.Restore(cmd.Context(), d.direct, args[0], keys, cmd.Root().Version, terminal.Progress(cmd.ErrOrStderr())); err != nil {
				return err
			}
			err = d.change(cmd.Context(), settings.logger(), func(ctx context.Context, changes *change.Changes) error {
				return backup.RecordRestore(ctx, changes, args[0], m)
			})
			_, failure := fmt.Fprintf(cmd.OutOrStdout(), "the database is that of %s again: %d rows\n", m.Time.UTC().Format(time.RFC3339), m.Rows())
			return errors.Join(err, failure)
		},
	}
	command.Flags().StringVar(&identity, "identity", "", "file with the age identity that opens the backup, if the master key does not")
	return command
}

func verifyBackup() *cobra.Command {
	var identity string
	command := &cobra.Command{
		Use:   "verify FILE",
		Short: "Restore a backup into a scratch database, and open every secret there",
		Long: "Restore a backup into a database that is made for it beside the one of the settings and dropped afterwards, count its rows, check its constraints and open every secret. " +
			"Servers run on. Where the database's role may not create databases, BACKUP_SCRATCH_URL names an empty one, which is emptied afterwards.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := readSettings()
			if err != nil {
				return err
			}
			keys, err := settings.backupKeys(nil, "", identity)
			if err != nil {
				return err
			}
			m, err := backup.Check(args[0], keys)
			if err != nil {
				return err
			}
			return settings.inScratch(cmd, func(pool *pgxpool.Pool) error {
				if err := backup.Restore(cmd.Context(), pool, args[0], keys, cmd.Root().Version, terminal.Progress(cmd.ErrOrStderr())); err != nil {
					return err
				}
				secrets, err := backup.Verify(cmd.Context(), pool, m, keys, terminal.Progress(cmd.ErrOrStderr()))
				if err == nil {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d rows of %d tables of %s are all there, and %d secrets open\n",
						m.Rows(), len(m.Tables), m.Time.UTC().Format(time.RFC3339), secrets)
				}
				return err
			})
		},
	}
	command.Flags().StringVar(&identity, "identity", "", "file with the age identity that opens the backup, if the master key does not")
	return command
}

// inScratch hands over a database for a while: the empty one of the settings, or one
// that is made for it.
func (s Settings) inScratch(cmd *cobra.Command, use func(*pgxpool.Pool) error) (err error) {
	ctx := cmd.Context()
	if s.BackupScratchURL != "" {
		url, err := s.withPassword("BACKUP_SCRATCH_URL", s.BackupScratchURL)
		if err != nil {
			return err
		}
		pool, err := app.OpenPool(ctx, url)
		if err != nil {
			return err
		}
		defer pool.Close()
		if err := backup.Empty(ctx, pool); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, migrations.To(context.WithoutCancel(ctx), pool, 0, cmd.Root().Version)) }()
		return use(pool)
	}
	d, _, err := s.borrow(ctx, false, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	config := d.direct.Config()
	admin := config.ConnConfig.Copy()
	if s.DatabaseURL == "" {
		admin.User, admin.Database = postgres.Superuser, postgres.Superuser
	}
	return backup.InScratch(ctx, admin, config.ConnConfig.Database, config.ConnConfig.User, func(name string) error {
		config.ConnConfig.Database = name
		pool, err := pgxpool.NewWithConfig(ctx, config)
		if err != nil {
			return err
		}
		defer pool.Close()
		return use(pool)
	})
}

// backupKeys are the master key and, if that is not what seals or opens a backup,
// the recipients or identities that are named.
func (s Settings) backupKeys(recipients []string, recipientsFile, identityFile string) (keys backup.Keys, err error) {
	if keys.Masters, err = s.masterKeys(); err != nil {
		return keys, err
	}
	if recipientsFile != "" {
		text, err := os.ReadFile(recipientsFile)
		if err != nil {
			return keys, err
		}
		recipients = append(recipients, string(text))
	}
	if len(recipients) == 0 {
		recipients = s.BackupRecipients
	}
	if keys.Recipients, err = parseRecipients(recipients); err != nil {
		return keys, fmt.Errorf("recipients of backups: %w", err)
	}
	if identityFile == "" {
		return keys, nil
	}
	file, err := os.Open(identityFile)
	if err != nil {
		return keys, err
	}
	defer func() { _ = file.Close() }()
	keys.Identities, err = age.ParseIdentities(file)
	return keys, err
}

// backups is the schedule.
func (s Settings) backups() backup.Schedule {
	return backup.Schedule{
		Folder: s.BackupDir, Interval: s.BackupInterval, Keep: s.BackupKeep, KeepDays: s.BackupKeepDays,
		Keys: func() (backup.Keys, error) { return s.backupKeys(nil, "", "") },
	}
}

// checkBackups looks for what would only be noticed when a backup is due.
func (s Settings) checkBackups() error {
	var problems []error
	if _, err := parseRecipients(s.BackupRecipients); err != nil {
		problems = append(problems, fmt.Errorf("BACKUP_RECIPIENTS: %w", err))
	}
	err := os.MkdirAll(s.BackupDir, 0o700)
	if err == nil {
		var file *os.File
		if file, err = os.CreateTemp(s.BackupDir, ".nexterm-*.partial"); err == nil {
			err = errors.Join(file.Close(), os.Remove(file.Name()))
		}
	}
	if err != nil {
		problems = append(problems, fmt.Errorf("BACKUP_DIR: %w", err))
	}
	return errors.Join(problems...)
}

func parseRecipients(lines []string) ([]age.Recipient, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	// Whoever writes commas may write spaces, too.
	text := strings.ReplaceAll(strings.Join(lines, "\n"), " ", "")
	recipients, err := age.ParseRecipients(strings.NewReader(text))
	if err == nil {
		_, err = age.Encrypt(io.Discard, recipients...) // not all of them go together
	}
	return recipients, err
}
