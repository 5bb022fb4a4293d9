package manifest

import (
	"context"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// planIdentities plans an owner's identities. Their secrets are written with what is
// created, with a change of the type, and when that is asked for.
func (p *planner) planIdentities(at *place) {
	keep := names(at.things.Identities, func(i Identity) string { return i.Name })
	stored := map[*handle]nexterm.Identity{}
	for _, i := range at.now.identities {
		h := &handle{id: i.ID, doomed: gone(p, at.things.Identities, keep, i.Name)}
		stored[h] = i
		at.identities.add(i.Name, h)
		if h.doomed {
			p.change(at, change{
				sign: '-', kind: "identity", name: i.Name, phase: removing, permissions: []string{"identities.manage"},
				run: func(ctx context.Context) error { return p.client.Identities.Delete(ctx, i.ID) },
			})
		}
	}
	for _, i := range at.things.Identities {
		found := at.identities[i.it.Name]
		if len(found) == 0 {
			p.createIdentity(at, i)
			continue
		}
		if h := p.one(i.line, "identity", i.it.Name, found); h != nil {
			p.updateIdentity(at, i, h.id, stored[h])
		}
	}
}

func (p *planner) createIdentity(at *place, i item[Identity]) {
	body := nexterm.NewIdentity{Name: i.it.Name, Type: nexterm.IdentityType(i.it.Type), Username: i.it.Username}
	fields := []field{{"type", "", i.it.Type}}
	if i.it.Username != "" {
		fields = append(fields, field{"username", "", i.it.Username})
	}
	fields = append(fields, p.openSecrets(i, &body.Password, &body.SSHKey, &body.Passphrase)...)
	h := &handle{}
	h.made = p.change(at, change{
		sign: '+', kind: "identity", name: i.it.Name, fields: fields, phase: making, permissions: []string{"identities.manage"},
		run: func(ctx context.Context) error {
			body.OrganizationID = at.organizationID()
			created, err := p.client.Identities.Create(ctx, body)
			if err == nil {
				h.id = created.ID
			}
			return err
		},
	})
	at.identities.add(i.it.Name, h)
}

func (p *planner) updateIdentity(at *place, i item[Identity], id int64, before nexterm.Identity) {
	var patch nexterm.IdentityPatch
	var fields []field
	if string(before.Type) != i.it.Type {
		patch.Type = nexterm.IdentityType(i.it.Type)
		fields = append(fields, field{"type", string(before.Type), i.it.Type})
	}
	// The API cannot take a username away.
	if username := before.Username.Or(""); i.it.Username != "" && i.it.Username != username {
		patch.Username = i.it.Username
		fields = append(fields, field{"username", username, i.it.Username})
	}
	if patch.Type != "" || p.Secrets {
		fields = append(fields, p.openSecrets(i, &patch.Password, &patch.SSHKey, &patch.Passphrase)...)
	}
	if len(fields) == 0 {
		return
	}
	p.change(at, change{
		sign: '~', kind: "identity", name: i.it.Name, fields: fields, phase: making, permissions: []string{"identities.manage"},
		run: func(ctx context.Context) error { return p.client.Identities.Update(ctx, id, patch) },
	})
}

// openSecrets reads the secrets of an identity before anything is applied.
func (p *planner) openSecrets(i item[Identity], password, key, passphrase *nexterm.Secret) (fields []field) {
	into := map[string]*nexterm.Secret{"password": password, "sshKey": key, "passphrase": passphrase}
	for _, s := range i.it.secrets() {
		content, err := p.open(s)
		if err != nil {
			p.add(i.line, "identity %s: %s %s %s", i.it.Name, s.kind, s.Secret, err.Error())
			continue
		}
		*into[s.kind] = nexterm.Secret(content)
		fields = append(fields, field{s.kind, "(secret)", s.String()})
	}
	return fields
}

// open reads a secret once, since a plan is made twice where somebody is asked in between.
func (p *planner) open(s named) (string, error) {
	if s.kept == nil {
		content, err := s.Secret.open(p.Folder, p.Stdin, s.kind == "sshKey")
		s.kept = func() (string, error) { return content, err }
	}
	return s.kept()
}
