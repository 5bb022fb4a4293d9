package contract

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Suite sends the contract's examples to a deployment, with things that exist
// there in place of those that they name.
type Suite struct {
	URL    string
	Token  string
	Client *http.Client
	// Write sends the examples of all operations, as an account made for it, and
	// deletes what it has made. Otherwise only what reads is sent.
	Write bool
	// Prepare does before each request what no operation can; nil does nothing.
	Prepare func(*Request) error

	account person
	made    map[string]string
	undo    []func(context.Context) error
	serial  int
	prefix  string
}

// Outcome is how the example of one operation went.
type Outcome struct {
	Operation *Operation
	Answer
}

// Failed reports whether the answer is outside the contract or says that the
// deployment cannot serve.
func (o Outcome) Failed() bool { return o.Problem != nil || o.Status == http.StatusServiceUnavailable }

// Succeeded reports whether the operation did what the example is an example of.
func (o Outcome) Succeeded() bool { return o.Problem == nil && o.Status < http.StatusBadRequest }

// Run sends the examples and reports each outcome. The error is that of a
// deployment that cannot be tried at all, or of what could not be cleared away.
func (s *Suite) Run(ctx context.Context, report func(Outcome)) (err error) {
	// Redirects are answers, too.
	client := *s.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.Client, s.URL = &client, strings.TrimSuffix(s.URL, "/")
	s.made, s.prefix = map[string]string{}, strings.ToLower(rand.Text()[:8])
	s.account = person{token: s.Token}
	me, err := s.send(ctx, operation("getMe").Example())
	if err != nil {
		return err
	}
	switch {
	case me.Status == http.StatusUnauthorized && me.Problem == nil:
		return errors.New("the token is not accepted")
	case me.Status != http.StatusOK || me.Problem != nil:
		return fmt.Errorf("that is no nexterm: /api/account/me is answered by %d: %s", me.Status, shortened(me.Body))
	}
	if s.Write {
		// What is made is cleared away whatever happens, in the opposite order.
		defer func() {
			for _, undo := range slices.Backward(s.undo) {
				err = errors.Join(err, undo(context.WithoutCancel(ctx)))
			}
		}()
		if err := s.enter(ctx); err != nil {
			return err
		}
	}
	for _, o := range s.order() {
		r := o.Example()
		s.authorize(r)
		if err := s.resolve(ctx, r); err != nil {
			return fmt.Errorf("prepare %s: %w", o.OperationID, err)
		}
		if prepare := prepared[o.OperationID]; s.Write && prepare != nil {
			if err := prepare(ctx, s, r); err != nil {
				return fmt.Errorf("prepare %s: %w", o.OperationID, err)
			}
		}
		if s.Prepare != nil {
			if err := s.Prepare(r); err != nil {
				return fmt.Errorf("prepare %s: %w", o.OperationID, err)
			}
		}
		answer, err := s.send(ctx, r)
		if err != nil {
			return err
		}
		report(Outcome{o, answer})
		// What is gone may have taken other things along.
		if o.Method == http.MethodDelete {
			clear(s.made)
		}
	}
	return nil
}

// order lists the operations to send: what deletes comes last.
func (s *Suite) order() (all []*Operation) {
	var last []*Operation
	for _, o := range Operations() {
		switch {
		case o.Method == http.MethodDelete && s.Write:
			last = append(last, o)
		case o.Method == http.MethodGet || s.Write:
			// TOTP's secret is made by being read.
			if s.Write || o.OperationID != "getTotpSecret" {
				all = append(all, o)
			}
		}
	}
	return append(all, last...)
}

func operation(id string) *Operation {
	i, _ := slices.BinarySearchFunc(Operations(), id, func(o *Operation, id string) int { return strings.Compare(o.OperationID, id) })
	return Operations()[i]
}

// send sends a request, as the suite's account unless it has a token, and
// remembers to delete what it has made for others than that account.
func (s *Suite) send(ctx context.Context, r *Request) (Answer, error) {
	s.authorize(r)
	request, err := r.HTTP(ctx, s.URL)
	if err != nil {
		return Answer{}, err
	}
	answer, err := r.Send(s.Client, request)
	if err != nil || answer.Status >= http.StatusBadRequest {
		return answer, err
	}
	for _, k := range []kind{account, group, provider, source} {
		if id, found := firstID(answer.Body); found && k.create == r.OperationID {
			s.undo = append(s.undo, func(ctx context.Context) error { return s.remove(ctx, k, id) })
		}
	}
	return answer, nil
}

// authorize sends a request as the suite's account, unless it has a token already
// or its operation takes none.
func (s *Suite) authorize(r *Request) {
	if r.Token == "" && len(*r.Security) > 0 {
		r.Token = s.account.token
	}
}

// remove deletes a thing by the token that the suite was given.
func (s *Suite) remove(ctx context.Context, k kind, id int64) error {
	r := operation(k.remove).Example()
	for name := range r.PathValues {
		r.PathValues[name] = strconv.FormatInt(id, 10)
	}
	r.Token = s.Token
	answer, err := s.send(ctx, r)
	if err == nil && answer.Status >= http.StatusBadRequest && answer.Status != http.StatusNotFound {
		err = fmt.Errorf("%s left %d behind: %d %s", k.remove, id, answer.Status, shortened(answer.Body))
	}
	return err
}

// resolve puts things that exist in place of those that the example names.
func (s *Suite) resolve(ctx context.Context, r *Request) error {
	for _, end := range parameter.FindAllStringIndex(r.Path, -1) {
		name := r.Path[end[0]+1 : end[1]-1]
		id, err := s.find(ctx, kinds[parameter.ReplaceAllString(r.Path[:end[1]], "{}")], r)
		if err != nil {
			return err
		}
		if id != "" {
			r.PathValues[name] = id
		}
	}
	for name := range r.Query {
		k, known := kinds[name]
		if !known {
			continue
		}
		id, err := s.find(ctx, k, r)
		if err != nil {
			return err
		}
		if r.Query.Set(name, id); id == "" {
			r.Query.Del(name)
		}
	}
	for name, value := range r.Members() {
		k, known := kinds[name]
		if !known {
			continue
		}
		id, err := s.find(ctx, k, r)
		if err != nil {
			return err
		}
		number, _ := strconv.ParseInt(id, 10, 64)
		if r.Members()[name] = any(number); isList(value) {
			r.Members()[name] = []any{number}
		}
	}
	return nil
}

func isList(value any) bool { _, is := value.([]any); return is }

// find tells the id of a thing of the kind, which is made where that is allowed;
// empty if there is none. Whatever the request has in its path so far is known.
func (s *Suite) find(ctx context.Context, k kind, r *Request) (string, error) {
	id := k.list
	if s.Write && k.create != "" {
		id = k.create
	}
	if id == "" || s.made[id] != "" {
		return s.made[id], nil
	}
	maker := operation(id).Example()
	if maker.OperationID == r.OperationID {
		return "", nil
	}
	if id == k.list {
		clear(maker.Query)
	}
	// What is asked for in an organization has to be there.
	if body := maker.body(); r.Query.Has("organizationId") && body != nil && body.Properties["organizationId"] != nil {
		maker.Members()["organizationId"] = nil
	}
	if err := s.resolve(ctx, maker); err != nil {
		return "", err
	}
	s.distinguish(maker)
	answer, err := s.send(ctx, maker)
	if err != nil {
		return "", err
	}
	if answer.Status >= http.StatusBadRequest && id == k.create {
		return "", fmt.Errorf("%s answered %d: %s", id, answer.Status, shortened(answer.Body))
	}
	if first, found := firstID(answer.Body); found && answer.Status < http.StatusBadRequest {
		s.made[id] = strconv.FormatInt(first, 10)
	}
	return s.made[id], nil
}

// distinguish gives a thing a name, and an entry a host, that no other has.
func (s *Suite) distinguish(r *Request) {
	s.serial++
	for _, name := range []string{"name", "username", "url"} {
		if value, is := r.Members()[name].(string); is {
			separator := ""
			if name == "url" {
				separator = "/"
			}
			r.Members()[name] = fmt.Sprint(value, separator, s.prefix, s.serial)
		}
	}
	// Nobody is to be offered a login provider that is made up.
	if _, is := r.Members()["enabled"]; is && r.Tags[0] == "authprovider" {
		r.Members()["enabled"] = false
	}
	if config, is := r.Members()["config"].(map[string]any); is {
		config["ip"] = fmt.Sprint(s.prefix, s.serial, ".example.com")
	}
}

func shortened(answer []byte) string { return fmt.Sprintf("%.200s", answer) }

// read decodes an answer that has to be a success.
func read(id string, answer Answer, err error, into any) error {
	if err != nil {
		return err
	}
	if answer.Status >= http.StatusBadRequest {
		return fmt.Errorf("%s answered %d: %s", id, answer.Status, shortened(answer.Body))
	}
	return json.Unmarshal(answer.Body, into)
}
