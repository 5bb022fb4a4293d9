package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errNotFound is one sentence, because it is all that somebody sees who just tried the program.
var errNotFound = errors.New("PostgreSQL's programs initdb and postgres were not found: install PostgreSQL" +
	" (Debian and Ubuntu: the package postgresql), set POSTGRES_BIN to the folder that holds them," +
	" or set DATABASE_URL to use a running server")

// wellKnown are the folders in which distributions put the programs; Debian has only
// wrappers on the PATH.
var wellKnown = []string{
	"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                   // PostgreSQL's packages for Red Hat
	"/usr/lib/postgresql*/bin",           // SUSE
	"/usr/libexec/postgresql*",           // Alpine
	"/usr/local/pgsql/bin",               // built from source
	"/opt/homebrew/opt/postgresql@*/bin", // Homebrew on Apple silicon
	"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
	"/opt/local/lib/postgresql*/bin",     // MacPorts
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

var number = regexp.MustCompile(`[0-9]+`)

// Find returns the folder that holds PostgreSQL's programs: binDir, if one is given, else
// the first of PATH, pg_config and the usual folders, the newest version first.
func Find(binDir string) (string, error) {
	found, err := find(binDir)
	if err != nil {
		return "", err
	}
	return found[0], nil
}

func find(binDir string) ([]string, error) {
	if binDir != "" {
		dir, err := filepath.Abs(binDir)
		if err != nil {
			return nil, err
		}
		if !holdsPrograms(dir) {
			return nil, fmt.Errorf("POSTGRES_BIN names %s, which does not hold PostgreSQL's programs initdb and postgres", dir)
		}
		return []string{dir}, nil
	}
	found := slices.DeleteFunc(candidates(), func(dir string) bool { return !holdsPrograms(dir) })
	if len(found) == 0 {
		return nil, errNotFound
	}
	return found, nil
}

func candidates() []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		// A link leads to the folder that holds the other programs too.
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	if path, err := exec.LookPath("pg_config"); err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if out, err := exec.CommandContext(ctx, path, "--bindir").Output(); err == nil {
			dirs = append(dirs, strings.TrimSpace(string(out)))
		}
	}
	var usual []string
	for _, pattern := range wellKnown {
		matches, _ := filepath.Glob(pattern)
		usual = append(usual, matches...)
	}
	slices.SortStableFunc(usual, func(a, b string) int { return cmp.Compare(majorInPath(b), majorInPath(a)) })
	return append(dirs, usual...)
}

func majorInPath(dir string) int {
	major, _ := strconv.Atoi(number.FindString(dir))
	return major
}

func holdsPrograms(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// programs returns the folder of programs that can open this cluster. Several versions may
// be installed, and a cluster only opens with the one that created it.
func (f *folder) programs(ctx context.Context, binDir string) (string, error) {
	found, err := find(binDir)
	if err != nil {
		return "", err
	}
	wanted, err := f.version()
	if err != nil {
		return "", err
	}
	var others []string
	for _, dir := range found {
		out, err := f.command(ctx, filepath.Join(dir, "postgres"), "/", "--version")
		if err != nil {
			return "", fmt.Errorf("PostgreSQL's programs in %s do not run: %w", dir, err)
		}
		// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
		_, version, _ := strings.Cut(out, ") ")
		major := number.FindString(version)
		if wanted == "" || major == wanted {
			return dir, nil
		}
		others = append(others, fmt.Sprintf("%s in %s", major, dir))
	}
	return "", fmt.Errorf("the database in %s was created by PostgreSQL %s, but this machine has version %s:"+
		" install PostgreSQL %[2]s (Debian: the package postgresql-%[2]s), set POSTGRES_BIN to the folder of its programs,"+
		" or convert the database with pg_upgrade", f.data, wanted, strings.Join(slices.Compact(others), " and "))
}

// command runs one of PostgreSQL's programs as the cluster's account and returns its output.
// dir is the working directory: the account may not be allowed to enter the present one.
func (f *folder) command(ctx context.Context, program, dir string, args ...string) (string, error) {
	// See Cluster.run: the thread that forks has to outlive the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = environment()
	cmd.SysProcAttr = processAttributes(f.account)
	cmd.WaitDelay = lastOutputs
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil && complaints.Len() > 0 {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(complaints.String()))
	}
	return string(out), err
}
