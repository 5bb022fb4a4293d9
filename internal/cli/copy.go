package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/terminal"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

func copyCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "cp SOURCE TARGET", Short: "Copy a file to or from a server",
		Long: `Copies one file. One of both is ENTRY:/PATH, a file on the host of an entry, which is
named as everywhere; the other one is a file here, or a folder to put it into, or - for
what is read from and written to the terminal or a pipe. A folder of a host comes as a
ZIP archive.`,
		Example: "  nexterm cp web-1:/etc/motd .\n  nexterm cp backup.tar.gz web-1:/srv/\n  nexterm cp db-1:/var/log - > log.zip",
		Args:    cobra.ExactArgs(2),
		RunE: signedIn(func(s *session, args []string) error {
			from, fromHost := onHost(args[0])
			to, toHost := onHost(args[1])
			switch {
			case (fromHost == "") == (toHost == ""):
				return usage("one of both is ENTRY:/PATH, and the other one is not")
			case fromHost != "":
				return s.connected(fromHost, func(id string) error { return s.download(id, from, args[1]) })
			}
			return s.connected(toHost, func(id string) error { return s.upload(id, args[0], to) })
		}),
	}
	loginFlags(command)
	return command
}

// onHost takes ENTRY:/PATH apart.
func onHost(argument string) (name, entry string) {
	entry, name, found := strings.Cut(argument, ":/")
	if !found || entry == "" || strings.HasPrefix(argument, "./") || strings.HasPrefix(argument, "/") {
		return argument, ""
	}
	return "/" + name, entry
}

// connected has something done with a connection for files to an entry.
func (s *session) connected(entry string, do func(id string) error) error {
	host, identity, reason, err := s.host(entry)
	if err != nil {
		return err
	}
	made, err := s.client.Connections.Create(s.Context(), nexterm.NewConnection{
		EntryID: host.ID, IdentityID: identity, ConnectionReason: reason, Type: "sftp",
	})
	if err != nil {
		return err
	}
	defer func() {
		// Also when it was interrupted.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), endTime)
		defer cancel()
		_ = s.client.Connections.Delete(ctx, made.SessionID)
	}()
	return do(made.SessionID)
}

func (s *session) download(id, from, to string) (err error) {
	content, err := s.client.Files.Open(s.Context(), nexterm.DownloadFileQuery{SessionID: id, Path: from})
	if err != nil {
		return err
	}
	defer content.Close()
	if to == "-" {
		_, err := io.Copy(s.OutOrStdout(), content)
		return err
	}
	if info, err := os.Stat(to); err == nil && info.IsDir() {
		to = filepath.Join(to, path.Base(from))
		if strings.HasSuffix(content.Name, ".zip") && !strings.HasSuffix(to, ".zip") { // a folder
			to += ".zip"
		}
	}
	// What breaks off leaves nothing that looks whole.
	part, err := os.CreateTemp(filepath.Dir(to), "."+filepath.Base(to)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part.Name())
		}
	}()
	_, err = io.Copy(part, s.shown(content, content.Size))
	if err = errors.Join(err, part.Close()); err != nil {
		return err
	}
	if err := os.Chmod(part.Name(), 0o644); err != nil { //nolint:gosec // as any file that is copied
		return err
	}
	return os.Rename(part.Name(), to)
}

func (s *session) upload(id, from, to string) error {
	content := s.InOrStdin()
	size := int64(-1)
	if from != "-" {
		f, err := os.Open(from)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return usage("%s is not a file", from)
		}
		content, size = s.shown(f, info.Size()), info.Size()
		if strings.HasSuffix(to, "/") {
			to += filepath.Base(from)
		}
	}
	_, err := s.client.Files.Write(s.Context(), nexterm.UploadFileQuery{SessionID: id, Path: to}, content, size)
	return err
}

// shown draws a bar while it is read, where somebody sees it.
func (s *session) shown(content io.Reader, size int64) io.Reader {
	if size <= 0 {
		return content
	}
	return &watched{content, terminal.Progress(s.ErrOrStderr()), 0, size, time.Time{}}
}

type watched struct {
	io.Reader
	show       func(done, all int64)
	done, size int64
	last       time.Time
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.done += int64(n)
	if n > 0 && (w.done == w.size || time.Since(w.last) > 100*time.Millisecond) {
		w.last = time.Now()
		w.show(w.done, w.size)
	}
	return n, err
}
