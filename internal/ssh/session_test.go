package ssh_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/testssh"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// asking lets people answer in turn, and notes the questions.
func asking(questions *[]string, answers ...string) func(context.Context, string) (vault.Secret, error) {
	return func(_ context.Context, question string) (vault.Secret, error) {
		*questions = append(*questions, question)
		if len(*questions) > len(answers) {
			return "", errors.New("nobody answers")
		}
		return vault.Secret(answers[len(*questions)-1]), nil
	}
}

func TestPeopleAreAsked(t *testing.T) {
	t.Parallel()
	key, file := testssh.NewKey(t, xssh.KeyAlgoED25519, "open sesame")
	const password = testssh.Password
	by := func(d *door, ways ...string) *testssh.Server {
		return testssh.Start(t, &testssh.Server{Configure: func(c *xssh.ServerConfig) {
			if slices.Contains(ways, "key") {
				c.PublicKeyCallback = d.publicKey
			}
			if slices.Contains(ways, "password") {
				c.PasswordCallback = d.enter
			}
			if slices.Contains(ways, "dialogue") {
				c.KeyboardInteractiveCallback = d.ask
			}
		}})
	}
	for name, c := range map[string]struct {
		door      door
		ways      []string
		stored    vault.Secret
		key       bool
		answers   []string
		questions []string
		want      error
	}{
		"dialogue":             {door{password: password, questions: []string{"Code: "}, echo: true}, []string{"dialogue"}, "", false, []string{password}, []string{"Code: "}, nil},
		"dialogue, no stored":  {door{password: password, questions: []string{"Password: "}}, []string{"password", "dialogue"}, "", false, []string{"wrong", password}, []string{"Password: ", "Password: "}, nil},
		"stored is wrong":      {door{password: password, questions: []string{"Password: "}}, []string{"password", "dialogue"}, "wrong", false, []string{password}, []string{"Password: "}, nil},
		"password":             {door{password: password}, []string{"password"}, "", false, []string{"wrong", password}, []string{"somebody@127.0.0.1's password: ", "somebody@127.0.0.1's password: "}, nil},
		"three wrong":          {door{password: password}, []string{"password"}, "", false, []string{"1", "2", "3", "4"}, slices.Repeat([]string{"somebody@127.0.0.1's password: "}, 3), ssh.ErrRefused},
		"three wrong dialogue": {door{password: password, questions: []string{"Password: "}}, []string{"dialogue"}, "", false, []string{"1", "2", "3", "4"}, slices.Repeat([]string{"Password: "}, 3), ssh.ErrRefused},
		"passphrase":           {door{key: key.PublicKey()}, []string{"key"}, "", true, []string{"wrong", "open sesame"}, slices.Repeat([]string{"Passphrase of the private key: "}, 2), nil},
		"wrong passphrases":    {door{key: key.PublicKey()}, []string{"key"}, "", true, []string{"1", "2", "3", "4"}, slices.Repeat([]string{"Passphrase of the private key: "}, 3), ssh.ErrPrivateKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, questions := by(&c.door, c.ways...), []string{}
			way := hop(server)
			way.Password, way.Ask = c.stored, asking(&questions, c.answers...)
			if c.key {
				way.PrivateKey = vault.Secret(file)
			}
			login, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{way})
			require.ErrorIs(t, err, c.want)
			if err == nil {
				login.Close()
			}
			require.Equal(t, c.questions, questions)
		})
	}
	t.Run("nobody is there", func(t *testing.T) {
		t.Parallel()
		way := hop(by(&door{password: password, questions: []string{"Code: "}, echo: true}, "dialogue"))
		_, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{way})
		require.ErrorIs(t, err, ssh.ErrFurther)
		way.Password = ""
		_, err = new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{way})
		require.ErrorIs(t, err, ssh.ErrFurther)
	})
}

// People take their time, hosts do not get it.
func TestPeoplesTimeIsNotTheHosts(t *testing.T) {
	t.Parallel()
	server := testssh.Start(t, &testssh.Server{})
	way := hop(server)
	way.Password = ""
	way.Ask = func(context.Context, string) (vault.Secret, error) {
		time.Sleep(1500 * time.Millisecond)
		return testssh.Password, nil
	}
	way.HostKeys = ssh.HostKeys{Unknown: func(ctx context.Context, _ xssh.PublicKey) error {
		defer ssh.Unhurried(ctx)()
		time.Sleep(1500 * time.Millisecond)
		return ctx.Err()
	}}
	login, err := hasty().Dial(t.Context(), []ssh.Hop{way})
	require.NoError(t, err)
	login.Close()
	<-login.Done()
}

func TestSessionsOfOpenSSH(t *testing.T) {
	t.Parallel()
	key, file := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	host, hostFile := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	daemon := testssh.StartDaemon(t, hostFile, []xssh.PublicKey{key.PublicKey()})
	login, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{{
		Host: "127.0.0.1", Port: daemon.Port, Username: daemon.Username, PrivateKey: vault.Secret(file),
		HostKeys: ssh.HostKeys{Known: []xssh.PublicKey{host.PublicKey()}},
	}})
	require.NoError(t, err)
	defer login.Close()

	shell, err := login.Shell(t.Context(), ssh.Size{Columns: 101, Rows: 31})
	require.NoError(t, err)
	require.NoError(t, shell.Resize(ssh.Size{Columns: 102, Rows: 32}))
	_, err = io.WriteString(shell, "stty size; echo $TERM; exit 3\n")
	require.NoError(t, err)
	output, err := io.ReadAll(shell)
	require.NoError(t, err)
	require.Contains(t, string(output), "32 102")
	require.Contains(t, string(output), ssh.Terminal+"\r\n")
	status, ok := shell.Exit()
	require.True(t, ok)
	require.Equal(t, 3, status)

	exec, err := login.Exec(t.Context(), "kill -TERM $$")
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, exec)
	status, ok = exec.Exit()
	require.True(t, ok)
	require.Equal(t, -1, status)

	_, err = login.Subsystem(t.Context(), "nothing of the kind")
	require.ErrorIs(t, err, ssh.ErrNotServed)
}
