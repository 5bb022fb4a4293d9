package manifest

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Limits of the contract, in characters but for keys.
const (
	maxPassword = 4096
	maxKeyBytes = 64 << 10
)

// secrets are those that the file names, with their lines.
func (f *File) secrets() iter.Seq2[int, *Secret] {
	return func(yield func(int, *Secret) bool) {
		things := []Things{}
		if f.Personal != nil {
			things = append(things, f.Personal.Things)
		}
		for _, o := range f.Organizations {
			things = append(things, o.it.Things)
		}
		for _, t := range things {
			for _, i := range t.Identities {
				for _, s := range i.it.secrets() {
					if !yield(i.line, s.Secret) {
						return
					}
				}
			}
		}
	}
}

// String says where the secret is, for the plan.
func (s *Secret) String() string {
	switch {
	case s.File != "":
		return "(secret, of the file " + show(s.File) + ")"
	case s.Env != "":
		return "(secret, of the variable " + show(s.Env) + ")"
	}
	return "(secret, of standard input)"
}

// open reads the secret. Files are relative to a folder; the end of the last line is
// none of a password's, while keys are sent as they are. No error has the secret in it.
func (s *Secret) open(folder string, stdin io.Reader, key bool) (string, error) {
	content, err := s.read(folder, stdin)
	if err != nil {
		return "", err
	}
	text, most, length := content, maxKeyBytes, len(content)
	if !key {
		text = strings.TrimSuffix(strings.TrimSuffix(content, "\n"), "\r")
		most, length = maxPassword, utf8.RuneCountInString(text)
	}
	switch {
	case text == "":
		return "", errors.New("is empty")
	case length > most:
		return "", fmt.Errorf("is longer than %d", most)
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return "", errors.New("is no text: a password or a key in PEM is")
	}
	return text, nil
}

func (s *Secret) read(folder string, stdin io.Reader) (string, error) {
	if s.Env != "" {
		value, set := os.LookupEnv(s.Env)
		if !set {
			return "", errors.New("is not set")
		}
		return value, nil
	}
	if s.Stdin {
		if stdin == nil {
			return "", errors.New("is taken by the file itself")
		}
		content, err := io.ReadAll(io.LimitReader(stdin, 4*maxKeyBytes))
		return string(content), err
	}
	path := s.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(folder, path)
	}
	// Whatever is no file could block, or never end.
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is no file")
	}
	if err != nil {
		return "", reason(err)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", reason(err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, 4*maxKeyBytes))
	return string(content), err
}

// reason is an error without the path, which is named already.
func reason(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
