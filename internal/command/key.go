package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/rekey"
	"github.com/nexterm-go/nexterm/internal/terminal"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// settleTime is longer than a request that seals something may take.
const settleTime = 12 * time.Second

func keyCommand() *cobra.Command {
	key := &cobra.Command{
		Use:   "key",
		Short: "Rotate the keys that secrets are sealed with",
		Long: "Rotate the keys that secrets are sealed with, while servers run or while they do not. " +
			"The settings are those of `serve`.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	key.AddCommand(rotateKey(), keyStatus())
	return key
}

func rotateKey() *cobra.Command {
	var master bool
	var file string
	command := &cobra.Command{
		Use:   "rotate",
		Short: "Seal every secret with a new data key; run again, it goes on where it was interrupted",
		Long: "Seal every secret with a new data key, while servers run. All keys open until it is done, and it can be interrupted at any time: run again, it goes on.\n\n" +
			"With --master, the data keys are sealed with a new master key instead. That is in the file of --new-key-file, and made where there is none. " +
			"Servers with the old key in a file find the new one beside it, as that file's name with .new, without a restart; those with ENCRYPTION_KEY are restarted with the new one. " +
			"The command waits for all of them before it retires the old key.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := readSettings()
			if err != nil {
				return err
			}
			return operate(cmd, false, func(ctx context.Context, d *database, changes *change.Changes) error {
				if master {
					return settings.rotateMaster(ctx, cmd, d, changes, file)
				}
				r, release, err := rotation(ctx, cmd, d, changes, settings.masterKeys)
				if err != nil {
					return err
				}
				defer release()
				id, err := r.DataKey(ctx)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "every secret is sealed with data key %d now\n", id)
				return err
			})
		},
	}
	command.Flags().BoolVar(&master, "master", false, "change the master key")
	command.Flags().StringVar(&file, "new-key-file", "", "file with the new master key (default: the one of the present key and .new)")
	return command
}

// rotateMaster changes the master key and, where both lie beside each other, puts
// the new file in the place of the old one.
func (s Settings) rotateMaster(ctx context.Context, cmd *cobra.Command, d *database, changes *change.Changes, file string) error {
	ours := file == "" && s.EncryptionKey == ""
	if file == "" {
		if file = s.successorFile(); s.EncryptionKey != "" {
			return errors.New("the master key is in ENCRYPTION_KEY, so --new-key-file has to say where the new one is")
		}
	}
	// The present key has to be the right one before another one is made.
	if _, err := os.Stat(file); err != nil {
		if _, err := vault.LoadFrom(ctx, db.New(d.pool), s.masterKeys); err != nil {
			return err
		}
	}
	successor, err := vault.EnsureMasterKey(file)
	if err != nil {
		return err
	}
	if ours {
		if err := giveTo(s.keyFile(), file); err != nil {
			return err
		}
	}
	r, release, err := rotation(ctx, cmd, d, changes, func() ([]vault.MasterKey, error) {
		keys, err := s.masterKeys()
		return append(keys, successor), err
	})
	if err != nil {
		return err
	}
	defer release()
	if err := r.MasterKey(ctx, successor); err != nil {
		return err
	}
	if ours {
		if err := s.putInPlace(file); err != nil {
			return fmt.Errorf("the master key is changed; put %s in the place of %s: %w", file, s.keyFile(), err)
		}
		file = s.keyFile()
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "the master key of fingerprint %s, in %s, is the only one now\n", successor.Fingerprint(), file)
	return err
}

// putInPlace makes the successor the master key and keeps the old one, which backups
// from before need, under its fingerprint.
func (s Settings) putInPlace(successor string) error {
	old, err := s.masterKey()
	if err != nil {
		return err
	}
	if err := os.Link(s.keyFile(), s.keyFile()+"."+old.Fingerprint()); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Rename(successor, s.keyFile())
}

// rotation prepares what rotates keys, with a session of its own.
func rotation(ctx context.Context, cmd *cobra.Command, d *database, changes *change.Changes, masters func() ([]vault.MasterKey, error)) (r rekey.Rotation, release func(), err error) {
	keys, err := vault.LoadFrom(ctx, db.New(d.pool), masters)
	if err != nil {
		return r, nil, err
	}
	session, err := d.direct.Acquire(ctx)
	if err != nil {
		return r, nil, err
	}
	r = rekey.Rotation{
		Session: db.New(session), Queries: db.New(d.pool), Changes: changes, Vault: keys, Settle: settleTime,
		Progress: terminal.Progress(cmd.ErrOrStderr()),
		Say:      func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) },
	}
	return r, session.Release, nil
}

func keyStatus() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Count the secrets of each data key, and the servers of each master key",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return operate(cmd, false, func(ctx context.Context, d *database, _ *change.Changes) error {
				q := db.New(d.pool)
				keysets, err := q.ListKeysets(ctx)
				if err != nil {
					return err
				}
				readers, err := q.ListKeysetReaders(ctx)
				if err != nil {
					return err
				}
				secrets, err := q.CountSealedSecrets(ctx)
				if err != nil {
					return err
				}
				table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(table, "MASTER KEY\tSERVERS")
				for i, k := range keysets {
					var servers int64
					for _, r := range readers {
						// One that has yet to read a change of these data keys is older than they are.
						if r.Revision <= k.Revision && (i == len(keysets)-1 || r.Revision > keysets[i+1].Revision) {
							servers += r.Servers
						}
					}
					fmt.Fprintf(table, "%s\t%d\n", k.Fingerprint, servers)
				}
				fmt.Fprintln(table, "\nDATA KEY\tCREATED\tPLACE\tSECRETS")
				for _, s := range secrets {
					fmt.Fprintf(table, "%d\t%s\t%s\t%d\n", s.KeyID, s.CreatedAt.UTC().Format("2006-01-02 15:04"), s.Place, s.Secrets)
				}
				return table.Flush()
			})
		},
	}
}

// giveTo makes a file as readable as another one: who runs the servers may be
// somebody else than who runs this.
func giveTo(like, file string) error {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	if owner, known := info.Sys().(*syscall.Stat_t); known && os.Geteuid() == 0 {
		return os.Chown(file, int(owner.Uid), int(owner.Gid))
	}
	return nil
}
