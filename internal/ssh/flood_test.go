package ssh_test

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// packet is a packet whose length, with what stands before it, is a multiple.
func packet(payload []byte, multiple, before int) []byte {
	padding := multiple - (before+1+len(payload))%multiple
	if padding < 4 {
		padding += multiple
	}
	p := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+padding))
	p = append(append(p, byte(padding)), payload...)
	return append(p, make([]byte, padding)...)
}

// floodAfterKeys exchanges keys in order (RFC 4253, 5656 and 5647) and then sends what nobody
// has asked for, at once, which the library's own server would not.
func floodAfterKeys(conn net.Conn, key xssh.Signer) error {
	const version = "SSH-2.0-flood"
	if _, err := io.WriteString(conn, version+"\r\n"); err != nil {
		return err
	}
	from := bufio.NewReader(conn)
	clientVersion, err := from.ReadString('\n')
	if err != nil {
		return err
	}
	one, none := func(name string) []string { return []string{name} }, []string{"none"}
	ours := xssh.Marshal(struct {
		Cookie                                                                  [16]byte `sshtype:"20"`
		Exchange, HostKey, Cipher, CipherBack, MAC, MACBack, Packed, PackedBack []string
		Language, LanguageBack                                                  []string
		Follows                                                                 bool
		Reserved                                                                uint32
	}{
		Exchange: one("curve25519-sha256"), HostKey: one(xssh.KeyAlgoED25519), Cipher: one(xssh.CipherAES128GCM), CipherBack: one(xssh.CipherAES128GCM),
		MAC: one(xssh.HMACSHA256), MACBack: one(xssh.HMACSHA256), Packed: none, PackedBack: none,
	})
	if _, err := conn.Write(packet(ours, 8, 4)); err != nil {
		return err
	}
	read := func() ([]byte, error) {
		var header [5]byte
		if _, err := io.ReadFull(from, header[:]); err != nil {
			return nil, err
		}
		rest := make([]byte, binary.BigEndian.Uint32(header[:])-1)
		_, err := io.ReadFull(from, rest)
		return rest[:len(rest)-int(header[4])], err
	}
	theirs, err := read()
	if err != nil {
		return err
	}
	first, err := read()
	if err != nil {
		return err
	}
	var client struct {
		Public []byte `sshtype:"30"`
	}
	if err := xssh.Unmarshal(first, &client); err != nil {
		return err
	}
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	clientKey, err := ecdh.X25519().NewPublicKey(client.Public)
	if err != nil {
		return err
	}
	shared, err := private.ECDH(clientKey)
	if err != nil {
		return err
	}
	secret := new(big.Int).SetBytes(shared)
	hash := sha256.Sum256(xssh.Marshal(struct {
		ClientVersion, Version                      string
		Theirs, Ours, HostKey, ClientPublic, Public []byte
		Secret                                      *big.Int
	}{strings.TrimSpace(clientVersion), version, theirs, ours, key.PublicKey().Marshal(), client.Public, private.PublicKey().Bytes(), secret}))
	signature, err := key.Sign(rand.Reader, hash[:])
	if err != nil {
		return err
	}
	out := packet(xssh.Marshal(struct {
		HostKey           []byte `sshtype:"31"`
		Public, Signature []byte
	}{key.PublicKey().Marshal(), private.PublicKey().Bytes(), xssh.Marshal(signature)}), 8, 4)
	out = append(out, packet([]byte{21}, 8, 4)...)

	derived := func(letter byte) []byte {
		sum := sha256.Sum256(append(append(xssh.Marshal(struct{ Secret *big.Int }{secret}), hash[:]...), append([]byte{letter}, hash[:]...)...))
		return sum[:]
	}
	block, err := aes.NewCipher(derived('D')[:16])
	if err != nil {
		return err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	nonce := derived('B')[:12]
	for range 1000 {
		p := packet([]byte{80, 0, 0, 0, 0, 0}, 16, 0)
		out = append(out, p[:4]...)
		out = gcm.Seal(out, nonce, p[4:], p[:4])
		binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])+1)
	}
	_, err = conn.Write(out)
	return err
}

func TestHostsThatFlood(t *testing.T) {
	key, _ := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	server := testssh.Start(t, &testssh.Server{HostKeys: []xssh.Signer{key}, Play: func(conn net.Conn) {
		if floodAfterKeys(conn, key) == nil {
			hang(conn)
		}
	}})
	for range 20 {
		_, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{hop(server)})
		require.ErrorIs(t, err, ssh.ErrHandshake)
		require.ErrorContains(t, err, "unexpected message type 80")
	}
	requireClosed(t, server)
	requireNothingLeft(t)
}
