// Package architecture_test holds the imports of every package against one
// table: who may know whom.
package architecture_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/nexterm-go/nexterm"

// rule says which of our packages a package may import, and which others are
// its privilege. Tags also get tagImports.
type rule struct {
	tag        bool
	may        []string
	privileges []string
}

// tagImports are what every tag may import besides libraries.
var tagImports = []string{
	"gen/api", "gen/db", "internal/caller", "internal/change", "internal/event", "internal/fail", "internal/origin",
	"internal/permission", "internal/signin", "internal/timestamp", "internal/username", "internal/vault",
}

// rules has a row for every package of the module. Patterns end in /... .
var rules = map[string]rule{
	".":                 {may: []string{"internal/command"}},
	"bench":             {may: []string{"..."}, privileges: []string{"net/http", pool}},
	"db/migrations":     {privileges: []string{pool}},
	"docs/settings":     {may: []string{"internal/command"}},
	"gen":               {},
	"gen/api":           {privileges: []string{"net/http", echo}},
	"gen/db":            {},
	"openapi":           {},
	"openapi/bundle":    {may: []string{"openapi/sdk"}},
	"openapi/samples":   {may: []string{"openapi/sdk"}},
	"openapi/sdk":       {},
	"openapi/sdk/...":   {may: []string{"openapi/sdk"}},
	"tools/...":         {},
	"internal/command":  {may: []string{"db/migrations", "gen/db", "internal/app", "internal/caller", "internal/change", "internal/cli", "internal/contract", "internal/event", "internal/guacamole", "internal/hostkey", "internal/recovery", "internal/rekey", "internal/origin", "internal/outbound", "internal/postgres", "internal/server", "internal/telemetry", "internal/terminal", "internal/vault", "internal/webclient", "internal/backup"}, privileges: []string{"net/http", pool}},
	"internal/app":      {may: []string{"gen/db", "internal/caller", "internal/change", "internal/event", "internal/hostkey", "internal/job", "internal/live", "internal/outbound", "internal/probe", "internal/recording", "internal/server", "internal/ssh", "internal/contentsource", "internal/sweep", "internal/telemetry", "internal/vault", "internal/backup"}, privileges: []string{pool}},
	"internal/server":   {may: []string{"internal/...", "gen", "gen/api", "gen/db"}, privileges: []string{"net/http", echo, pool}},
	"internal/vault":    {may: []string{"gen/db", "internal/fail", "internal/turn"}, privileges: []string{"cryptography"}},
	"internal/caller":   {may: []string{"gen/db", "internal/fail", "internal/permission", "internal/vault"}},
	"internal/event":    {may: []string{"gen/db", "internal/caller"}, privileges: []string{pool}},
	"internal/change":   {may: []string{"gen/db", "internal/caller", "internal/event", "internal/fail"}, privileges: []string{pool}},
	"internal/feed":     {may: []string{"gen/db", "internal/caller", "internal/event", "internal/fail", "internal/ws"}, privileges: []string{pool}},
	"internal/ws":       {may: []string{"internal/caller"}, privileges: []string{"net/http"}},
	"internal/fail":     {privileges: []string{"net/http"}},
	"internal/cli":      {may: []string{"internal/importing", "internal/manifest", "internal/screen", "internal/terminal", "sdk/go"}},
	"internal/manifest": {may: []string{"internal/username", "sdk/go"}},
	"internal/terminal": {},
	"internal/recovery": {may: []string{"gen/db", "internal/caller", "internal/change", "internal/event", "internal/fail", "internal/signin", "internal/username", "internal/vault"}},
	"internal/rekey":    {may: []string{"gen/db", "internal/caller", "internal/change", "internal/event", "internal/vault"}},
	"internal/backup":   {may: []string{"db/migrations", "gen/db", "internal/change", "internal/event", "internal/job", "internal/vault"}, privileges: []string{pool}},
	"internal/postgres": {},
	"internal/contract": {may: []string{"gen"}, privileges: []string{"net/http"}},

	// Ciphers of the programs whose files it reads.
	"internal/importing": {may: []string{"sdk/go"}, privileges: []string{"cryptography"}},

	// Pages, and how what is in the binary is served.
	"internal/docs":       {may: []string{"internal/asset"}, privileges: []string{"net/http"}},
	"internal/asset":      {privileges: []string{"net/http"}},
	"internal/webclient":  {may: []string{"internal/asset"}, privileges: []string{"net/http"}},
	"internal/statuspage": {may: []string{"internal/asset"}, privileges: []string{"net/http"}},

	"internal/origin":     {may: []string{"internal/caller"}},
	"internal/permission": {},
	"internal/timestamp":  {},
	"internal/turn":       {},
	"internal/paging":     {},
	"internal/username":   {},
	"internal/outbound":   {privileges: []string{"net/http"}},
	"internal/ratelimit":  {may: []string{"gen/db", "internal/fail", "internal/turn"}},
	// Connections to the hosts that entries are.
	"internal/ssh":       {may: []string{"internal/outbound", "internal/turn", "internal/vault"}},
	"internal/target":    {may: []string{"gen/db", "internal/caller", "internal/ssh", "internal/vault"}},
	"internal/login":     {may: []string{"internal/ssh"}},
	"internal/screen":    {may: []string{"internal/ssh"}},
	"internal/guacamole": {},
	"internal/telnet":    {may: []string{"internal/ssh"}},
	"internal/live":      {may: []string{"gen/db", "internal/caller", "internal/change", "internal/event", "internal/fail", "internal/guacamole", "internal/hostkey", "internal/login", "internal/permission", "internal/recording", "internal/screen", "internal/scriptrun", "internal/ssh", "internal/target", "internal/telnet", "internal/turn", "internal/vault", "internal/ws"}, privileges: []string{"net/http"}},
	"internal/linux":     {},

	// Runs of scripts, without hosts and sockets.
	"internal/scriptrun": {},

	// What all ways to sign in share.
	"internal/signin": {may: []string{"gen/api", "gen/db", "internal/caller", "internal/change", "internal/event", "internal/ratelimit", "internal/vault"}},

	// Traces of all that the others do, who know it by OpenTelemetry's interfaces.
	"internal/telemetry": {},

	// What entries and folders share: one tree.
	"internal/tree": {may: []string{"gen/api", "gen/db", "internal/caller", "internal/fail"}},

	"internal/testdb":              {may: []string{"..."}, privileges: []string{pool}},
	"internal/testserver":          {may: []string{"..."}, privileges: []string{"net/http", pool}},
	"internal/testssh":             {},
	"internal/testserver/browser":  {privileges: []string{"net/http"}},
	"internal/testserver/coverage": {may: []string{"..."}, privileges: []string{"net/http"}},
	"internal/architecture":        {},
	// Tests only, which the table does not concern.
	"internal/apitest/...": {},

	"internal/audit":        {tag: true},
	"internal/account":      {tag: true},
	"internal/entry":        {tag: true, may: []string{"internal/ratelimit", "internal/tree"}},
	"internal/file":         {tag: true, may: []string{"internal/live", "internal/ssh", "internal/turn", "internal/ws"}},
	"internal/folder":       {tag: true, may: []string{"internal/tree"}},
	"internal/apikey":       {tag: true},
	"internal/connection":   {tag: true, may: []string{"internal/live"}},
	"internal/device":       {tag: true},
	"internal/identity":     {tag: true, may: []string{"internal/paging"}},
	"internal/organization": {tag: true, may: []string{"internal/audit"}},
	"internal/passkey":      {tag: true},
	"internal/authprovider": {tag: true, may: []string{"internal/outbound"}},
	"internal/hostkey":      {tag: true, may: []string{"internal/ssh"}},
	"internal/recording":    {tag: true, may: []string{"internal/asset", "internal/job", "internal/ssh"}},
	"internal/group":        {tag: true},
	"internal/remote":       {tag: true, may: []string{"internal/live", "internal/login", "internal/ssh", "internal/turn", "internal/ws"}},
	"internal/serverinfo":   {tag: true},

	"internal/session":       {tag: true},
	"internal/keymap":        {tag: true},
	"internal/tag":           {tag: true},
	"internal/monitoring":    {tag: true, may: []string{"internal/paging"}},
	"internal/contentsource": {tag: true, may: []string{"internal/job", "internal/outbound"}},
	"internal/totp":          {tag: true},
	"internal/user":          {tag: true},

	// Twins, with the rules that they share.
	"internal/library": {may: []string{"gen/db", "internal/caller", "internal/change", "internal/fail", "internal/paging"}},
	"internal/script":  {tag: true, may: []string{"internal/library", "internal/paging"}},
	"internal/snippet": {tag: true, may: []string{"internal/library", "internal/paging"}},

	// Whoever has jobs hands them in; the queue knows none of them.
	"internal/job":   {may: []string{"internal/caller"}, privileges: []string{pool}},
	"internal/sweep": {may: []string{"gen/db", "internal/change", "internal/event", "internal/job"}},
	"internal/probe": {may: []string{"gen/db", "internal/caller", "internal/change", "internal/event", "internal/hostkey", "internal/job", "internal/linux", "internal/ssh", "internal/target", "internal/vault"}},
}

const (
	echo = "github.com/labstack/echo"
	pool = "github.com/jackc/pgx/v5/pgxpool"
)

// guarded are imports that need a privilege.
var guarded = map[string][]string{
	"net/http":     {"net/http"},
	echo:           {echo},
	pool:           {pool},
	"cryptography": {"github.com/tink-crypto/", "github.com/alexedwards/argon2id", "golang.org/x/crypto/argon2", "golang.org/x/crypto/bcrypt", "golang.org/x/crypto/chacha20poly1305", "golang.org/x/crypto/nacl", "crypto/aes", "crypto/cipher", "crypto/des", "crypto/rc4"},
}

// testOnly may be imported by tests, by the benchmark, and by each other.
var testOnly = []string{"internal/testdb", "internal/testserver", "internal/testssh"}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func (p goPackage) name() string {
	if p.ImportPath == module {
		return "."
	}
	return strings.TrimPrefix(p.ImportPath, module+"/")
}

// find looks a package up: its own row, else the row of a folder above it.
func find(name string) (rule, bool) {
	if r, known := rules[name]; known {
		return r, true
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if r, known := rules[dir+"/..."]; known {
			return r, true
		}
	}
	return rule{}, false
}

// check names what a package imports although the table does not allow it.
func check(p goPackage) []string {
	r, known := find(p.name())
	if !known {
		return []string{p.name() + ": unknown; add a row for it to the table rules"}
	}
	var broken []string
	for _, imported := range p.Imports {
		if ours, found := strings.CutPrefix(imported, module+"/"); found && !allowed(p.name(), r, ours) {
			broken = append(broken, fmt.Sprintf("%s must not import %s", p.name(), ours))
		}
		for privilege, prefixes := range guarded {
			for _, prefix := range prefixes {
				// Echo's packages begin with its path; others are meant exactly.
				matches := imported == prefix || strings.HasPrefix(imported, strings.TrimSuffix(prefix, "/")+"/")
				if matches && !slices.Contains(r.privileges, privilege) {
					broken = append(broken, fmt.Sprintf("%s must not import %s", p.name(), imported))
				}
			}
		}
	}
	return broken
}

func allowed(name string, r rule, ours string) bool {
	if slices.Contains(testOnly, ours) {
		return name == "bench" || slices.ContainsFunc(testOnly, func(owner string) bool { return name == owner || strings.HasPrefix(name, owner+"/") })
	}
	may := r.may
	if r.tag {
		may = slices.Concat(may, tagImports)
	}
	return slices.ContainsFunc(may, func(pattern string) bool {
		prefix, whole := strings.CutSuffix(pattern, "...")
		return pattern == ours || whole && strings.HasPrefix(ours, prefix)
	})
}

func TestImports(t *testing.T) {
	t.Parallel()
	packages := readPackages(t, "../..")
	require.Greater(t, len(packages), 15)
	for _, p := range packages {
		for _, broken := range check(p) {
			t.Error(broken)
		}
	}
}

// readPackages reads the imports of all but tests, for every system. It reads
// the files itself: what another program reads, the cache of test results does
// not see change.
func readPackages(t *testing.T, root string) []goPackage {
	t.Helper()
	found := map[string]*goPackage{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			_, err := os.Stat(filepath.Join(file, "go.mod"))
			other := err == nil && file != root
			if other || name == "testdata" || file != root && strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		if found[folder] == nil {
			found[folder] = &goPackage{ImportPath: path.Join(module, filepath.ToSlash(folder))}
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			found[folder].Imports = append(found[folder].Imports, imported)
		}
		return nil
	})
	require.NoError(t, err)
	var packages []goPackage
	for _, folder := range slices.Sorted(maps.Keys(found)) {
		slices.Sort(found[folder].Imports)
		found[folder].Imports = slices.Compact(found[folder].Imports)
		packages = append(packages, *found[folder])
	}
	return packages
}

func TestTableNotices(t *testing.T) {
	t.Parallel()
	for name, imports := range map[string]map[string]bool{
		"internal/identity": {
			module + "/gen/api": true, module + "/internal/vault": true, module + "/internal/change": true, module + "/internal/event": true, "github.com/jackc/pgx/v5": true, pool: false, module + "/internal/audit": false,
			module + "/internal/session": false, module + "/internal/server": false, module + "/internal/testserver": false,
			echo + "/v4": false, echo + "/v4/middleware": false, "net/http": false, "net/http/httptest": false, "net/url": true,
			"crypto/cipher": false, "crypto/rand": true, "crypto/sha256": true, "golang.org/x/crypto/argon2": false, "golang.org/x/crypto/ssh": true,
			"github.com/alexedwards/argon2id": false, module + "/db/migrations": false,
		},
		"internal/audit":      {module + "/internal/identity": false, module + "/internal/caller": true},
		"internal/caller":     {module + "/gen/api": false, module + "/internal/permission": true, module + "/internal/identity": false, module + "/internal/server": false},
		"internal/permission": {module + "/internal/caller": false},
		"internal/fail":       {"net/http": true, module + "/gen/db": false},
		"internal/timestamp":  {module + "/internal/fail": false},
		"internal/docs":       {"net/http": true, module + "/internal/fail": false},
		"internal/vault":      {"github.com/tink-crypto/tink-go/v2/aead": true, "crypto/cipher": true, module + "/internal/caller": false},
		"internal/server":     {echo + "/v4": true, module + "/internal/identity": true, module + "/internal/testdb": false, "crypto/cipher": false},
		"internal/testserver": {module + "/internal/testdb": true, module + "/internal/server": true},
		"gen/db":              {module + "/internal/vault": false, "net/http": false},
		"gen/api":             {module + "/gen/db": false, echo + "/v4": true},
		".":                   {module + "/internal/command": true, module + "/internal/app": false, module + "/internal/server": false, "net/http": false},
		"internal/command":    {module + "/internal/app": true, module + "/internal/identity": false, module + "/internal/job": false, module + "/internal/testdb": false},
		"internal/app":        {module + "/internal/job": true, module + "/internal/command": false, module + "/internal/identity": false, "net/http": false},
		"internal/job":        {module + "/internal/contentsource": false, module + "/internal/sweep": false},
		"internal/surprise":   {"fmt": false},
	} {
		for imported, fine := range imports {
			importPath := module + "/" + name
			if name == "." {
				importPath = module
			}
			broken := check(goPackage{ImportPath: importPath, Imports: []string{imported}})
			require.Equal(t, fine, len(broken) == 0, "%s imports %s: %v", name, imported, broken)
		}
	}
}

func TestTagsHaveNoPrivileges(t *testing.T) {
	t.Parallel()
	for name, r := range rules {
		if r.tag {
			require.True(t, strings.HasPrefix(name, "internal/"), name)
			require.Empty(t, r.privileges, "%s: a tag has no privileges", name)
		}
	}
}
