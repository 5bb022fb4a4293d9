package command

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/hostkey"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const someKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

// setenv leaves nothing set but what is given.
func setenv(t *testing.T, environment map[string]string) {
	t.Helper()
	for field := range reflect.TypeFor[Settings]().Fields() {
		name := field.Tag.Get("env")
		t.Setenv(name, environment[name])
		if _, given := environment[name]; !given {
			require.NoError(t, os.Unsetenv(name))
		}
	}
}

func TestSettingsWithNothingSet(t *testing.T) {
	setenv(t, nil)
	settings, err := readSettings()
	require.NoError(t, err)
	require.Equal(t, 6989, settings.ServerPort)
	require.Nil(t, settings.HTTPSPort)
	require.Zero(t, settings.ShutdownDelay, "there is no other server")
	require.NotEmpty(t, settings.DataDir)
	require.Equal(t, server.DefaultLoginLimit, settings.LoginLimit)
	require.Equal(t, slog.LevelInfo, settings.LogLevel)
	require.Equal(t, "text", settings.LogFormat)
	require.Equal(t, hostkey.AcceptNew, settings.HostKeys)
	require.Len(t, settings.ConnectDeny, 2)
	require.False(t, settings.SSHLegacy)
	require.False(t, settings.TrustProxy.Everybody())
	require.Empty(t, settings.DatabaseURL, "a private database")
}

func TestSettings(t *testing.T) {
	setenv(t, map[string]string{
		"SERVER_PORT": "8080", "HTTPS_PORT": "8443", "DATA_DIR": "/srv/nexterm", "DATABASE_URL": "postgres://u@h/d", "ENCRYPTION_KEY": someKey,
		"TRUST_PROXY": "true", "LOGIN_LIMIT": "5", "LOG_LEVEL": "debug", "LOG_FORMAT": "json", "HOST_KEYS": "strict",
	})
	settings, err := readSettings()
	require.NoError(t, err)
	require.Equal(t, 8080, settings.ServerPort)
	require.Equal(t, 8443, *settings.HTTPSPort)
	require.Equal(t, "/srv/nexterm", settings.DataDir)
	require.True(t, settings.TrustProxy.Everybody())
	require.Equal(t, 5, settings.LoginLimit)
	require.Equal(t, 3*time.Second, settings.ShutdownDelay, "for other servers of the database")
	require.Equal(t, slog.LevelDebug, settings.LogLevel)
	require.Equal(t, hostkey.Strict, settings.HostKeys)
	key, err := settings.masterKey()
	require.NoError(t, err)
	require.Equal(t, byte(31), key[31])
}

// Whoever sets up a server learns everything at once.
func TestProblemsAreReportedTogether(t *testing.T) {
	setenv(t, map[string]string{
		"SERVER_PORT": "70000", "HTTPS_PORT": "many", "TRUST_PROXY": "somebody", "LOGIN_LIMIT": "0", "LOG_LEVEL": "loud", "SHUTDOWN_DELAY": "3", "LOG_FORMAT": "xml", "HOST_KEYS": "never",
		"DATABASE_POOLER": "statement", "DATABASE_DIRECT_URL": "postgres://u@h:x/d",
		"SESSION_IDLE_DAYS": "-1", "TLS_CERT": "cert.pem",
		"BACKUP_INTERVAL": "10m", "NODE_URL": "10.0.0.5:6989", "HIBERNATED_TIMEOUT": "1s", "BACKUP_KEEP": "-1", "BACKUP_SCRATCH_URL": "postgres://u@h:y/d",
		"ENCRYPTION_KEY": someKey, "ENCRYPTION_KEY_FILE": "key",
	})
	_, err := readSettings()
	require.Error(t, err)
	for _, part := range []string{
		"SERVER_PORT: 70000", `HTTPS_PORT: "many" is no whole number`, "TLS_CERT, TLS_KEY: set both, or neither", `TRUST_PROXY: "somebody"`, "LOGIN_LIMIT", `LOG_LEVEL: "loud"`, `SHUTDOWN_DELAY: "3" is no time such as 3s`, "SESSION_IDLE_DAYS",
		"BACKUP_SCRATCH_URL: cannot parse", "BACKUP_INTERVAL: at least an hour", "NODE_URL: \"10.0.0.5:6989\" is no origin", "MAX_CONNECTIONS, CONNECTION_IDLE_TIMEOUT", "BACKUP_KEEP, BACKUP_KEEP_DAYS: a number from 0",
		`DATABASE_POOLER: "statement" is neither session nor transaction`, "DATABASE_DIRECT_URL: cannot parse", "LOG_FORMAT", `HOST_KEYS: "never" is neither accept-new, ask nor strict`, "ENCRYPTION_KEY or ENCRYPTION_KEY_FILE, not both",
	} {
		require.ErrorContains(t, err, part)
	}
	require.NotContains(t, err.Error(), someKey)
}

func TestOneKeyForAllServersOfADatabase(t *testing.T) {
	setenv(t, map[string]string{"DATABASE_URL": "postgres://u@h/d"})
	_, err := readSettings()
	require.ErrorContains(t, err, "with DATABASE_URL, set ENCRYPTION_KEY or ENCRYPTION_KEY_FILE")
}

func TestAPoolerOfTransactionsNeedsAWayPast(t *testing.T) {
	setenv(t, map[string]string{"DATABASE_URL": "postgres://u@h/d", "ENCRYPTION_KEY": someKey, "DATABASE_POOLER": "transaction"})
	_, err := readSettings()
	require.EqualError(t, err, "DATABASE_POOLER: transaction needs DATABASE_DIRECT_URL")
}

func TestDatabasePasswordFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte("p@ss/wo rd%\n"), 0o600))
	settings := Settings{DatabaseURL: "postgres://user:old@host:5433/name?sslmode=require", DatabasePasswordFile: file}
	url, err := settings.withPassword("DATABASE_URL", settings.DatabaseURL)
	require.NoError(t, err)
	require.Equal(t, "postgres://user:p%40ss%2Fwo%20rd%25@host:5433/name?sslmode=require", url)

	for database, message := range map[string]string{
		"":                         "DATABASE_PASSWORD_FILE needs a DATABASE_URL of the form postgres://user@host/database",
		"postgres://host/name":     "DATABASE_PASSWORD_FILE needs a DATABASE_URL of the form postgres://user@host/database",
		"host=x user=y password=z": "DATABASE_PASSWORD_FILE needs a DATABASE_URL of the form postgres://user@host/database",
	} {
		_, err := Settings{DatabasePasswordFile: file}.withPassword("DATABASE_URL", database)
		require.EqualError(t, err, message)
	}
	_, err = Settings{DatabasePasswordFile: file + "x"}.withPassword("DATABASE_URL", "postgres://u@h/d")
	require.ErrorContains(t, err, "DATABASE_PASSWORD_FILE")
}

func TestMasterKeyComesFromOnePlace(t *testing.T) {
	dir := t.TempDir()
	_, err := Settings{DataDir: dir}.masterKey()
	require.ErrorIs(t, err, os.ErrNotExist)
	created, err := vault.EnsureMasterKey(filepath.Join(dir, "encryption.key"))
	require.NoError(t, err)
	read, err := Settings{DataDir: dir}.masterKey()
	require.NoError(t, err)
	require.Equal(t, created, read)
	read, err = Settings{EncryptionKeyFile: filepath.Join(dir, "encryption.key")}.masterKey()
	require.NoError(t, err)
	require.Equal(t, created, read)

	_, err = Settings{EncryptionKeyFile: filepath.Join(dir, "missing"), DataDir: dir}.masterKey()
	require.ErrorIs(t, err, os.ErrNotExist, "a file that is named is never created")
	require.NoFileExists(t, filepath.Join(dir, "missing"))
	_, err = Settings{EncryptionKey: "short"}.masterKey()
	require.ErrorContains(t, err, "ENCRYPTION_KEY: ")
	require.NotContains(t, err.Error(), "short")
}

func TestHelpNamesEverySetting(t *testing.T) {
	help := settingsHelp()
	for field := range reflect.TypeFor[Settings]().Fields() {
		require.Contains(t, help, field.Tag.Get("env"))
		require.NotEmpty(t, field.Tag.Get("help"), field.Name)
	}
	for _, command := range root("").Commands() {
		require.NotEmpty(t, command.Short, command.Name())
	}
	serve, _, err := root("").Find([]string{"serve"})
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(serve.Long, help))
}
