//go:build linux

package command

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testdb"
)

const units = "../../deploy/systemd/"

// The unit is one that systemd takes, and leaves the server little that it could do.
func TestSystemdUnit(t *testing.T) {
	text, err := os.ReadFile(units + "nexterm.service")
	require.NoError(t, err)
	unit := strings.Replace(string(text), "/usr/local/bin/nexterm", os.Args[0], 1) // a program has to be there
	require.NotEqual(t, string(text), unit)
	file := filepath.Join(t.TempDir(), "nexterm.service")
	require.NoError(t, os.WriteFile(file, []byte(unit), 0o600))
	verified, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", file).CombinedOutput()
	require.NoError(t, err, "%s", verified)
	require.Empty(t, string(verified))
	rated, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", file).CombinedOutput()
	require.NoError(t, err, "%s", rated)

	patience, err := time.ParseDuration(regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`).FindStringSubmatch(unit)[1] + "s")
	require.NoError(t, err)
	require.Greater(t, patience, 3*drainTime, "the delay, requests and then jobs")
}

// The settings of the unit and of its file are ones that the server takes.
func TestSystemdSettings(t *testing.T) {
	secrets := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(secrets, "encryption_key"), []byte(someKey), 0o400))
	require.NoError(t, os.WriteFile(filepath.Join(secrets, "database_password"), []byte("s3cret\n"), 0o400))
	environment := map[string]string{}
	for file, pattern := range map[string]string{
		"nexterm.service": `(?m)^Environment=(\w+)=(.*)$`,
		"nexterm.env":     `(?m)^([^#=\s]+)=(.*)$`,
	} {
		text, err := os.ReadFile(units + file)
		require.NoError(t, err)
		for _, set := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			require.True(t, strings.Contains(settingsHelp(), "  "+set[1]+" "), "%s: %s is no setting", file, set[1])
			environment[set[1]] = strings.Trim(strings.ReplaceAll(set[2], "%d", secrets), `"`)
		}
	}
	setenv(t, environment)
	settings, err := readSettings()
	require.NoError(t, err)
	_, err = settings.masterKey()
	require.NoError(t, err)
	url, err := settings.withPassword("DATABASE_URL", settings.DatabaseURL)
	require.NoError(t, err)
	require.Equal(t, "postgres://nexterm:s3cret@db.example.com:5432/nexterm?sslmode=verify-full", url)
}

// systemd waits for the server to be ready, and knows when it stops.
func TestSystemdIsTold(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(dataDir(t), "notify")
	systemd, err := net.ListenPacket("unixgram", socket)
	require.NoError(t, err)
	defer func() { _ = systemd.Close() }()
	require.NoError(t, systemd.SetDeadline(time.Now().Add(time.Minute)))
	told := func() string {
		state := make([]byte, 64)
		n, _, err := systemd.ReadFrom(state)
		require.NoError(t, err)
		return string(state[:n])
	}
	command := nexterm(t, testdb.URL(t), "serve")
	command.Env = append(command.Env, "NOTIFY_SOCKET="+socket)
	_, stop := ready(t, command)
	require.Equal(t, "READY=1", told())
	stop()
	require.Equal(t, "STOPPING=1", told())
}
