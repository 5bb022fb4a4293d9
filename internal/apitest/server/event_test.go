package server_test

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/origin"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// stage is a server on which requests are prepared that tell of themselves.
type stage struct {
	*testserver.Server
	t *testing.T
}

// page is a page at which passkeys are used.
const page = "http://localhost:6989"

func newStage(t *testing.T) stage {
	t.Helper()
	var public []origin.Origin
	for _, text := range []string{page, "https://nexterm.example.com"} { // the latter is the examples'
		o, err := origin.Parse(text)
		require.NoError(t, err)
		public = append(public, o)
	}
	return stage{testserver.New(t, testserver.AllowLoopback, manyLogins, deviceLimit(1<<30), func(o *server.Options) {
		o.PublicURLs = public
	}), t}
}

// request is one of an operation. What is left out is the usual: the usual
// caller, newly made things of Owner in the path, the contract's example, 2xx.
type request struct {
	by     *testserver.Client
	ids    []int64
	body   any
	status int
	// connection is another one than the example's.
	connection string
}

// telling is a request and the actions that it records, in their order and
// separated by spaces; none for operations that give a reason for it.
type telling struct {
	actions string
	prepare func(stage) request
}

func usual(stage) request { return request{} }

// tellings are by operationId. Together, those of an operation record each
// action that its x-event names.
func tellings(t *testing.T) map[string][]telling {
	t.Helper()
	all := map[string][]telling{}
	for _, some := range []map[string][]telling{signInTellings, accountTellings, accessTellings, inventoryTellings, libraryTellings, connectionTellings} {
		for id, rows := range some {
			require.NotContains(t, all, id)
			all[id] = rows
		}
	}
	return all
}

// events are the actions that x-event names, or the reason why there are none.
func (o operation) events() (actions []string, reason string) {
	switch value := o.Extensions["x-event"].(type) {
	case string:
		reason = value
	case []any:
		for _, action := range value {
			actions = append(actions, action.(string))
		}
	}
	return actions, reason
}

// lastEvent is where the events begin that are still to come. Nothing else
// happens on a stage meanwhile.
func (s stage) lastEvent() (id int64) {
	s.Scan(s.t, &id, `select coalesce(max(id), 0) from events`)
	return id
}

// told are the events since then, and those among them that the account has not
// brought about by itself, with its session.
func (s stage) told(since, accountID int64) (actions string, byOthers int) {
	s.Scan(s.t, &actions, `select coalesce(string_agg(action, ' ' order by id), '') from events where id > $1`, since)
	return actions, s.Count(s.t, `events where id > $1 and (actor <> 'session' or account_id <> $2 or session_id is null)`, since, accountID)
}

// complete fills in what a request leaves to the operation. Things in the path
// tell of themselves too, so they are made before.
func (s stage) complete(o operation, r request) request {
	s.t.Helper()
	if r.ids == nil {
		for _, made := range o.things(s.t) {
			r.ids = append(r.ids, made.make(s.t, s.Server, r.ids))
		}
	}
	if r.body == nil && o.body() != nil {
		r.body = o.example(s.t)
	}
	if r.by == nil {
		r.by = o.caller(s.Server)
	}
	return r
}

// pathOf is the operation's path with these ids.
func (o operation) pathOf(ids []int64) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return o.fill(texts...)
}

func TestEveryChangeTellsOfItself(t *testing.T) {
	t.Parallel()
	s, left := newStage(t), tellings(t)
	var table strings.Builder
	for _, o := range contractOperations() {
		if o.method == http.MethodGet {
			continue
		}
		listed, reason := o.events()
		assert.NotEmpty(t, left[o.OperationID], "%s: say in a table of tellings how to call it", o)
		unseen := map[string]bool{}
		for _, action := range listed {
			unseen[action] = true
		}
		for i, row := range left[o.OperationID] {
			about := at(o, fmt.Sprintf("request %d", i+1))
			r := s.complete(o, row.prepare(s))
			since := s.lastEvent()
			path := o.pathOf(r.ids)
			if r.connection != "" {
				path = strings.Replace(path, exampleID, r.connection, 1)
			}
			answer := o.send(r.by, path, r.body)
			actions, byOthers := s.told(since, r.by.AccountID)
			succeeded := r.status == 0 && answer.Status/100 == 2
			assert.True(t, succeeded || answer.Status == r.status, "%s: %d %s", about, answer.Status, answer.Body)
			assert.Equal(t, row.actions, actions, about)
			assert.Equal(t, reason == "", actions != "", about)
			if !o.public() {
				assert.Zero(t, byOthers, about)
			}
			for _, action := range strings.Fields(actions) {
				assert.Contains(t, listed, action, about)
				delete(unseen, action)
			}
			fmt.Fprintf(&table, "\n%-33s %3d  %s", o, answer.Status, cmp.Or(actions, reason))
		}
		assert.Empty(t, unseen, "%s: no telling records these", o)
		delete(left, o.OperationID)
	}
	assert.Empty(t, slices.Collect(maps.Keys(left)), "no operation of these names")
	t.Log(table.String())
}

// Reading tells nothing, but for the sign-in that ends with a redirect; its
// events are tested with a provider.
func TestReadingTellsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.Promote(t, s.Owner)
	s.Owner.Post("/api/account/me/avatar", picture(t)).Want(200)
	exampleConnection(t, s.Server)
	for _, o := range contractOperations() {
		if listed, _ := o.events(); o.method != http.MethodGet || listed != nil {
			continue
		}
		path := o.ownersPath(t, s.Server)
		if o.inQuery() { // a picture
			path = o.fill(fmt.Sprint(s.Owner.AccountID)) + "?v=1&token=" + s.Owner.Token
		}
		since := s.lastEvent()
		answer, status := o.send(o.caller(s.Server), path, nil), http.StatusOK
		if o.OperationID == "getIntegrationMonitoring" { // of which there are none
			status = http.StatusNotFound
		}
		assert.Equal(t, status, answer.Status, "%s answered %s", o, answer.Body)
		actions, _ := s.told(since, 0)
		assert.Empty(t, actions, o)
	}
}
