package contract

import (
	"context"
	"fmt"
	"strconv"
)

// person is an account that the suite has made, signed in.
type person struct {
	id                        int64
	username, password, token string
}

// enter makes the account that the examples are sent as: an administrator beside
// the token's account, whose own things stay as they are.
func (s *Suite) enter(ctx context.Context) error {
	created, err := s.person(ctx)
	if err != nil {
		return fmt.Errorf("writing needs the token of an administrator: %w", err)
	}
	var groups []struct {
		ID      int64
		IsAdmin bool
	}
	if err := s.call(ctx, "listGroups", &groups, nil); err != nil {
		return err
	}
	for _, g := range groups {
		if g.IsAdmin {
			err := s.call(ctx, "addGroupMember", &struct{}{}, func(r *Request) {
				r.PathValues["id"] = strconv.FormatInt(g.ID, 10)
				r.Members()["accountId"] = created.id
			})
			if err != nil {
				return fmt.Errorf("writing needs the token of an administrator: %w", err)
			}
		}
	}
	s.account = created
	return nil
}

// person makes an account as an example shows it, and signs it in.
func (s *Suite) person(ctx context.Context) (p person, err error) {
	var created struct{ ID int64 }
	err = s.call(ctx, "createUser", &created, func(r *Request) {
		s.distinguish(r)
		p.username, p.password = r.Members()["username"].(string), r.Members()["password"].(string)
	})
	if err != nil {
		return p, err
	}
	p.id = created.ID
	p.token, err = s.signIn(ctx, p)
	return p, err
}

func (s *Suite) signIn(ctx context.Context, p person) (string, error) {
	var opened struct{ Token string }
	err := s.call(ctx, "login", &opened, func(r *Request) {
		r.Members()["username"], r.Members()["password"] = p.username, p.password
	})
	return opened.Token, err
}

// call sends an operation's example, changed, and decodes its success.
func (s *Suite) call(ctx context.Context, id string, into any, change func(*Request)) error {
	r := operation(id).Example()
	if change != nil {
		change(r)
	}
	answer, err := s.send(ctx, r)
	return read(id, answer, err, into)
}

// join makes a member of the organization in the request's path and signs it in.
func (s *Suite) join(ctx context.Context, r *Request, accept bool) (person, error) {
	p, err := s.person(ctx)
	if err != nil {
		return p, err
	}
	there := func(invitation *Request) { invitation.PathValues["id"] = r.PathValues["id"] }
	err = s.call(ctx, "inviteMember", &struct{}{}, func(invitation *Request) {
		there(invitation)
		invitation.Members()["username"] = p.username
	})
	if err != nil || !accept {
		return p, err
	}
	return p, s.call(ctx, "respondToInvitation", &struct{}{}, func(answer *Request) {
		there(answer)
		answer.Token = p.token
	})
}
