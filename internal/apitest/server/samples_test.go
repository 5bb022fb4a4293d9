package server_test

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen"
	"github.com/nexterm-go/nexterm/internal/origin"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// sampleWorld is made by samples too: the rows with the ids that the examples of the
// contract name, in the order in which they need each other.
var sampleWorld = []struct {
	table     string
	id        int
	operation string
}{
	{"accounts", 7, "createUser"},
	{"organizations", 2, "createOrganization"},
	{"folders", 4, "createFolder"},
	{"identities", 3, "createIdentity"},
	{"entries", 7, "createEntry"},
	{"host_keys", 12, "pinHostKey"},
	{"tags", 5, "createTag"},
	{"scripts", 3, "createScript"},
	{"scripts", 5, "createScript"},
	{"snippets", 3, "createSnippet"},
	{"snippets", 5, "createSnippet"},
	{"sources", 4, "createSource"},
	{"permission_groups", 3, "createGroup"},
	{"auth_providers", 2, "createOidcProvider"},
	{"api_keys", 4, "createApiKey"},
}

// lastly are those that need or take away what others make, in this order.
var lastly = []string{
	"getAvatar", "getMemberPermissions", "updateMemberPermissions", "removeMember", "unassignTag", "removeGroupMember",
	"deleteHostKey", "updateEntry", "deleteSession", "updatePassword",
}

// notAlone need more than a shell: a browser, an authenticator, a code that another
// program shows, a host, a member, or another account than the one that calls them all.
var notAlone = map[string]int{
	"acceptHostKey": 409, "getConnection": 404, "deleteConnection": 404, "hibernateConnection": 404, "resumeConnection": 404,
	"duplicateConnection": 404, "pasteConnectionPassword": 404, "shareConnection": 404, "updateConnectionShare": 404,
	"unshareConnection": 404, "downloadFile": 404, "downloadFiles": 404, "uploadFile": 404, "getSharedConnection": 404, "getRecording": 404, "wakeEntry": 400, "runCommand": 400, "syncSource": 400, "getIntegrationMonitoring": 404,
	"beginOidcLogin": 503, "finishOidcLogin": 302,
	"finishPasskeyLogin": 401, "finishPasskeyRegistration": 400, "updatePasskey": 404, "deletePasskey": 404,
	"enableTotp": 400, "disableTotp": 409, "authorizeDeviceCode": 404, "getDeviceCode": 404,
	"getMemberPermissions": 404, "updateMemberPermissions": 404,
	"registerAccount": 403, "respondToInvitation": 404, "leaveOrganization": 403, "logout": 401,
}

func TestCurlSamplesWork(t *testing.T) {
	t.Parallel()
	var samples map[string]struct{ Curl string }
	require.NoError(t, json.Unmarshal(gen.Samples, &samples))
	page, err := origin.Parse("https://nexterm.example.com")
	require.NoError(t, err)
	s := testserver.NewEmpty(t, manyLogins, func(o *server.Options) { o.PublicURLs = []origin.Origin{page} })
	c := s.NewAccount(t, "grace")
	s.Promote(t, c)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".curlrc"), []byte("silent\nwrite-out = \"\\n%{http_code}\"\n"), 0o600))
	picture, err := base64.StdEncoding.DecodeString("UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAgA0JaQAA3AA/vuUAAA=")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "picture.webp"), picture, 0o600))
	shell := func(script string) (int, string) {
		command := exec.CommandContext(t.Context(), "sh", "-c", script)
		command.Dir, command.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "CURL_HOME=" + dir, "NEXTERM_URL=" + s.URL, "NEXTERM_TOKEN=" + c.Token}
		output, err := command.Output()
		require.NoError(t, err, script)
		at := strings.LastIndex(string(output), "\n")
		status, err := strconv.Atoi(string(output[at+1:]))
		require.NoError(t, err, "%s", output)
		return status, string(output[:at])
	}
	run := func(operation string) (int, string) { return shell(samples[operation].Curl) }

	made := map[string]bool{}
	for _, row := range sampleWorld {
		s.Exec(t, "alter table "+row.table+" alter column id restart with "+strconv.Itoa(row.id))
		status, answer := run(row.operation)
		require.Equal(t, 2, status/100, "%s: %s", row.operation, answer)
		made[row.operation] = true
	}
	s.Exec(t, `alter table sessions alter column id restart with 12`)
	require.Equal(t, http.StatusOK, c.Post("/api/auth/login", object{"username": "grace", "password": testserver.Password}).Status)

	// The guide tells a story, from signing in on.
	guide := regexp.MustCompile(`(?s)<pre data-language="curl">(.*?)</pre>`).FindAllSubmatch(s.Anonymous.Get("/api/docs").Want(200).Body, -1)
	require.Len(t, guide, 6)
	s.Exec(t, `alter table identities alter column id restart with 1`)
	for _, found := range guide {
		script := html.UnescapeString(string(found[1]))
		status, answer := shell(script)
		want := http.StatusOK
		if strings.Contains(script, "/4711") {
			want = http.StatusNotFound
		}
		assert.Equal(t, want, status, "%s: %s", script, answer)
	}

	left := contractOperations()
	order := func(o operation) int {
		if at := slices.Index(lastly, o.OperationID); at >= 0 {
			return at + 1
		}
		return strings.Count(o.method, http.MethodDelete) * (len(lastly) + 1)
	}
	slices.SortStableFunc(left, func(a, b operation) int { return cmp.Compare(order(a), order(b)) })
	for _, o := range left {
		if made[o.OperationID] {
			continue
		}
		status, answer := run(o.OperationID)
		want, found := notAlone[o.OperationID]
		if !found {
			status, want = status/100, 2
		}
		assert.Equal(t, want, status, "%s: %s", o, answer)
	}
}
