package importing

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/crypto/ssh"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// maxKey is the longest private key that a server takes.
const maxKey = 64 << 10

// Keys are the files of the private keys that the rows name.
func Keys(rows []*Row) (files []string) {
	for _, row := range rows {
		for _, login := range row.Logins {
			if login.KeyFile != "" && !slices.Contains(files, login.KeyFile) {
				files = append(files, login.KeyFile)
			}
		}
	}
	return files
}

// ReadKeys reads the private keys that the rows name. A file that is none is not sent
// anywhere: a foreign configuration may name any.
func ReadKeys(rows []*Row) {
	type outcome struct {
		key  nexterm.Secret
		note string
	}
	read := map[string]outcome{}
	for _, row := range rows {
		for i, login := range row.Logins {
			if login.KeyFile == "" {
				continue
			}
			known, done := read[login.KeyFile]
			if !done {
				known.key, known.note = readKey(login.KeyFile)
				read[login.KeyFile] = known
			}
			row.Logins[i].Key = known.key
			if known.note != "" {
				row.note(known.note)
			}
		}
	}
}

func (r *Row) note(text string) {
	if r.Note != "" {
		r.Note += "; "
	}
	r.Note += text
}

func readKey(name string) (nexterm.Secret, string) {
	left := func(why string) (nexterm.Secret, string) {
		return "", fmt.Sprintf("the key %q is left out: %s", base(name), why)
	}
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return left("there is no such file")
	}
	file, err := os.Open(name)
	if err != nil {
		return left("it cannot be read")
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxKey+1))
	if err != nil || len(content) > maxKey {
		return left("it cannot be read, or is too long")
	}
	_, err = ssh.ParseRawPrivateKey(content)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		return nexterm.Secret(content), fmt.Sprintf("the key %q has a passphrase: add it to the identity", base(name))
	}
	if err != nil {
		return left("it is no private key")
	}
	return nexterm.Secret(content), ""
}
