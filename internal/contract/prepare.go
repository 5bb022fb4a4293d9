package contract

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/pquerna/otp/totp"
)

// picture is a picture in WebP, of one pixel.
var picture, _ = base64.StdEncoding.DecodeString("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")

type preparation func(context.Context, *Suite, *Request) error

// prepared makes what examples name that is no id.
var prepared = map[string]preparation{
	"authorizeDeviceCode": deviceCode,
	"getDeviceCode":       deviceCode,
	"getDeviceLinkStatus": deviceCode,
	"pollDeviceCode":      deviceCode,

	"beginPasskeyLogin":         here,
	"beginPasskeyRegistration":  here,
	"finishPasskeyLogin":        here,
	"finishPasskeyRegistration": here,

	"getMemberPermissions":    onMember,
	"removeMember":            onMember,
	"updateMemberPermissions": onMember,

	"repositionScript":  beside(script),
	"repositionSnippet": beside(snippet),

	"createOidcProvider": distinct,
	"createSource":       distinct,
	"createUser":         distinct,
	"updateOidcProvider": distinct,

	"deleteSession": func(ctx context.Context, s *Suite, r *Request) error {
		if _, err := s.signIn(ctx, s.account); err != nil {
			return err
		}
		var sessions []struct {
			ID      int64
			Current bool
		}
		if err := s.call(ctx, "listSessions", &sessions, nil); err != nil {
			return err
		}
		for _, session := range sessions {
			if !session.Current {
				r.PathValues["id"] = strconv.FormatInt(session.ID, 10)
			}
		}
		return nil
	},
	"disableTotp": func(ctx context.Context, s *Suite, r *Request) error {
		enable := operation("enableTotp").Example()
		if err := withSecret(ctx, s, enable); err != nil {
			return err
		}
		r.Token = enable.Token
		answer, err := s.send(ctx, enable)
		return read("enableTotp", answer, err, &struct{}{})
	},
	"enableTotp": withSecret,
	"getAvatar": func(ctx context.Context, s *Suite, r *Request) error {
		r.PathValues["accountId"] = strconv.FormatInt(s.account.id, 10)
		return s.call(ctx, "setAvatar", &struct{}{}, func(r *Request) { r.Body = picture })
	},
	"inviteMember": func(ctx context.Context, s *Suite, r *Request) error {
		p, err := s.person(ctx)
		r.Members()["username"] = p.username
		return err
	},
	"leaveOrganization": func(ctx context.Context, s *Suite, r *Request) error {
		p, err := s.join(ctx, r, true)
		r.Token = p.token
		return err
	},
	"login": func(_ context.Context, s *Suite, r *Request) error {
		r.Members()["username"], r.Members()["password"] = s.account.username, s.account.password
		return nil
	},
	"logout": func(ctx context.Context, s *Suite, r *Request) (err error) {
		r.Members()["token"], err = s.signIn(ctx, s.account)
		return err
	},
	"orderGroups": func(ctx context.Context, s *Suite, r *Request) error {
		var groups []struct{ ID int64 }
		if err := s.call(ctx, "listGroups", &groups, nil); err != nil {
			return err
		}
		order := []any{}
		for _, g := range groups {
			order = append(order, g.ID)
		}
		r.Members()["order"] = order
		return nil
	},
	"pinHostKey": func(ctx context.Context, s *Suite, r *Request) error {
		// The key of the entry so far may be known by now.
		clear(s.made)
		return s.resolve(ctx, r)
	},
	"registerAccount": func(_ context.Context, s *Suite, r *Request) error {
		s.distinguish(r)
		// Its answer has no id.
		s.undo = append(s.undo, func(ctx context.Context) error {
			var found struct{ Users []struct{ ID int64 } }
			err := s.call(ctx, "listUsers", &found, func(list *Request) {
				list.Token = s.Token
				list.Query.Set("search", r.Members()["username"].(string))
			})
			for _, user := range found.Users {
				err = errors.Join(err, s.remove(ctx, account, user.ID))
			}
			return err
		})
		return nil
	},
	"removeGroupMember": func(ctx context.Context, s *Suite, r *Request) error {
		return s.call(ctx, "addGroupMember", &struct{}{}, func(add *Request) {
			add.PathValues["id"] = r.PathValues["id"]
			add.Members()["accountId"] = r.PathValues["accountId"]
		})
	},
	"respondToInvitation": func(ctx context.Context, s *Suite, r *Request) (err error) {
		if r.PathValues["id"], err = s.find(ctx, organization, r); err != nil {
			return err
		}
		p, err := s.join(ctx, r, false)
		r.Token = p.token
		return err
	},
	"runCommand": func(ctx context.Context, s *Suite, r *Request) (err error) {
		if r.PathValues["entryId"], err = s.find(ctx, entry, r); err != nil {
			return err
		}
		id, err := s.find(ctx, identity, r)
		r.Query.Set("identityId", id)
		return err
	},
	"setAvatar": func(_ context.Context, _ *Suite, r *Request) error {
		r.Body = picture
		return nil
	},
	"updateMonitoringSettings": func(ctx context.Context, s *Suite, r *Request) error {
		var before map[string]any
		if err := s.call(ctx, "getMonitoringSettings", &before, nil); err != nil {
			return err
		}
		// Everybody's: as they are, because shorter retention deletes samples.
		for name := range r.Members() {
			r.Members()[name] = before[name]
		}
		return nil
	},
	"wakeEntry": func(ctx context.Context, s *Suite, r *Request) error {
		return s.call(ctx, "updateEntry", &struct{}{}, func(change *Request) {
			maps.Copy(change.PathValues, r.PathValues)
			config := change.Members()["config"].(map[string]any)
			config["macAddress"] = change.body().Properties["config"].Value.Properties["macAddress"].Value.Example
		})
	},
}

func deviceCode(ctx context.Context, s *Suite, r *Request) error {
	var created map[string]any
	// Made by the account, whose own to watch it is then.
	if err := s.call(ctx, "createDeviceCode", &created, func(r *Request) { r.Token = s.account.token }); err != nil {
		return err
	}
	for _, name := range slices.Collect(maps.Keys(r.Members())) {
		r.Members()[name] = created[name]
	}
	return nil
}

func here(_ context.Context, s *Suite, r *Request) error {
	r.Members()["origin"] = s.URL
	return nil
}

func distinct(_ context.Context, s *Suite, r *Request) error {
	s.distinguish(r)
	return nil
}

func onMember(ctx context.Context, s *Suite, r *Request) error {
	p, err := s.join(ctx, r, true)
	r.PathValues["accountId"] = strconv.FormatInt(p.id, 10)
	return err
}

// beside moves a thing to another one of its kind.
func beside(k kind) preparation {
	return func(ctx context.Context, s *Suite, r *Request) error {
		first := s.made[k.create]
		delete(s.made, k.create)
		second, err := s.find(ctx, k, r)
		s.made[k.create] = first
		target, _ := strconv.ParseInt(second, 10, 64)
		r.Members()["targetId"] = target
		return err
	}
}

// withSecret proves to have a new account's pending secret.
func withSecret(ctx context.Context, s *Suite, r *Request) error {
	p, err := s.person(ctx)
	if err != nil {
		return err
	}
	r.Token = p.token
	var pending struct{ Secret string }
	if err := s.call(ctx, "getTotpSecret", &pending, func(secret *Request) { secret.Token = p.token }); err != nil {
		return err
	}
	r.Members()["code"], err = totp.GenerateCode(pending.Secret, time.Now())
	return err
}
