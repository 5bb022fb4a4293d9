package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/hostkey"
	"github.com/nexterm-go/nexterm/internal/origin"
	"github.com/nexterm-go/nexterm/internal/outbound"
	"github.com/nexterm-go/nexterm/internal/postgres"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/vault"
	"github.com/nexterm-go/nexterm/internal/webclient"
)

// Settings come from the environment. The tags are what `serve --help` and
// docs/settings.md say; a group begins at the field that names it.
type Settings struct {
	ServerPort    int               `group:"Addresses" env:"SERVER_PORT" envDefault:"6989" help:"port of the HTTP server"`
	HTTPSPort     *int              `env:"HTTPS_PORT" help:"also serve HTTPS on this port; browsers that have been there stay with HTTPS for a year (default: not at all)"`
	TLSCert       string            `env:"TLS_CERT" help:"PEM file with the certificate for HTTPS and those between it and its authority, read again when it changes (default DATA_DIR/certs/cert.pem)"`
	TLSKey        string            `env:"TLS_KEY" help:"PEM file with its private key (default DATA_DIR/certs/key.pem)"`
	PublicURLs    []origin.Origin   `env:"PUBLIC_URLS" help:"origins that passkeys are accepted from and login providers lead back to, such as https://nexterm.example.com, separated by commas (default: the host that a request names)"`
	WebDir        webclient.Folder  `env:"WEB_DIR" help:"folder with a built web client, which is served at / (default: none)"`
	TrustProxy    server.ProxyTrust `env:"TRUST_PROXY" help:"whose X-Forwarded-For is believed: a number of proxies, or addresses, networks, loopback, linklocal, uniquelocal; true believes everybody (default nobody)"`
	ShutdownDelay time.Duration     `env:"SHUTDOWN_DELAY" help:"how long a server that is told to stop serves on while /readyz says 503, for proxies to notice (default 3s with DATABASE_URL, else 0s)"`

	DataDir              string `group:"Data and keys" env:"DATA_DIR" help:"where the private database and the encryption key live (default ./data; for root /var/lib/nexterm, where the account that runs PostgreSQL cannot reach ./data)"`
	DatabaseURL          string `env:"DATABASE_URL" help:"use this PostgreSQL server instead of a private one; its extension pg_trgm has to be there, or the role has to own the database"`
	DatabasePasswordFile string `env:"DATABASE_PASSWORD_FILE" help:"file with the password for DATABASE_URL and DATABASE_DIRECT_URL"`
	DatabasePooler       string `env:"DATABASE_POOLER" help:"transaction if DATABASE_URL leads to a PgBouncer that pools transactions (default session: PostgreSQL itself, or a pooler that pools sessions)"`
	DatabaseDirectURL    string `env:"DATABASE_DIRECT_URL" help:"the same database past the pooler, for what needs a session: news, jobs, locks and migrations"`
	PostgresBin          string `env:"POSTGRES_BIN" help:"folder of PostgreSQL's programs for the private database (default: found by itself)"`
	EncryptionKey        string `env:"ENCRYPTION_KEY" help:"master key, 64 hexadecimal characters"`
	EncryptionKeyFile    string `env:"ENCRYPTION_KEY_FILE" help:"file with the master key (default DATA_DIR/encryption.key, created for a private database)"`

	LoginLimit      int   `group:"Signing in" env:"LOGIN_LIMIT" envDefault:"20" help:"failed sign-ins that one network has in 15 minutes; sign-ins with a provider or a passkey may begin five times as often"`
	DeviceLimit     int   `env:"DEVICE_LIMIT" envDefault:"10" help:"device codes that one network gets in an hour without signing in"`
	SessionIdleDays int32 `env:"SESSION_IDLE_DAYS" envDefault:"0" help:"days without use after which a sign-in ends, 0 for never"`

	HostKeys          hostkey.Policy    `group:"Hosts and other servers" env:"HOST_KEYS" envDefault:"accept-new" help:"what becomes of host keys that are not known: accept-new remembers them, ask asks people in terminals and refuses them elsewhere, strict trusts only those that people have entered or accepted; a key that has changed is always refused"`
	ConnectDeny       outbound.Networks `env:"CONNECT_DENY" envDefault:"169.254.0.0/16,fe80::/10" help:"addresses and networks in which no entry is reached, separated by commas; what names resolve to is checked as it is dialled. In link-local ones clouds keep their credentials"`
	SSHLegacy         bool              `env:"SSH_LEGACY" envDefault:"false" help:"true to speak SSH with old devices, by algorithms that are not safe any more"`
	GuacdAddress      string            `env:"GUACD_ADDRESS" help:"host and port of the guacd that shows RDP and VNC desktops, such as localhost:4822 (default: there are none)"`
	GuacdTLS          bool              `env:"GUACD_TLS" envDefault:"false" help:"true to speak TLS with guacd, whose certificate has to be trusted by this machine; what goes to guacd has passwords in it"`
	RDPCheckCert      bool              `env:"RDP_CHECK_CERT" envDefault:"false" help:"true to refuse RDP hosts whose certificates guacd does not trust, which is most that nobody has set up for it"`
	AllowOutbound     outbound.Networks `env:"ALLOW_OUTBOUND" help:"addresses and networks that external sources and login providers may be on although they are not public, separated by commas (default none)"`
	MaxConnections    int               `env:"MAX_CONNECTIONS" envDefault:"500" help:"live connections of this server at a time"`
	IdleTimeout       time.Duration     `env:"CONNECTION_IDLE_TIMEOUT" envDefault:"6h" help:"how long a live connection goes on that nobody uses"`
	HibernatedTimeout time.Duration     `env:"HIBERNATED_TIMEOUT" envDefault:"168h" help:"how long a hibernated connection goes on that nobody uses"`
	MaxUpload         int64             `env:"MAX_UPLOAD" help:"bytes that a file may have which is uploaded to a host (default: any number)"`
	NodeURL           string            `env:"NODE_URL" help:"where the other servers of the database reach this one, such as http://10.0.0.5:6989, to pass on what belongs to a live connection of this one; over a private network or https, because it carries tokens"`

	ConnectionLimit    int   `group:"Limits" env:"CONNECTION_LIMIT" envDefault:"256" help:"connections that one network has at a time, except for trusted proxies; 0 for no limit"`
	QuotaEntries       int64 `env:"QUOTA_ENTRIES" envDefault:"20000" help:"entries of one account or organization; GET /api/service/limits tells all of these"`
	QuotaConfigMiB     int64 `env:"QUOTA_CONFIG_MIB" envDefault:"64" help:"megabytes of their configurations"`
	QuotaFolders       int64 `env:"QUOTA_FOLDERS" envDefault:"5000" help:"folders of one account or organization"`
	QuotaIdentities    int64 `env:"QUOTA_IDENTITIES" envDefault:"10000" help:"identities of one account or organization"`
	QuotaScripts       int64 `env:"QUOTA_SCRIPTS" envDefault:"5000" help:"scripts of one account or organization"`
	QuotaSnippets      int64 `env:"QUOTA_SNIPPETS" envDefault:"5000" help:"snippets of one account or organization"`
	QuotaHostKeys      int64 `env:"QUOTA_HOST_KEYS" envDefault:"100000" help:"host keys of one account or organization"`
	QuotaOrganizations int64 `env:"QUOTA_ORGANIZATIONS" envDefault:"100" help:"organizations that one account owns"`
	QuotaSessions      int64 `env:"QUOTA_SESSIONS" envDefault:"200" help:"login sessions of one account; the least recently used ends"`
	QuotaSockets       int64 `env:"QUOTA_SOCKETS" envDefault:"100" help:"state sockets of one account on this server"`
	QuotaDeviceCodes   int64 `env:"QUOTA_DEVICE_CODES" envDefault:"20" help:"open device codes of one account"`
	SourceMiB          int64 `env:"SOURCE_MIB" envDefault:"8" help:"megabytes that are kept of one external source; every account gets them listed whole"`
	SourcesMiB         int64 `env:"SOURCES_MIB" envDefault:"32" help:"megabytes that are kept of all external sources together"`

	BackupDir        string        `group:"Backups" env:"BACKUP_DIR" help:"folder that backups are written to while the server runs (default: none is made)"`
	BackupInterval   time.Duration `env:"BACKUP_INTERVAL" envDefault:"24h" help:"time between two of them"`
	BackupKeep       int           `env:"BACKUP_KEEP" envDefault:"14" help:"how many of them are kept; 0 for no limit"`
	BackupKeepDays   int           `env:"BACKUP_KEEP_DAYS" envDefault:"0" help:"days that they are kept for, but for the newest; 0 for no limit"`
	BackupRecipients []string      `env:"BACKUP_RECIPIENTS" help:"age recipients who open backups instead of the master key, separated by commas (default: the master key opens them)"`
	BackupScratchURL string        `env:"BACKUP_SCRATCH_URL" help:"empty database that backups are verified in (default: one that is made beside the other)"`

	AuditRetentionDays int        `group:"Logs and diagnostics" env:"AUDIT_RETENTION_DAYS" envDefault:"0" help:"days that the audit log is kept; 0 is for ever"`
	LogLevel           slog.Level `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	LogFormat          string     `env:"LOG_FORMAT" envDefault:"text" help:"text or json"`
	DebugAddr          string     `env:"DEBUG_ADDR" help:"serve the runtime's profiles (pprof) on this loopback address, such as localhost:6060 (default: not at all)"`
}

// readSettings reads the environment and reports everything that is wrong with it.
func readSettings() (Settings, error) {
	options := env.Options{
		Environment: env.ToMap(os.Environ()),
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[server.ProxyTrust](): func(text string) (any, error) { return server.ParseProxyTrust(text) },
			reflect.TypeFor[outbound.Networks](): func(text string) (any, error) { return outbound.ParseNetworks(text) },
		},
	}
	// Another server may share the database and take over.
	if options.Environment["DATABASE_URL"] != "" && options.Environment["SHUTDOWN_DELAY"] == "" {
		options.Environment["SHUTDOWN_DELAY"] = "3s"
	}
	settings, err := env.ParseAsWithOptions[Settings](options)
	problems := unreadable(err, options.Environment)
	if err != nil {
		// What cannot be read is as if it were not set, or the checks would find it again.
		if settings, err = env.ParseAsWithOptions[Settings](options); err != nil {
			return settings, err
		}
	}
	if settings.DataDir == "" {
		settings.DataDir = postgres.DefaultDataDir()
	}
	return settings, errors.Join(append(problems, settings.check())...)
}

// unreadable says of each variable that cannot be read what it takes, and
// removes it from the environment.
func unreadable(err error, environment map[string]string) (problems []error) {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return nil
	}
	for _, err := range all.Errors {
		var problem env.ParseError
		if !errors.As(err, &problem) {
			return append(problems, err)
		}
		field, _ := reflect.TypeFor[Settings]().FieldByName(problem.Name)
		name := field.Tag.Get("env")
		reason := problem.Err.Error()
		switch problem.Type {
		case reflect.TypeFor[int](), reflect.TypeFor[*int](), reflect.TypeFor[int32](), reflect.TypeFor[int64]():
			reason = fmt.Sprintf("%q is no whole number", environment[name])
		case reflect.TypeFor[time.Duration]():
			reason = fmt.Sprintf("%q is no time such as 3s", environment[name])
		case reflect.TypeFor[slog.Level]():
			reason = fmt.Sprintf("%q is neither debug, info, warn nor error", environment[name])
		}
		problems = append(problems, fmt.Errorf("%s: %s", name, reason))
		delete(environment, name)
	}
	return problems
}

func (s Settings) check() error {
	var problems []error
	for name, port := range s.ports() {
		if port < 0 || port > 65535 {
			problems = append(problems, fmt.Errorf("%s: %d is no port", name, port))
		}
	}
	switch {
	case (s.TLSCert == "") != (s.TLSKey == ""):
		problems = append(problems, errors.New("TLS_CERT, TLS_KEY: set both, or neither"))
	case s.TLSCert != "" && s.HTTPSPort == nil:
		problems = append(problems, errors.New("TLS_CERT and TLS_KEY need HTTPS_PORT"))
	}
	if s.LoginLimit < 1 {
		problems = append(problems, errors.New("LOGIN_LIMIT: at least one attempt is needed"))
	}
	if s.DeviceLimit < 1 {
		problems = append(problems, errors.New("DEVICE_LIMIT: at least one code is needed"))
	}
	if s.ShutdownDelay < 0 {
		problems = append(problems, errors.New("SHUTDOWN_DELAY: a time cannot be negative"))
	}
	if s.SessionIdleDays < 0 || s.SessionIdleDays > 36500 {
		problems = append(problems, errors.New("SESSION_IDLE_DAYS: a number of days from 0 to 36500 is needed"))
	}
	if s.AuditRetentionDays < 0 || s.AuditRetentionDays > 36500 {
		problems = append(problems, errors.New("AUDIT_RETENTION_DAYS: it is a number of days from 0, which is for ever, to 36500"))
	}
	if s.BackupInterval < time.Hour {
		problems = append(problems, errors.New("BACKUP_INTERVAL: at least an hour (1h) is needed"))
	}
	if s.BackupKeep < 0 || s.BackupKeepDays < 0 || s.BackupKeepDays > 36500 {
		problems = append(problems, errors.New("BACKUP_KEEP, BACKUP_KEEP_DAYS: a number from 0, which is no limit, is needed, of days up to 36500"))
	}
	if s.ConnectionLimit < 0 {
		problems = append(problems, errors.New("CONNECTION_LIMIT: a number of connections cannot be negative"))
	}
	if s.MaxConnections < 1 || s.IdleTimeout < time.Minute || s.HibernatedTimeout < time.Minute {
		problems = append(problems, errors.New("MAX_CONNECTIONS, CONNECTION_IDLE_TIMEOUT, HIBERNATED_TIMEOUT: at least one connection and a minute (1m) are needed"))
	}
	if s.NodeURL != "" {
		if _, err := origin.Parse(s.NodeURL); err != nil {
			problems = append(problems, fmt.Errorf("NODE_URL: %w", err))
		}
	}
	if s.SourceMiB < 1 || s.SourcesMiB < 1 {
		problems = append(problems, errors.New("SOURCE_MIB, SOURCES_MIB: at least one megabyte is needed"))
	}
	for kind, most := range s.limits() {
		if most < 1 {
			problems = append(problems, fmt.Errorf("QUOTA_*: at least one of %s is needed", kind))
		}
	}
	if _, port, err := net.SplitHostPort(s.GuacdAddress); s.GuacdAddress != "" && (err != nil || port == "") {
		problems = append(problems, fmt.Errorf("GUACD_ADDRESS: %q is no host with a port, such as localhost:4822", s.GuacdAddress))
	}
	if s.LogFormat != "text" && s.LogFormat != "json" {
		problems = append(problems, fmt.Errorf("LOG_FORMAT: %q is neither text nor json", s.LogFormat))
	}
	if s.DebugAddr != "" {
		if err := checkDebugAddr(s.DebugAddr); err != nil {
			problems = append(problems, fmt.Errorf("DEBUG_ADDR: %w", err))
		}
	}
	if s.EncryptionKey != "" && s.EncryptionKeyFile != "" {
		problems = append(problems, errors.New("set ENCRYPTION_KEY or ENCRYPTION_KEY_FILE, not both"))
	}
	if s.DatabaseURL != "" && s.EncryptionKey == "" && s.EncryptionKeyFile == "" {
		problems = append(problems, errors.New("with DATABASE_URL, set ENCRYPTION_KEY or ENCRYPTION_KEY_FILE: all servers of one database share it"))
	}
	for name, given := range map[string]string{"DATABASE_URL": s.DatabaseURL, "DATABASE_DIRECT_URL": s.DatabaseDirectURL, "BACKUP_SCRATCH_URL": s.BackupScratchURL} {
		if given == "" && name != "DATABASE_URL" {
			continue
		}
		if url, err := s.withPassword(name, given); err != nil {
			problems = append(problems, err)
		} else if _, err := pgx.ParseConfig(url); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
	}
	switch {
	case s.DatabasePooler != "" && s.DatabasePooler != "session" && s.DatabasePooler != "transaction":
		problems = append(problems, fmt.Errorf("DATABASE_POOLER: %q is neither session nor transaction", s.DatabasePooler))
	case s.DatabasePooler == "transaction" && s.DatabaseDirectURL == "":
		problems = append(problems, errors.New("DATABASE_POOLER: transaction needs DATABASE_DIRECT_URL"))
	case s.DatabaseURL == "" && s.DatabasePooler+s.DatabaseDirectURL != "":
		problems = append(problems, errors.New("DATABASE_POOLER and DATABASE_DIRECT_URL need DATABASE_URL"))
	}
	return errors.Join(problems...)
}

func (s Settings) limits() change.Limits {
	return change.Limits{
		change.Entries: s.QuotaEntries, change.ConfigBytes: s.QuotaConfigMiB << 20, change.Folders: s.QuotaFolders,
		change.Identities: s.QuotaIdentities, change.Scripts: s.QuotaScripts, change.Snippets: s.QuotaSnippets,
		change.HostKeys: s.QuotaHostKeys, change.Organizations: s.QuotaOrganizations, change.Sessions: s.QuotaSessions, change.StateSockets: s.QuotaSockets,
		change.DeviceCodes: s.QuotaDeviceCodes,
	}
}

// checkServe looks for what would stop a server that has already begun to start.
func (s Settings) checkServe(ctx context.Context) error {
	var problems []error
	if _, err := s.masterKey(); err != nil && (s.EncryptionKeyFile != "" || !errors.Is(err, fs.ErrNotExist)) {
		problems = append(problems, err)
	}
	if s.BackupDir != "" {
		if err := s.checkBackups(); err != nil {
			problems = append(problems, err)
		}
	}
	if s.HTTPSPort != nil {
		if _, err := s.certificate().load(); err != nil {
			problems = append(problems, fmt.Errorf("HTTPS_PORT: %w", err))
		}
	}
	if s.WebDir != "" {
		if err := s.WebDir.Check(); err != nil {
			problems = append(problems, fmt.Errorf("WEB_DIR: %w", err))
		}
	}
	for name, port := range s.ports() {
		if port <= 0 || port > 65535 {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+strconv.Itoa(port))
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
			continue
		}
		defer func() { _ = listener.Close() }() // after the other is tried, which may be the same
	}
	return errors.Join(problems...)
}

// ports are those that the server listens on, by their settings.
func (s Settings) ports() map[string]int {
	ports := map[string]int{"SERVER_PORT": s.ServerPort}
	if s.HTTPSPort != nil {
		ports["HTTPS_PORT"] = *s.HTTPSPort
	}
	return ports
}

// certificate is what HTTPS is served with, not loaded yet.
func (s Settings) certificate() *certificate {
	return &certificate{
		certFile: cmp.Or(s.TLSCert, filepath.Join(s.DataDir, "certs", "cert.pem")),
		keyFile:  cmp.Or(s.TLSKey, filepath.Join(s.DataDir, "certs", "key.pem")),
	}
}

// keyFile is where the master key lies, if it is not in the environment.
func (s Settings) keyFile() string {
	return cmp.Or(s.EncryptionKeyFile, filepath.Join(s.DataDir, "encryption.key"))
}

// masterKey reads the key; fs.ErrNotExist says that there is none yet.
func (s Settings) masterKey() (vault.MasterKey, error) {
	if s.EncryptionKey == "" {
		return vault.ReadMasterKey(s.keyFile())
	}
	key, err := vault.ParseMasterKey(s.EncryptionKey)
	if err != nil {
		return key, fmt.Errorf("ENCRYPTION_KEY: %w", err)
	}
	return key, nil
}

// successorFile is where the successor of the master key lies while it is changed.
func (s Settings) successorFile() string { return s.keyFile() + ".new" }

// masterKeys are the master key and, while that is changed, its successor.
func (s Settings) masterKeys() ([]vault.MasterKey, error) {
	master, err := s.masterKey()
	if err != nil {
		return nil, err
	}
	keys := []vault.MasterKey{master}
	// One that is still being copied is there the next time.
	if successor, err := vault.ReadMasterKey(s.successorFile()); err == nil {
		keys = append(keys, successor)
	}
	return keys, nil
}

// places says where everything is that has to be kept.
func (s Settings) places() string {
	absolute := func(path string) string {
		if absolute, err := filepath.Abs(path); err == nil {
			return absolute
		}
		return path
	}
	data, key := "in the database of DATABASE_URL", "in ENCRYPTION_KEY"
	if s.DatabaseURL == "" {
		data = "in " + absolute(s.DataDir)
	}
	if s.EncryptionKey == "" {
		key = "in " + absolute(s.keyFile())
	}
	return "data " + data + ", master key " + key
}

// withPassword is the URL of a setting with the password from the file, and empty
// where it is not set.
func (s Settings) withPassword(name, given string) (string, error) {
	if s.DatabasePasswordFile == "" || given == "" && name != "DATABASE_URL" {
		return given, nil
	}
	password, err := os.ReadFile(s.DatabasePasswordFile)
	if err != nil {
		return "", fmt.Errorf("DATABASE_PASSWORD_FILE: %w", err)
	}
	u, err := url.Parse(given)
	if err != nil || u.User == nil {
		return "", fmt.Errorf("DATABASE_PASSWORD_FILE needs a %s of the form postgres://user@host/database", name)
	}
	u.User = url.UserPassword(u.User.Username(), strings.TrimSpace(string(password)))
	return u.String(), nil
}

func (s Settings) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: s.LogLevel}
	if s.LogFormat == "json" {
		return slog.New(server.NewLogHandler(slog.NewJSONHandler(os.Stderr, options)))
	}
	return slog.New(server.NewLogHandler(slog.NewTextHandler(os.Stderr, options)))
}

func settingsHelp() string {
	var help strings.Builder
	help.WriteString("Settings, from the environment.\n")
	for field := range reflect.TypeFor[Settings]().Fields() {
		if group := field.Tag.Get("group"); group != "" {
			fmt.Fprintf(&help, "\n%s:\n", group)
		}
		fmt.Fprintf(&help, "  %-24s %s", field.Tag.Get("env"), field.Tag.Get("help"))
		if preset := field.Tag.Get("envDefault"); preset != "" {
			fmt.Fprintf(&help, " (default %s)", preset)
		}
		help.WriteByte('\n')
	}
	return help.String()
}
