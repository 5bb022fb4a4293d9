package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// credentials is how to get to a server. They lie in a file that only its owner may
// read; NEXTERM_URL and NEXTERM_TOKEN go before it. No token is ever sent to the server
// of another.
type credentials struct {
	URL   string `json:"url"`
	Token string `json:"token"`

	fromEnvironment bool
}

var errSignedOut = errors.New("not signed in: run `nexterm login URL`, or set NEXTERM_URL and NEXTERM_TOKEN")

// client is a client of the server that the user is signed in to.
func (c credentials) client(cmd *cobra.Command) (*nexterm.Client, error) {
	return nexterm.New(c.URL, nexterm.WithToken(c.Token), userAgent(cmd))
}

func userAgent(cmd *cobra.Command) nexterm.Option {
	return nexterm.WithUserAgent("nexterm-cli/" + cmd.Root().Version)
}

func readCredentials(cmd *cobra.Command) (credentials, error) {
	address, token := os.Getenv("NEXTERM_URL"), os.Getenv("NEXTERM_TOKEN")
	if token != "" && address == "" {
		return credentials{}, usage("NEXTERM_TOKEN is set, and NEXTERM_URL is not, which says whose it is")
	}
	if token != "" {
		return credentials{URL: address, Token: token, fromEnvironment: true}, nil
	}
	c, err := readFile(cmd)
	if err == nil && address != "" && address != c.URL {
		return c, usage("NEXTERM_URL is %s, and the session is of %s: run `nexterm login`, or set NEXTERM_TOKEN", address, c.URL)
	}
	return c, err
}

// readFile reads the credentials of the last sign-in.
func readFile(cmd *cobra.Command) (c credentials, err error) {
	path, err := credentialsPath()
	if err != nil {
		return c, err
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, errSignedOut
	}
	if err != nil {
		return c, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return c, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := file.Chmod(0o600); err != nil {
			return c, fmt.Errorf("others can read %s: %w", path, err)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: others could read %s until now; if they may have, run `nexterm logout` and sign in again\n", path)
	}
	if json.NewDecoder(file).Decode(&c) != nil || c.Token == "" {
		return credentials{}, fmt.Errorf("%s is damaged: run `nexterm login URL` again", path)
	}
	return c, nil
}

// save replaces the file whole, so that one who reads it meanwhile has the old or the new.
func (c credentials) save() error {
	path, err := credentialsPath()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".credentials-") // of mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	if err := errors.Join(json.NewEncoder(file).Encode(c), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

func credentialsPath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "nexterm", "credentials.json"), nil
}
