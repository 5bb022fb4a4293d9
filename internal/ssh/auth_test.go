package ssh_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/testssh"
	"github.com/nexterm-go/nexterm/internal/vault"
)

var errNo = errors.New("no")

// door is a server with ways in, and what came through them.
type door struct {
	key       xssh.PublicKey
	password  string
	questions []string
	echo      bool
	// rounds is how often the questions are asked.
	rounds   int
	heard    []string
	username string
}

func (d *door) publicKey(conn xssh.ConnMetadata, key xssh.PublicKey) (*xssh.Permissions, error) {
	d.username = conn.User()
	if !bytes.Equal(key.Marshal(), d.key.Marshal()) {
		return nil, errNo
	}
	return nil, nil
}

func (d *door) enter(_ xssh.ConnMetadata, password []byte) (*xssh.Permissions, error) {
	d.heard = append(d.heard, "password "+string(password))
	if string(password) != d.password {
		return nil, errNo
	}
	return nil, nil
}

func (d *door) ask(_ xssh.ConnMetadata, ask xssh.KeyboardInteractiveChallenge) (*xssh.Permissions, error) {
	for range max(d.rounds, 1) {
		echos := make([]bool, len(d.questions))
		for i := range echos {
			echos[i] = d.echo
		}
		answers, err := ask("", "", d.questions, echos)
		if err != nil {
			return nil, err
		}
		d.heard = append(d.heard, fmt.Sprintf("answers %q", answers))
		if len(answers) != 1 || answers[0] != d.password {
			return nil, errNo
		}
	}
	// As OpenSSH does with PAM.
	_, err := ask("", "welcome", nil, nil)
	return nil, err
}

// then lets on to the next way in.
func then(next xssh.ServerAuthCallbacks) error { return &xssh.PartialSuccessError{Next: next} }

func TestWaysToLogIn(t *testing.T) {
	t.Parallel()
	const password = testssh.Password
	key, file := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	other, _ := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	all := func(d *door, c *xssh.ServerConfig) {
		c.PublicKeyCallback, c.PasswordCallback, c.KeyboardInteractiveCallback = d.publicKey, d.enter, d.ask
	}
	interactive := func(d *door, c *xssh.ServerConfig) { c.KeyboardInteractiveCallback = d.ask }
	for name, c := range map[string]struct {
		door      door
		configure func(*door, *xssh.ServerConfig)
		password  string
		key       bool
		want      error
		heard     []string
	}{
		"key first":         {door{password: password}, all, password, true, nil, nil},
		"password next":     {door{key: other.PublicKey(), password: password}, all, password, true, nil, []string{"password " + password}},
		"only a key":        {door{key: other.PublicKey()}, all, "", true, ssh.ErrRefused, nil},
		"nothing":           {door{}, all, "", false, ssh.ErrRefused, nil},
		"a question":        {door{password: password, questions: []string{"Password: "}}, interactive, password, false, nil, []string{fmt.Sprintf("answers [%q]", password)}},
		"wrong answer":      {door{password: "other", questions: []string{"Password: "}}, interactive, password, false, ssh.ErrRefused, []string{fmt.Sprintf("answers [%q]", password)}},
		"shown question":    {door{questions: []string{"Name: "}, echo: true}, interactive, password, false, ssh.ErrRefused, nil},
		"two questions":     {door{questions: []string{"Password: ", "Code: "}}, interactive, password, false, ssh.ErrRefused, nil},
		"second round":      {door{password: password, questions: []string{"Password: "}, rounds: 2}, interactive, password, false, ssh.ErrRefused, []string{fmt.Sprintf("answers [%q]", password)}},
		"nothing to say":    {door{questions: []string{"Password: "}}, interactive, "", false, ssh.ErrRefused, nil},
		"known to be wrong": {door{password: "other", questions: []string{"Password: "}}, all, password, false, ssh.ErrRefused, []string{"password " + password}},
		"key, then password": {door{password: password}, func(d *door, c *xssh.ServerConfig) {
			c.PublicKeyCallback = func(conn xssh.ConnMetadata, key xssh.PublicKey) (*xssh.Permissions, error) {
				return nil, then(xssh.ServerAuthCallbacks{PasswordCallback: d.enter})
			}
		}, password, true, nil, []string{"password " + password}},
		"key, then a question": {door{password: password, questions: []string{"Password: "}}, func(d *door, c *xssh.ServerConfig) {
			c.PublicKeyCallback = func(conn xssh.ConnMetadata, key xssh.PublicKey) (*xssh.Permissions, error) {
				return nil, then(xssh.ServerAuthCallbacks{KeyboardInteractiveCallback: d.ask})
			}
		}, password, true, nil, []string{fmt.Sprintf("answers [%q]", password)}},
		"password, then key": {door{password: password}, func(d *door, c *xssh.ServerConfig) {
			c.PasswordCallback = func(conn xssh.ConnMetadata, password []byte) (*xssh.Permissions, error) {
				if _, err := d.enter(conn, password); err != nil {
					return nil, err
				}
				return nil, then(xssh.ServerAuthCallbacks{PublicKeyCallback: d.publicKey})
			}
		}, password, true, nil, []string{"password " + password}},
		"password over and over": {door{}, func(d *door, c *xssh.ServerConfig) {
			var again func(xssh.ConnMetadata, []byte) (*xssh.Permissions, error)
			again = func(conn xssh.ConnMetadata, password []byte) (*xssh.Permissions, error) {
				_, _ = d.enter(conn, password)
				return nil, then(xssh.ServerAuthCallbacks{PasswordCallback: again})
			}
			c.PasswordCallback = again
		}, password, false, ssh.ErrRefused, []string{"password " + password}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.door.key == nil {
				c.door.key = key.PublicKey()
			}
			server := testssh.Start(t, &testssh.Server{Configure: func(config *xssh.ServerConfig) { c.configure(&c.door, config) }})
			way := hop(server)
			way.Password = vault.Secret(c.password)
			if c.key {
				way.PrivateKey = vault.Secret(file)
			}
			login, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{way})
			require.ErrorIs(t, err, c.want)
			if err == nil {
				login.Close()
			} else {
				require.NotContains(t, err.Error(), password)
			}
			server.Close()
			require.Equal(t, c.heard, c.door.heard)
			if c.key && c.want == nil {
				require.Contains(t, []string{"somebody", ""}, c.door.username)
			}
		})
	}
}

func TestPrivateKeys(t *testing.T) {
	t.Parallel()
	for keyType, passphrase := range map[string]vault.Secret{xssh.KeyAlgoED25519: "open sesame", xssh.KeyAlgoECDSA256: "", xssh.KeyAlgoRSA: ""} {
		key, file := testssh.NewKey(t, keyType, string(passphrase))
		server := testssh.Start(t, &testssh.Server{Configure: func(c *xssh.ServerConfig) { c.PublicKeyCallback = (&door{key: key.PublicKey()}).publicKey }})
		way := hop(server)
		way.Password, way.PrivateKey = "", vault.Secret(file)
		d := new(ssh.Dialer)
		// One that is not needed does no harm.
		for _, given := range []vault.Secret{"", "wrong", "open sesame"} {
			way.Passphrase = given
			for range 2 { // the second time from memory
				login, err := d.Dial(t.Context(), []ssh.Hop{way})
				if passphrase != "" && passphrase != given {
					require.ErrorIs(t, err, ssh.ErrPrivateKey, keyType)
					continue
				}
				require.NoError(t, err, keyType)
				login.Close()
			}
		}
	}
}

// Opening a key is slow on purpose.
func TestPrivateKeysAreOpenedOnce(t *testing.T) {
	t.Parallel()
	_, file := testssh.NewKey(t, xssh.KeyAlgoED25519, "open sesame")
	d, way := new(ssh.Dialer), ssh.Hop{PrivateKey: vault.Secret(file), Passphrase: "open sesame"}
	unlocked := func() xssh.Signer {
		key, err := d.Unlocked(t.Context(), way)
		require.NoError(t, err)
		return key
	}
	first := unlocked()
	require.NotNil(t, first)
	require.Same(t, first, unlocked())
	way.Passphrase = "wrong"
	require.Nil(t, unlocked())

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	way.Passphrase = "other"
	_, err := d.Unlocked(ctx, way)
	require.ErrorIs(t, err, context.Canceled)
}

// forged is a private key of RSA with numbers that are no primes, which nobody looks at
// before something has been signed.
func forged(t *testing.T, bits uint) vault.Secret {
	t.Helper()
	one, e := big.NewInt(1), big.NewInt(65537)
	for {
		prime := func() *big.Int {
			n, err := rand.Int(rand.Reader, new(big.Int).Lsh(one, bits/2))
			require.NoError(t, err)
			return n.SetBit(n.SetBit(n.SetBit(n, int(bits/2-1), 1), int(bits/2-2), 1), 0, 1)
		}
		p, q := prime(), prime()
		less, lesser := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
		d, inverse := new(big.Int).ModInverse(e, new(big.Int).Mul(less, lesser)), new(big.Int).ModInverse(q, p)
		if d == nil || inverse == nil {
			continue
		}
		der, err := asn1.Marshal(struct {
			Version                  int
			N, E, D, P, Q, Dp, Dq, I *big.Int
		}{0, new(big.Int).Mul(p, q), e, d, p, q, new(big.Int).Mod(d, less), new(big.Int).Mod(d, lesser), inverse})
		require.NoError(t, err)
		return vault.Secret(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der}))
	}
}

// Keys of this size would take a processor for a minute at every login.
func TestHugePrivateKeysAreRefused(t *testing.T) {
	t.Parallel()
	server := testssh.Start(t, &testssh.Server{Configure: func(c *xssh.ServerConfig) {
		c.PublicKeyCallback = func(xssh.ConnMetadata, xssh.PublicKey) (*xssh.Permissions, error) { return nil, nil }
	}})
	for bits, refusal := range map[uint]error{65536: ssh.ErrPrivateKey, 17000: ssh.ErrPrivateKey, 8192: ssh.ErrRefused} {
		way := hop(server)
		way.Password, way.PrivateKey = "", forged(t, bits)
		_, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{way})
		require.ErrorIs(t, err, refusal, bits)
	}
}

func TestPrivateKeysAreOpenedInAReasonableTime(t *testing.T) {
	t.Parallel()
	for rounds, affordable := range map[string]bool{"16": true, "512": true, "513": false, "2147483647": false} {
		_, file := testssh.NewKey(t, xssh.KeyAlgoED25519, "open sesame")
		block, _ := pem.Decode([]byte(file))
		n, err := strconv.ParseUint(rounds, 10, 32)
		require.NoError(t, err)
		salt := bytes.Index(block.Bytes, []byte("bcrypt")) + len("bcrypt") + 4
		end := salt + 4 + int(binary.BigEndian.Uint32(block.Bytes[salt:]))
		binary.BigEndian.PutUint32(block.Bytes[end:], uint32(n))
		require.Equal(t, affordable, ssh.Affordable(vault.Secret(pem.EncodeToMemory(block))), rounds)
	}
	require.True(t, ssh.Affordable("no key"))
}

func TestKeysOfAnOwnerAreWorkedWithOneByOne(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() {
		assert.NoError(t, ssh.Laborious(t.Context(), -4711, func() { close(begun); <-release }))
	})
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, ssh.Laborious(ctx, -4711, func() { t.Error("this is one too many") }), context.Canceled)
	close(release)
	working.Wait()
	require.NoError(t, ssh.Laborious(t.Context(), -4711, func() {}))
}

// What cannot be read is found before anybody is bothered.
func TestUnreadablePrivateKeys(t *testing.T) {
	t.Parallel()
	server := testssh.Start(t, &testssh.Server{})
	bad := hop(server)
	bad.PrivateKey = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret words\n-----END OPENSSH PRIVATE KEY-----"
	_, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{hop(server), bad})
	require.ErrorIs(t, err, ssh.ErrPrivateKey)
	require.NotContains(t, err.Error(), "secret words")
	var onTheWay *ssh.HopError
	require.NotErrorAs(t, err, &onTheWay)
	err = new(ssh.Dialer).Reach(t.Context(), []ssh.Hop{hop(server), bad, hop(server)})
	require.ErrorAs(t, err, &onTheWay)
	require.Equal(t, 2, onTheWay.Hop)
	require.Zero(t, server.Accepted())
}

func TestOldAlgorithms(t *testing.T) {
	t.Parallel()
	key, file := testssh.NewKey(t, xssh.KeyAlgoRSA, "")
	for name, configure := range map[string]func(*xssh.ServerConfig){
		"signature":    func(c *xssh.ServerConfig) { c.PublicKeyAuthAlgorithms = []string{xssh.KeyAlgoRSA} },
		"key exchange": func(c *xssh.ServerConfig) { c.KeyExchanges = []string{xssh.InsecureKeyExchangeDH14SHA1} },
		"cipher":       func(c *xssh.ServerConfig) { c.Ciphers = []string{xssh.InsecureCipherAES128CBC} },
		"MAC": func(c *xssh.ServerConfig) {
			c.Ciphers, c.MACs = []string{xssh.CipherAES128CTR}, []string{xssh.InsecureHMACSHA196}
		},
	} {
		server := testssh.Start(t, &testssh.Server{Configure: func(c *xssh.ServerConfig) {
			c.PublicKeyCallback = (&door{key: key.PublicKey()}).publicKey
			configure(c)
		}})
		way := hop(server)
		way.Password, way.PrivateKey = "", vault.Secret(file)
		_, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{way})
		require.Error(t, err, name)
		login, err := (&ssh.Dialer{Legacy: true}).Dial(t.Context(), []ssh.Hop{way})
		require.NoError(t, err, name)
		login.Close()
	}

	old, err := xssh.NewSignerWithAlgorithms(key.(xssh.AlgorithmSigner), []string{xssh.KeyAlgoRSA})
	require.NoError(t, err)
	server := testssh.Start(t, &testssh.Server{HostKeys: []xssh.Signer{old}})
	_, err = new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{hop(server)})
	require.ErrorIs(t, err, ssh.ErrHandshake)
	login, err := (&ssh.Dialer{Legacy: true}).Dial(t.Context(), []ssh.Hop{hop(server)})
	require.NoError(t, err)
	login.Close()
}

// Nobody learns from a host by way of this one which of many passwords is right.
func TestHostsThatRefuseAreLeftAlone(t *testing.T) {
	server, jump := testssh.Start(t, &testssh.Server{}), testssh.Start(t, &testssh.Server{})
	var d ssh.Dialer
	for i, before := range [][]ssh.Hop{nil, {hop(jump)}} {
		way := append(before, hop(server))
		target := &way[len(way)-1]
		target.Owner = int64(i + 1)
		for n := range 11 {
			target.Password = vault.Secret(fmt.Sprint("guess ", n))
			_, err := d.Dial(t.Context(), way)
			if n < 10 {
				require.ErrorIs(t, err, ssh.ErrRefused, n)
			} else {
				require.ErrorIs(t, err, ssh.ErrTooOften)
			}
		}
		target.Password = testssh.Password
		target.Host = "localhost"
		if before == nil {
			_, err := d.Dial(t.Context(), way)
			require.ErrorIs(t, err, ssh.ErrTooOften)
		}
		target.Owner = 3
		login, err := d.Dial(t.Context(), way)
		require.NoError(t, err, "others are let in")
		login.Close()
	}
	requireClosed(t, server, jump)
	requireNothingLeft(t)
}

// Nobody has this server try all ports of a host, or one of them all the time.
func TestHostsAreNotFlooded(t *testing.T) {
	server := testssh.Start(t, &testssh.Server{})
	d := new(ssh.Dialer).Spare(300)
	way := []ssh.Hop{hop(server)}
	for n := range 300 {
		require.NoError(t, d.Reach(t.Context(), way), n)
	}
	require.ErrorIs(t, d.Reach(t.Context(), way), ssh.ErrTooOften)
	_, err := d.Dial(t.Context(), way)
	require.ErrorIs(t, err, ssh.ErrTooOften)
	way[0].Owner = 2
	for range 20 {
		login, err := d.Dial(t.Context(), way)
		require.NoError(t, err, "others are let in")
		login.Close()
	}
	for n := range 300 {
		require.NoError(t, d.Reach(t.Context(), way), "logins do not count, %d", n)
	}
	requireClosed(t, server)
}
