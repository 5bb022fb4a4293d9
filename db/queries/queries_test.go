package queries_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testdb"
)

// query is one statement of db/queries.
type query struct {
	file, name string
	// text as written, and sql without comments and literals on one line.
	text, sql string
}

var (
	header   = regexp.MustCompile(`(?m)^-- name: (\S+) :(\S+)$`)
	comment  = regexp.MustCompile(`(?m)--.*$`)
	literal  = regexp.MustCompile(`'[^']*'`)
	space    = regexp.MustCompile(`\s+`)
	excuse   = regexp.MustCompile(`(?m)^-- every owner: \S+`)
	star     = regexp.MustCompile(`(select|returning|distinct|,)\s+(\w+\.)?\*`)
	keyword  = regexp.MustCompile(`\b(SELECT|FROM|WHERE|INSERT|INTO|UPDATE|SET|DELETE|JOIN|AND|OR|NOT|NULL|RETURNING|VALUES|CASE|WITH)\b`)
	position = regexp.MustCompile(`\$\d`)
	goName   = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
	// reach with what stands before it.
	reach   = regexp.MustCompile(`(?:where|and|\() ?\(?(?:\w+\.)?scope = any ?\( ?@reach(?:::bigint\[\])? ?\)`)
	negated = regexp.MustCompile(`not ?\(? ?(?:\w+\.)?scope = any`)
	// bare is a reach that is open to an "or" beside it.
	bare = regexp.MustCompile(`(?:and|where) (?:\w+\.)?scope = any ?\( ?@reach(?:::bigint\[\])? ?\) or\b|\bor (?:\w+\.)?scope = any ?\( ?@reach`)
)

// hidden is the caller's reach where the planner does not see it.
const hidden = "(select @reach::bigint[])::bigint[]"

func parse(file, text string) []query {
	var all []query
	starts := header.FindAllStringSubmatchIndex(text, -1)
	for i, start := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		q := query{file: file, name: text[start[2]:start[3]], text: text[start[0]:end]}
		q.sql = literal.ReplaceAllString(comment.ReplaceAllString(q.text, ""), "''")
		q.sql = strings.ReplaceAll(strings.TrimSpace(space.ReplaceAllString(q.sql, " ")), hidden, "@reach")
		all = append(all, q)
	}
	return all
}

// check names the rules that a statement breaks; owned are the owned tables.
func (q query) check(owned []string) []string {
	var broken []string
	say := func(format string, args ...any) {
		broken = append(broken, q.file+": "+q.name+" "+fmt.Sprintf(format, args...))
	}
	if !goName.MatchString(q.name) {
		say("is no name of a method")
	}
	if star.MatchString(q.sql) {
		say("selects *; list the columns")
	}
	if found := keyword.FindString(q.sql); found != "" {
		say("shouts %s", found)
	}
	if position.MatchString(q.sql) {
		say("has unnamed parameters")
	}
	if strings.Count(strings.TrimSuffix(q.sql, ";"), ";") > 0 {
		say("is more than one statement")
	}
	touched := 0
	for _, table := range owned {
		if regexp.MustCompile(`\b` + table + `\b`).MatchString(q.sql) {
			touched++
		}
	}
	if touched == 0 || excuse.MatchString(q.text) {
		return broken
	}
	if len(reach.FindAllString(q.sql, -1)) < touched {
		say("touches owned tables without the caller's reach (scope = any(@reach)); add it, or explain by -- every owner: <why>")
	}
	if negated.MatchString(q.sql) {
		say("turns the caller's reach around")
	}
	if bare.MatchString(q.sql) {
		say("needs parentheses around the caller's reach")
	}
	return broken
}

func TestQueriesKeepTheirRules(t *testing.T) {
	t.Parallel()
	owned := ownedTables(t)
	files, err := filepath.Glob("*.sql")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	names := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		queries := parse(file, string(text))
		require.Equal(t, strings.Count(string(text), "-- name:"), len(queries), "%s: a malformed -- name: line", file)
		for _, q := range queries {
			if other, taken := names[strings.ToLower(q.name)]; taken {
				t.Errorf("%s: %s is a name of %s too", file, q.name, other)
			}
			names[strings.ToLower(q.name)] = file
			for _, broken := range q.check(owned) {
				t.Error(broken)
			}
		}
	}
}

// ownedTables have exactly one owner, an account or an organization (or an
// external source), and a check that says so.
func ownedTables(t *testing.T) []string {
	t.Helper()
	rows, err := testdb.New(t).Query(t.Context(), `select c.relname
		from pg_class c
				 join pg_constraint k on k.conrelid = c.oid and k.contype = 'c' and k.conname = c.relname || '_one_owner'
		where c.relnamespace = 'public'::regnamespace`)
	require.NoError(t, err)
	owned, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Contains(t, owned, "identities")
	return owned
}

// A table with both owners either has exactly one of them, or is known here as
// something else.
func TestTablesWithOwnersSayWhichTheyHave(t *testing.T) {
	t.Parallel()
	exceptions := map[string]string{
		"organization_members":            "who belongs to what",
		"organization_member_permissions": "what members may do",
		"connections":                     "the account has opened it, the organization is the entry's",
		"audit_logs":                      "the account is the actor; both may be gone",
	}
	pool := testdb.New(t)
	rows, err := pool.Query(t.Context(), `select c.relname, exists (select
				from pg_constraint k
				where k.conrelid = c.oid and k.contype = 'c' and k.conname = c.relname || '_one_owner'
				  and pg_get_constraintdef(k.oid) in ('CHECK ((num_nonnulls(account_id, organization_id) = 1))',
					'CHECK ((num_nonnulls(account_id, organization_id, source_id) = 1))'))
		from pg_class c
		where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
		  and 2 = (select count(*) from pg_attribute a where a.attrelid = c.oid and a.attname in ('account_id', 'organization_id'))`)
	require.NoError(t, err)
	found := map[string]bool{}
	for rows.Next() {
		var name string
		var checked bool
		require.NoError(t, rows.Scan(&name, &checked))
		found[name] = checked
	}
	require.NoError(t, rows.Err())
	for _, name := range slices.Sorted(maps.Keys(found)) {
		require.Equal(t, exceptions[name] == "", found[name], "%s needs the check %s_one_owner", name, name)
	}
}

func TestRulesOfQueriesNotice(t *testing.T) {
	t.Parallel()
	const within = "scope = any(@reach::bigint[])"
	for statement, broken := range map[string]string{
		"select id from identities where id = @id and " + within + ";":                                          "",
		"select id\nfrom identities\nwhere scope = any(@reach)\norder by id;":                                   "",
		"select i.id from identities i where (i.scope = any(@reach) or @manages_all::boolean and i.scope < 0);": "",
		"-- every owner: a job without a caller\ndelete from identities;":                                       "",
		"select id from accounts where id = @id;":                                                               "",
		"select count(*) from accounts;":                                                                        "",
		"select id from identities where id = @id;":                                                             "without the caller's reach",
		"-- every owner:\ndelete from identities;":                                                              "without the caller's reach",
		"delete from identities where id = @id; -- scope = any(@reach)":                                         "without the caller's reach",
		"select id from identities where scope = any(@others);":                                                 "without the caller's reach",
		"select id from identities where scope = @scope;":                                                       "without the caller's reach",
		"select id from identities where not " + within + ";":                                                   "turns the caller's reach around",
		"select id from identities where not (" + within + ");":                                                 "turns the caller's reach around",
		"select i.id from identities i join folders f on true where " + within + ";":                            "without the caller's reach",
		"select id from identities where id = @id and scope = any(@reach) or @manages_all;":                     "needs parentheses",
		"select id from identities where scope = any(@reach) or @manages_all and id = @id;":                     "needs parentheses",
		"select id from identities where (id = @id or scope = any(@reach)) and scope = any(@reach);":            "needs parentheses",
		"select * from accounts;":                                                                               "selects *",
		"select a.* from accounts a;":                                                                           "selects *",
		"select id, a.* from accounts a;":                                                                       "selects *",
		"delete from accounts where id = @id returning *;":                                                      "selects *",
		"select id FROM accounts;":                                                                              "shouts FROM",
		"select id from accounts where id = $1;":                                                                "unnamed parameters",
		"select id from accounts; delete from accounts;":                                                        "more than one statement",
		"select id from accounts where username = 'SELECT *'":                                                   "",
	} {
		queries := parse("test.sql", "-- name: Test :many\n"+statement)
		require.Len(t, queries, 1)
		found := strings.Join(queries[0].check([]string{"identities", "folders"}), "\n")
		if broken == "" {
			require.Empty(t, found, statement)
			continue
		}
		require.Contains(t, found, broken, statement)
	}
}
