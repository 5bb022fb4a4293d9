//go:build linux

package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nexterm-go/nexterm/internal/postgres"
	"github.com/nexterm-go/nexterm/internal/testdb"
)

// signIn tries a password and returns the status and the token.
func signIn(t *testing.T, url, username, password string) (status int, token string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"username": username, "password": password})
	require.NoError(t, err)
	answer, err := http.Post(url+"/api/auth/login", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	defer answer.Body.Close()
	var read struct{ Token string }
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&read))
	return answer.StatusCode, read.Token
}

func role(t *testing.T, url, token string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/account/me", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	var me struct{ Role string }
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&me))
	return me.Role
}

func TestTheWayBackInWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	url, _ := start(t, dir)
	require.Equal(t, "ada is an administrator now\n", mustRun(t, dir, "first\n", "account", "create", "ada", "--admin", "--password-stdin"))
	status, token := signIn(t, url, "ada", "first")
	require.Equal(t, 200, status)
	require.Equal(t, "admin", role(t, url, token))

	require.Equal(t, "ada has a new password\n", mustRun(t, dir, "second\r\n", "account", "password", "ada", "--password-stdin"))
	status, _ = signIn(t, url, "ada", "first")
	require.Equal(t, 401, status)
	status, _ = signIn(t, url, "ada", "second")
	require.Equal(t, 200, status)
	require.Equal(t, "admin", role(t, url, token), "sessions stay")

	require.Equal(t, "ada is signed out\n", mustRun(t, dir, "", "account", "sign-out", "ada"))
	require.Empty(t, role(t, url, token))

	database, err := postgres.Attach(t.Context(), dir)
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	_, err = conn.Exec(t.Context(), `update accounts set totp_enabled = true`)
	require.NoError(t, err)
	require.Contains(t, mustRun(t, dir, "", "account", "list"), "on\n")
	require.Equal(t, "ada signs in without a code now\n", mustRun(t, dir, "", "account", "disable-totp", "ada"))
	require.Equal(t, "ada needs no code anyway\n", mustRun(t, dir, "", "account", "disable-totp", "ada"))
	require.NotContains(t, mustRun(t, dir, "", "account", "list"), "on\n")
	status, _ = signIn(t, url, "ada", "second")
	require.Equal(t, 200, status, "the server has not noticed")

	_, err = conn.Exec(t.Context(), `update auth_providers set enabled = false`)
	require.NoError(t, err)
	status, _ = signIn(t, url, "ada", "second")
	require.Equal(t, 403, status)
	require.Equal(t, "accounts sign in with passwords again\n", mustRun(t, dir, "", "account", "enable-passwords"))
	require.Equal(t, "accounts sign in with passwords anyway\n", mustRun(t, dir, "", "account", "enable-passwords"))
	status, _ = signIn(t, url, "ada", "second")
	require.Equal(t, 200, status)
}

func TestTheWayBackInWithoutTheServer(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	for _, args := range [][]string{{"list"}, {"disable-totp", "ada"}, {"enable-passwords"}, {"password", "ada", "--password-stdin"}} {
		_, err := run(t, dir, "password", append([]string{"account"}, args...)...)
		require.EqualError(t, err, "nexterm: there is no database in "+dir+": DATA_DIR names where the server keeps its own")
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "only the first account needs a database")
	require.Equal(t, "ada is an administrator now\n", skipProgress(mustRun(t, dir, "first", "account", "create", "ada", "--password-stdin")),
		"a server without an administrator would be nobody's")
	require.Equal(t, "grace has an account now\n", mustRun(t, dir, "second", "account", "create", "grace",
		"--first-name", "Grace", "--last-name", "Hopper", "--password-stdin"))
	require.Equal(t, "ID  USERNAME  NAME          ROLE   TOTP\n"+
		"1   ada       ada Account   admin  off\n"+
		"2   grace     Grace Hopper  user   off\n", mustRun(t, dir, "", "account", "list"))
	require.NoFileExists(t, filepath.Join(dir, "postgres", "data", "postmaster.pid"), "nothing keeps running")

	url, stop := start(t, dir)
	status, _ := signIn(t, url, "ada", "first")
	require.Equal(t, 200, status)
	status, token := signIn(t, url, "grace", "second")
	require.Equal(t, 200, status)
	require.Equal(t, "user", role(t, url, token))
	stop()

	mustRun(t, dir, "third", "account", "password", "ada", "--password-stdin")
	url, _ = start(t, dir)
	status, _ = signIn(t, url, "ada", "third")
	require.Equal(t, 200, status)
}

// skipProgress takes out what the first start says.
func skipProgress(output string) string {
	if _, rest, told := strings.Cut(output, "creating the database cluster"); told {
		_, output, _ = strings.Cut(rest, "\n")
	}
	return output
}

func TestCommandsAtOnceShareTheDatabase(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	_, _ = start(t, dir)
	outputs := make([]string, 4)
	var group sync.WaitGroup
	for i := range outputs {
		group.Go(func() {
			outputs[i], _ = run(t, dir, "password", "account", "create", fmt.Sprint("ada", i), "--password-stdin")
		})
	}
	group.Wait()
	administrators := 0
	for _, output := range outputs {
		require.Contains(t, output, " now\n")
		if strings.Contains(output, "administrator") {
			administrators++
		}
	}
	require.Equal(t, 1, administrators, "there is one first account")
}

func TestAccountsOfADatabaseServer(t *testing.T) {
	t.Parallel()
	url := testdb.URL(t)
	mustRun(t, url, "password", "account", "create", "ada", "--password-stdin")
	for _, refused := range []struct {
		input, message string
		args           []string
	}{
		{"password", `there is an account "ada" already`, []string{"create", "ada", "--password-stdin"}},
		{"password", `username length must be at least 3 characters long`, []string{"create", "ad", "--password-stdin"}},
		{"password", `username must only contain alpha-numeric characters`, []string{"create", "ada-2", "--password-stdin"}},
		{"password", `lastName is not allowed to be empty`, []string{"create", "ada2", "--last-name", "", "--password-stdin"}},
		{"password", `firstName length must be less than or equal to 50 characters long`, []string{"create", "ada2", "--first-name", strings.Repeat("n", 51), "--password-stdin"}},
		{"password", `firstName is not text`, []string{"create", "ada2", "--first-name", "\xff", "--password-stdin"}},
		{"pa", `password length must be at least 3 characters long`, []string{"create", "ada2", "--password-stdin"}},
		{"", `password is not allowed to be empty`, []string{"create", "ada2", "--password-stdin"}},
		{strings.Repeat("p", 151), `password length must be less than or equal to 150 characters long`, []string{"password", "ada", "--password-stdin"}},
		{"pass\x00word", `password is not text`, []string{"password", "ada", "--password-stdin"}},
		{"password", `there is no account "Eve"`, []string{"password", "Eve", "--password-stdin"}},
		{"", `there is no account "grace"`, []string{"disable-totp", "grace"}},
		{"password", `there is no terminal to ask for the password; use --password-stdin`, []string{"create", "grace"}},
		{"password", "accepts 1 arg(s), received 0; see `nexterm account create --help`", []string{"create"}},
		{"", "unknown command \"delete\" for \"nexterm account\"; see `nexterm account --help`", []string{"delete", "ada"}},
	} {
		_, err := run(t, url, refused.input, append([]string{"account"}, refused.args...)...)
		require.EqualError(t, err, "nexterm: "+refused.message, refused.args)
	}
	require.Contains(t, mustRun(t, url, "", "account", "list"), "1   ada       ada Account  admin  off\n")
}

func TestListPrintsNothingThatATerminalObeys(t *testing.T) {
	t.Parallel()
	url := testdb.URL(t)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	_, err = conn.Exec(t.Context(), `insert into accounts (username, first_name, last_name, password_hash) values (e'a\033[2J', e'b\n', 'Ärger', '')`)
	require.NoError(t, err)
	require.Contains(t, mustRun(t, url, "", "account", "list"), "1   a�[2J     b� Ärger  user  off\n")
}

// terminal opens a pseudo terminal: what a person types into, and what the
// program has.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetUint32(int(person.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	program, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = person.Close(), program.Close() })
	return person, program
}

// converse answers prompts in turn and returns all that the terminal showed.
func converse(t *testing.T, command *exec.Cmd, answers ...string) (shown string, err error) {
	t.Helper()
	person, program := openTerminal(t)
	command.Stdin, command.Stdout, command.Stderr = program, program, program
	require.NoError(t, command.Start())
	read := make(chan string, 1)
	seen := make(chan struct{}, len(answers)+1)
	go func() {
		var all strings.Builder
		buffer := make([]byte, 1024)
		for {
			n, err := person.Read(buffer)
			all.Write(buffer[:n])
			if strings.HasSuffix(all.String(), ": ") {
				seen <- struct{}{}
			}
			if err != nil {
				read <- all.String()
				return
			}
		}
	}()
	for _, answer := range answers {
		select {
		case <-seen:
		case <-time.After(20 * time.Second):
			require.FailNow(t, "no prompt")
		}
		awaitSilence(t, program)
		_, err := person.WriteString(answer)
		require.NoError(t, err)
	}
	err = command.Wait()
	require.NoError(t, program.Close())
	return <-read, err
}

// awaitSilence waits until the program has switched the echo off.
func awaitSilence(t *testing.T, program *os.File) {
	t.Helper()
	require.Eventually(t, func() bool {
		state, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
		return err == nil && state.Lflag&unix.ECHO == 0
	}, 20*time.Second, time.Millisecond)
}

func TestPasswordsAreAskedForTwiceAndNotShown(t *testing.T) {
	t.Parallel()
	url := testdb.URL(t)
	shown, err := converse(t, nexterm(t, url, "account", "create", "ada"), "s3cret\n", "s3cret\n")
	require.NoError(t, err, shown)
	require.Equal(t, "Password: \r\nOnce more: \r\nada is an administrator now\r\n", shown)
	shown, err = converse(t, nexterm(t, url, "account", "password", "ada"), "other\n", "another\n")
	require.Error(t, err)
	require.Equal(t, "Password: \r\nOnce more: \r\nnexterm: the passwords differ\r\n", shown)
	shown, err = converse(t, nexterm(t, url, "account", "create", "no"))
	require.Error(t, err)
	require.Equal(t, "nexterm: username length must be at least 3 characters long\r\n", shown, "before a password is typed")
}

func TestAnInterruptedPromptGivesTheTerminalBack(t *testing.T) {
	t.Parallel()
	person, program := openTerminal(t)
	command := nexterm(t, testdb.URL(t), "account", "create", "ada")
	command.Stdin, command.Stdout, command.Stderr = program, program, program
	require.NoError(t, command.Start())
	awaitSilence(t, program)
	require.NoError(t, command.Process.Signal(syscall.SIGINT))
	require.Error(t, command.Wait())
	state, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	require.NoError(t, err)
	require.NotZero(t, state.Lflag&unix.ECHO)
	require.NoError(t, program.Close())
	shown, _ := io.ReadAll(person) // ends with an error, as terminals do
	require.Contains(t, string(shown), "interrupted")
}
