package hostkey

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
)

var errNoKey = fail.BadRequest("publicKey is not an SSH public key")

// parse reads a line of an authorized_keys or a known_hosts file: the key has to be
// of the type that stands before it, and one that a host can prove by itself.
func parse(line string) (ssh.PublicKey, error) {
	line = strings.TrimSpace(line)
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil || strings.ContainsAny(line, "\r\n") || strings.HasPrefix(key.Type(), "sk-") {
		return nil, errNoKey
	}
	fields := strings.Fields(line)
	at := slices.Index(fields, base64.StdEncoding.EncodeToString(key.Marshal()))
	if _, certificate := key.(*ssh.Certificate); certificate || at < 1 || fields[at-1] != key.Type() {
		return nil, errNoKey
	}
	return key, nil
}

// fingerprint is that of a key as it goes over the wire, as OpenSSH shows it.
func fingerprint(key []byte) string {
	sum := sha256.Sum256(key)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// placeOf is where the key of a row is kept.
func placeOf(row db.ListHostKeysRow) Place {
	return Place{Owner: caller.Owner(row.Scope), Host: row.Host, Port: int(row.Port), Via: row.Via}
}

// list reads what is known at some places, of each by type.
func list(ctx context.Context, q *db.Queries, places []Place) ([]db.ListHostKeysRow, error) {
	if len(places) == 0 {
		return nil, nil
	}
	var asked db.ListHostKeysParams
	for _, p := range places {
		asked.Scopes = append(asked.Scopes, int64(p.Owner))
		asked.Hosts = append(asked.Hosts, p.Host)
		asked.Ports = append(asked.Ports, int32(p.Port))
		asked.Vias = append(asked.Vias, p.Via)
	}
	return q.ListHostKeys(ctx, asked)
}

// details tell what has become of a key, and which one was trusted before, if one was.
func details(entryName, became string, at Place, keyType string, key, previous []byte) event.Details {
	d := event.Details{
		"name": entryName, "hostKey": became, "host": at.Host, "port": at.Port, "via": at.Via,
		"type": keyType, "fingerprint": fingerprint(key),
	}
	if previous != nil {
		d["previousFingerprint"] = fingerprint(previous)
	}
	return d
}

// warn logs the details.
func warn(ctx context.Context, log *slog.Logger, owner caller.Owner, d event.Details) {
	attrs := []any{"owner", int64(owner)}
	for _, name := range slices.Sorted(maps.Keys(d)) {
		attrs = append(attrs, name, d[name])
	}
	log.WarnContext(ctx, "host key", attrs...)
}
