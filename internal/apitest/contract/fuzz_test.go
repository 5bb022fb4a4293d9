package contract_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/contract"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

var (
	fuzzFor  = flag.Duration("fuzz.for", 5*time.Second, "how long random requests are sent")
	fuzzSeed = flag.Uint64("fuzz.seed", 0, "what they come from; 0 for a new one")
)

// senders is how many send at a time, fewer than would wait for their turns.
const senders = 6

// expected are failures that operations may answer to such requests.
var expected = map[string]int{
	"beginOidcLogin": http.StatusServiceUnavailable, // no such provider can be reached
	"wakeEntry":      http.StatusInternalServerError,
}

// Whatever is sent, and whoever sends it: no answer is outside the contract, none
// says that the server failed, and none takes longer than its operation may.
func TestRandomRequests(t *testing.T) {
	t.Parallel()
	seed := *fuzzSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	f := &fuzzer{t: t, server: testserver.New(t), answers: map[string]map[int]int{}}
	// Passkeys are for names, not for addresses.
	f.url = strings.Replace(f.server.URL, "127.0.0.1", "localhost", 1)
	f.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	until := time.Now().Add(*fuzzFor)
	var sending sync.WaitGroup
	for number := range uint64(senders) {
		sending.Go(func() {
			s := &sender{fuzzer: f, generator: generator{rand.New(rand.NewPCG(seed, number))}}
			for time.Now().Before(until) && f.failures.Load() < 20 {
				s.send()
			}
		})
	}
	sending.Wait()
	statuses, all := map[int]int{}, 0
	for _, answers := range f.answers {
		for status, count := range answers {
			statuses[status] += count
			all += count
		}
	}
	t.Logf("seed %d: %d requests to %d operations, statuses %v", seed, all, len(f.answers), statuses)
	for _, o := range contract.Operations() {
		if *fuzzFor >= time.Minute && !slices.ContainsFunc(slices.Collect(maps.Keys(f.answers[o.OperationID])), func(status int) bool { return status < 400 }) {
			t.Log("never a success:", o.OperationID)
		}
	}
	require.Zero(t, f.failures.Load(), "seed %d", seed)
}

type fuzzer struct {
	t        *testing.T
	server   *testserver.Server
	url      string
	client   *http.Client
	failures atomic.Int64
	serial   atomic.Int64
	// preparing keeps requests away from what is being prepared.
	preparing sync.RWMutex

	mu      sync.Mutex
	answers map[string]map[int]int
}

type sender struct {
	*fuzzer
	generator
	tokens []string
	// known are ids that exist, by what they are of, and secrets, by their names.
	known   map[string][]int64
	secrets map[string]string
}

// renew makes new callers; those before may have lost what they could do. Nobody
// may delete them meanwhile.
func (s *sender) renew() {
	s.preparing.Lock()
	defer s.preparing.Unlock()
	name := func() string { return fmt.Sprint("caller", s.serial.Add(1)) }
	administrator, other := s.server.NewAccount(s.t, name()), s.server.NewAccount(s.t, name())
	s.server.Promote(s.t, administrator)
	s.secrets = map[string]string{"origin": s.url}
	s.known = map[string][]int64{
		"organization": {s.server.NewOrganization(s.t, administrator, other), s.server.NewOrganization(s.t, other, administrator)},
		"user":         {administrator.AccountID, other.AccountID, s.server.NewAccount(s.t, name()).AccountID},
	}
	key := s.server.NewAPIKey(s.t, administrator).Token
	mine, others := slices.Repeat([]string{administrator.Token}, 8), slices.Repeat([]string{other.Token}, 4)
	s.tokens = append(slices.Concat(mine, others), key, key, "", "nxt_", "\u00e4 b")
}

func (s *sender) send() {
	if s.tokens == nil || s.IntN(2000) == 0 {
		s.renew()
	}
	operation := one(s.generator, contract.Operations()...)
	example := s.example(operation)
	request, err := example.HTTP(s.t.Context(), s.url)
	if err != nil {
		s.fail("%s: %v", operation.OperationID, err)
		return
	}
	var body []byte
	if request.Body != nil {
		body, _ = io.ReadAll(request.Body)
		if s.IntN(10) == 0 {
			body = s.garble(body)
		}
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	for name, values := range map[string][]string{
		"Content-Type":    {"text/plain", "application/json; charset=latin1", "application/json; charset=utf-8", ""},
		"If-None-Match":   {"*", `W/"x"`, "x"},
		"Accept-Encoding": {"br, gzip;q=0", "identity"},
		"Accept":          {"text/html", "application/openmetrics-text; version=1.0.0", "x"},
		"X-Forwarded-For": {"::1", "x"},
		"Cookie":          {"__Host-nexterm-login=x", "="},
		"User-Agent":      {strings.Repeat("u", 2000), "\u00e4"},
		"Origin":          {"null", "https://nexterm.example.com"},
	} {
		if s.IntN(25) == 0 {
			request.Header.Set(name, one(s.generator, values...))
		}
	}
	s.preparing.RLock()
	began := time.Now()
	answer, err := operation.Send(s.client, request)
	took := time.Since(began)
	s.preparing.RUnlock()
	sent := fmt.Sprintf("%s %s (%s) %.60s %.1500q", request.Method, request.URL, operation.OperationID, request.Header, body)
	if err != nil {
		s.fail("%s: %v", sent, err)
		return
	}
	limit := 10 * time.Second
	if seconds, set := operation.Extensions["x-timeout"].(float64); set {
		limit = time.Duration(seconds) * time.Second
	}
	switch {
	case answer.Problem != nil:
		s.fail("%s: %d outside the contract: %v: %.300s", sent, answer.Status, answer.Problem, answer.Body)
	case answer.Status >= 500 && answer.Status != expected[operation.OperationID]:
		s.fail("%s: %d %.300s", sent, answer.Status, answer.Body)
	case took > limit+time.Second:
		s.fail("%s: took %s", sent, took)
	}
	if answer.Status == http.StatusUnauthorized && len(example.Token) > 60 && s.IntN(3) == 0 {
		s.tokens = nil // of an account or a session that is gone, perhaps
	}
	if answer.Status < 300 {
		s.learn(operation.Tags[0], answer.Body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers[operation.OperationID] == nil {
		s.answers[operation.OperationID] = map[int]int{}
	}
	s.answers[operation.OperationID][answer.Status]++
}

// learn remembers what an answer tells of things that exist.
func (s *sender) learn(of string, answer []byte) {
	type told struct {
		ID          int64
		Code, Token string
	}
	list := []told{{}}
	if json.Unmarshal(answer, &list) != nil && json.Unmarshal(answer, &list[0]) != nil {
		return
	}
	for _, one := range list {
		if one.ID > 0 {
			s.known[of] = append(s.known[of], one.ID)
		}
		if one.Token != "" {
			s.secrets["code"], s.secrets["token"] = one.Code, one.Token
		}
	}
	s.known[of] = s.known[of][max(0, len(s.known[of])-8):]
}

// fail says what went wrong, but for the end of the test.
func (f *fuzzer) fail(format string, args ...any) {
	f.failures.Add(1)
	f.t.Errorf(format, args...)
}

// example is the operation's, with other values in places or in all of them.
func (s *sender) example(o *contract.Operation) *contract.Request {
	r := o.Example()
	r.Token = one(s.generator, s.tokens...)
	for _, ref := range slices.Concat(o.Item.Parameters, o.Parameters) {
		p := ref.Value
		switch {
		case p.In == openapi3.ParameterInPath:
			r.PathValues[p.Name] = s.pathValue(o, p.Name)
		case p.Name == "organizationId" && s.IntN(3) > 0:
			r.Query.Set(p.Name, fmt.Sprint(s.id("organization")))
		case p.In == openapi3.ParameterInQuery && s.IntN(2) == 0:
			r.Query.Set(p.Name, fmt.Sprint(s.value(p.Schema.Value, 0)))
		case p.In == openapi3.ParameterInQuery && s.IntN(2) == 0:
			r.Query.Del(p.Name)
		}
	}
	if s.IntN(20) == 0 {
		r.Query.Add(one(s.generator, "unknown", "limit", "token", ""), one(s.generator, "", "-1", "\x00", "\xff", "1"))
	}
	if o.RequestBody == nil {
		if s.IntN(10) == 0 {
			r.Body = s.wild(0)
		}
		return r
	}
	content := o.RequestBody.Value.Content.Get("application/json")
	if content == nil {
		r.Body = []byte(s.text(openapi3.NewStringSchema()))
		return r
	}
	schema := content.Schema.Value
	if s.IntN(2) == 0 {
		r.Body = s.value(schema, 0)
		return r
	}
	for name, member := range r.Members() {
		property := schema.Properties[name]
		switch {
		case property == nil:
		case s.secrets[name] != "" && s.IntN(4) > 0:
			r.Members()[name] = s.secrets[name]
		case name == "targetId":
			r.Members()[name] = s.id(o.Tags[0])
		case strings.HasSuffix(name, "Id") && member != nil:
			r.Members()[name] = s.id(strings.TrimSuffix(name, "Id"))
		case s.IntN(3) == 0:
			r.Members()[name] = s.value(property.Value, 0)
		case name == "name" || name == "username":
			r.Members()[name] = fmt.Sprint(member, s.serial.Add(1))
		}
	}
	return r
}

func (s *sender) pathValue(o *contract.Operation, name string) string {
	if s.IntN(10) == 0 {
		return one(s.generator, "0", "-1", "9223372036854775807", "9223372036854775808", "1e3", "0x1", "1.0", " 1", "%", "\x00", "\xff", "a/b", "١", "001", strings.Repeat("9", 400))
	}
	of := strings.TrimSuffix(name, "Id")
	if name == "id" {
		of = o.Tags[0]
	}
	return strconv.FormatInt(s.id(of), 10)
}

// tags are those of things that parameters and members call otherwise.
var tags = map[string]string{"account": "user", "audit": "organization", "hostKey": "hostkey", "provider": "authprovider", "server": "entry", "source": "contentsource"}

// id is one of a thing that exists, or perhaps does.
func (s *sender) id(of string) int64 {
	if tag, set := tags[of]; set {
		of = tag
	}
	if known := s.known[of]; len(known) > 0 && s.IntN(5) > 0 {
		return one(s.generator, known...)
	}
	return 1 + s.Int64N(40)
}
