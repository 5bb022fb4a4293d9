package backup

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/nexterm-go/nexterm/db/migrations"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	magic = "nexterm backup\n"
	// frameSize is how much of a table is written at a time.
	frameSize = 64 << 10
	// Who reads a file has to hold this much of it, whoever has written that.
	mostManifest = 16 << 20
	mostWindow   = 8 << 20
	// A passphrase of 256 random bits needs no stretching.
	workFactor = 1
)

// Keys seal and open backups.
type Keys struct {
	// Masters are the master key and, while that is changed, its successor.
	Masters []vault.MasterKey
	// Recipients open backups instead of the master key, and Identities are theirs.
	Recipients []age.Recipient
	Identities []age.Identity
}

// recipients are who can open a backup of what a master key has sealed.
func (k Keys) recipients(master vault.MasterKey) []age.Recipient {
	if len(k.Recipients) > 0 {
		return k.Recipients
	}
	r, err := age.NewScryptRecipient(string(master.BackupPassphrase()))
	if err != nil {
		panic(err) // only of an empty passphrase
	}
	r.SetWorkFactor(workFactor)
	return []age.Recipient{r}
}

func (k Keys) identities() []age.Identity {
	all := slices.Clone(k.Identities)
	for _, master := range k.Masters {
		i, err := age.NewScryptIdentity(string(master.BackupPassphrase()))
		if err != nil {
			panic(err) // only of an empty passphrase
		}
		i.SetMaxWorkFactor(workFactor)
		all = append(all, i)
	}
	return all
}

func (k Keys) fingerprints() string {
	all := make([]string, len(k.Masters))
	for i, master := range k.Masters {
		all[i] = master.Fingerprint()
	}
	return strings.Join(all, " or ")
}

// is tells whether a master key has a fingerprint.
func is(fingerprint string) func(vault.MasterKey) bool {
	return func(master vault.MasterKey) bool { return master.Fingerprint() == fingerprint }
}

// master is the newest one that opens the data keys. Where none does, all that is
// sealed is of no use.
func (k Keys) master(m Manifest) (vault.MasterKey, error) {
	for _, fingerprint := range m.Fingerprints {
		if i := slices.IndexFunc(k.Masters, is(fingerprint)); i >= 0 {
			return k.Masters[i], nil
		}
	}
	if len(m.Fingerprints) == 0 {
		return k.Masters[0], nil
	}
	return vault.MasterKey{}, fmt.Errorf("the secrets are sealed with the master key of fingerprint %s, but the configured one has fingerprint %s",
		strings.Join(m.Fingerprints, " or "), k.fingerprints())
}

// sealer is what a backup is written through.
type sealer struct {
	*zstd.Encoder
	encrypted io.WriteCloser
}

func seal(to io.Writer, recipients []age.Recipient) (*sealer, error) {
	encrypted, err := age.Encrypt(to, recipients...)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	compressed, err := zstd.NewWriter(encrypted, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	return &sealer{Encoder: compressed, encrypted: encrypted}, err
}

func (s *sealer) Close() error { return errors.Join(s.Encoder.Close(), s.encrypted.Close()) }

func (s *sealer) begin(m Manifest) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(s, magic); err != nil {
		return err
	}
	_, err = frames{s}.Write(text)
	return err
}

// end is that of a table.
func (s *sealer) end() error {
	_, err := s.Write(make([]byte, 4))
	return err
}

// frames writes with lengths.
type frames struct{ to io.Writer }

func (f frames) Write(text []byte) (int, error) {
	if _, err := f.to.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text)))); err != nil {
		return 0, err
	}
	return f.to.Write(text)
}

// unframed reads what was written with lengths, up to the end of a table.
type unframed struct {
	from  io.Reader
	left  uint32
	ended bool
}

func (u *unframed) Read(into []byte) (int, error) {
	if u.left == 0 && !u.ended {
		var length [4]byte
		if _, err := io.ReadFull(u.from, length[:]); err != nil {
			return 0, cut(err)
		}
		u.left = binary.BigEndian.Uint32(length[:])
		u.ended = u.left == 0
	}
	if u.ended {
		return 0, io.EOF
	}
	n, err := u.from.Read(into[:min(len(into), int(u.left))])
	u.left -= uint32(n)
	return n, cut(err)
}

// cut makes an end that comes too early an error.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// counter tells how many rows pass, each of which is a line.
type counter struct {
	io.Writer
	rows func(int64)
}

func (c counter) Write(text []byte) (int, error) {
	n, err := c.Writer.Write(text)
	if lines := bytes.Count(text[:n], []byte{'\n'}); lines > 0 {
		c.rows(int64(lines))
	}
	return n, err
}

// read hands what is in a file to begin and then to table, and makes sure that the
// file has no end too early and nothing behind it.
func read(path string, keys Keys, begin func(Manifest) error, table func(Table, io.Reader) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	decrypted, err := age.Decrypt(file, keys.identities()...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return fmt.Errorf("%s is sealed neither for the master key of fingerprint %s nor for an identity that is given", path, keys.fingerprints())
	}
	if err != nil {
		return fmt.Errorf("%s is no backup, or is damaged: %w", path, err)
	}
	stream, err := zstd.NewReader(decrypted, zstd.WithDecoderMaxWindow(mostWindow), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer stream.Close()
	m, err := readManifest(stream)
	if err != nil {
		return fmt.Errorf("%s is no backup, or is damaged: %w", path, err)
	}
	if err := begin(m); err != nil {
		return err
	}
	for _, t := range m.Tables {
		rows := &unframed{from: stream}
		if err := table(t, rows); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		if _, err := io.Copy(io.Discard, rows); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	n, err := io.Copy(io.Discard, stream)
	if err == nil && n > 0 {
		err = fmt.Errorf("%d bytes too many", n)
	}
	if err != nil {
		return fmt.Errorf("the file is damaged: %w", err)
	}
	return nil
}

func readManifest(stream io.Reader) (m Manifest, err error) {
	begin := make([]byte, len(magic)+4)
	if _, err := io.ReadFull(stream, begin); err != nil {
		return m, cut(err)
	}
	length := binary.BigEndian.Uint32(begin[len(magic):])
	if string(begin[:len(magic)]) != magic || length > mostManifest {
		return m, errors.New("it does not begin like one")
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(stream, text); err != nil {
		return m, cut(err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, err
	}
	if m.Format != format {
		return m, fmt.Errorf("its format is %d, and this program knows only %d; it was written by nexterm %s", m.Format, format, m.Version)
	}
	return m, nil
}

// Check reads a file to its end. It knows each byte that was changed.
func Check(path string, keys Keys) (m Manifest, err error) {
	err = read(path, keys, func(found Manifest) error {
		m = found
		if known := migrations.Known(); m.Schema > known {
			return fmt.Errorf("its schema, %d, is of nexterm %s, and this program knows only %d: restore it with nexterm %s or later",
				m.Schema, m.SchemaVersion, known, m.SchemaVersion)
		}
		_, err := keys.master(m)
		return err
	}, func(t Table, rows io.Reader) error {
		var found int64
		if _, err := io.Copy(counter{io.Discard, func(n int64) { found += n }}, rows); err != nil {
			return fmt.Errorf("the file is damaged: %w", err)
		}
		if found != t.Rows {
			return fmt.Errorf("%d rows, but the manifest says %d", found, t.Rows)
		}
		return nil
	})
	return m, err
}
