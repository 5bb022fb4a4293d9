package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-json"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/app"
	ours "github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/paging"
	"github.com/nexterm-go/nexterm/internal/permission"
)

// bare is the least that answers: it trusts its input and checks nothing but
// that the token exists.
type bare struct {
	pool *pgxpool.Pool
	// sealed stands for a sealed password of the measured length: AES-GCM adds
	// a prefix of 5 bytes, a nonce of 12 and a tag of 16.
	sealed []byte
	logins bareLogins
}

func serveBare(ctx context.Context) error {
	// The server's, whose time limits cost PostgreSQL a timer for each statement.
	pool, err := app.OpenPool(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer pool.Close()
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{
		Handler:           &bare{pool: pool, sealed: make([]byte, 5+12+16+len(password))},
		ReadHeaderTimeout: time.Minute,
	}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	fmt.Println("ready: http://" + listener.Addr().String())
	if err := s.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}

func (b *bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	onHost := map[string]func(http.ResponseWriter, *http.Request) error{bareTunnelPath: bareTunnel, bareFilePath: bareFile, bareTerminalPath: b.terminal, bareShellsPath: b.shells}
	if serve := onHost[r.URL.Path]; serve != nil {
		if err := serve(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
		return
	}
	var answer any
	who, err := b.caller(r)
	if err == nil {
		switch r.Method + r.URL.Path {
		case "GET/api/identity/list":
			answer, err = b.list(r.Context(), who)
		case "GET/api/account/me":
			answer, err = b.me(r.Context(), who)
		case "PUT/api/identity":
			answer, err = b.create(r, who)
		case "GET/api/entry/list":
			answer, err = b.entries(r.Context(), who)
		case "GET/api/entries/list":
			answer, err = b.entryTree(r.Context(), who)
		case "GET/api/monitoring":
			answer, err = b.targets(r.Context(), "e.monitored and e.scope = any($1) order by e.id", who.reach())
		case "POST/collect":
			answer, err = b.collect(r)
		default:
			if r.Method == http.MethodGet {
				answer, err = b.chart(r, who)
			} else {
				answer, err = b.touch(r, who)
			}
		}
	}
	var body bytes.Buffer
	if err == nil {
		err = json.NewEncoder(&body).Encode(answer)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = body.WriteTo(w)
}

// caller is a row of the credential query.
type caller struct {
	sessionID      int64
	apiKeyID       int64
	impersonatorID int64
	stale          bool
	accountID      int64
	isAdmin        bool
	permissions    []string
	organizations  []int64
	owned          []int64
	// The member's overrides, place by place.
	overrideOrganizations []int64
	overridePermissions   []string
	overrideAllows        []bool
	heldSessions          []int64
}

func (b *bare) caller(r *http.Request) (*caller, error) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	hash := sha256.Sum256([]byte(token))
	c := &caller{}
	err := b.pool.QueryRow(r.Context(), findCaller, hash[:], 0).Scan(&c.sessionID, &c.apiKeyID, &c.impersonatorID, &c.stale,
		&c.accountID, &c.isAdmin, &c.permissions, &c.organizations, &c.owned,
		&c.overrideOrganizations, &c.overridePermissions, &c.overrideAllows, &c.heldSessions)
	return c, err
}

func (b *bare) list(ctx context.Context, c *caller) (any, error) {
	rows, err := b.pool.Query(ctx, listRows, c.reach(), 0, 0, paging.Length)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []api.Identity{}
	for rows.Next() {
		i := api.Identity{Scope: api.IdentityScopePersonal}
		// pgx reads into a named string type far more slowly.
		if err := rows.Scan(&i.ID, &i.Name, &i.Username, (*string)(&i.Type), &i.AccountID, &i.OrganizationID); err != nil {
			return nil, err
		}
		if i.OrganizationID != nil {
			i.Scope = api.IdentityScopeOrganization
		}
		list = append(list, i)
	}
	return list, rows.Err()
}

func (b *bare) me(ctx context.Context, c *caller) (any, error) {
	m := api.Me{Role: api.MeRoleUser, Permissions: permission.Of(c.permissions...).Names()}
	err := b.pool.QueryRow(ctx, findMe, c.accountID).Scan(&m.ID, &m.Username, &m.FirstName, &m.LastName,
		&m.TotpEnabled, (*string)(&m.SessionSync), (*[]byte)(&m.Preferences), &m.ActiveThemeID, &m.AvatarHash)
	return m, err
}

func (b *bare) create(r *http.Request, c *caller) (any, error) {
	var body api.NewIdentity
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, err
	}
	answer := api.IdentityCreated{Message: "Identity got successfully created"}
	err := pgx.BeginFunc(r.Context(), b.pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(r.Context(), insertRow, c.accountID, body.Name, body.Username, body.Type).Scan(&answer.ID)
		if err != nil {
			return err
		}
		_, err = tx.Exec(r.Context(), setSecrets, answer.ID, []string{"password"}, int64(1), [][]byte{b.sealed})
		if err != nil {
			return err
		}
		return record(r, tx, c, event.Event{
			Action: event.IdentityCreate, ResourceID: answer.ID,
			Details: event.Details{"identityName": body.Name, "identityType": body.Type, "scope": api.IdentityScopePersonal},
		})
	})
	return answer, err
}

// reach is what the caller may read: its own things and its organizations'.
func (c *caller) reach() []int64 {
	reach := []int64{c.accountID}
	for _, id := range c.organizations {
		reach = append(reach, -id)
	}
	return reach
}

// record keeps the event of a write, as the server does.
func record(r *http.Request, tx pgx.Tx, c *caller, e event.Event) error {
	e.Owner = ours.Account(c.accountID)
	encoded, err := json.Marshal([]event.Told{e.Told()})
	if err != nil {
		return err
	}
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	agent := r.UserAgent()
	return db.New(tx).RecordEvents(r.Context(), db.RecordEventsParams{
		Actor: string(ours.BySession), AccountID: &c.accountID, SessionID: &c.sessionID, IPAddress: &ip, UserAgent: &agent, Events: encoded,
	})
}
