package ssh

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/vault"
)

// limit ends a context when its time is over, which stands still while somebody is
// asked. A deadline that the context has already holds all the same.
type limit struct {
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	timer *time.Timer
	until time.Time
	left  time.Duration
	// none where the context has a deadline.
	none bool
}

// limitedContext says what has ended it, as one with a deadline does.
type limitedContext struct{ context.Context }

func (c limitedContext) Err() error { return context.Cause(c.Context) }

func newLimit(ctx context.Context, most time.Duration) (*limit, context.Context) {
	_, limited := ctx.Deadline()
	ctx, cancel := context.WithCancelCause(ctx)
	l := &limit{cancel: cancel, left: most, none: limited}
	l.resume()
	return l, limitedContext{ctx}
}

func (l *limit) pause() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil && l.timer.Stop() {
		l.left, l.timer = time.Until(l.until), nil
	}
}

func (l *limit) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer == nil && !l.none {
		l.until = time.Now().Add(l.left)
		l.timer = time.AfterFunc(l.left, func() { l.cancel(context.DeadlineExceeded) })
	}
}

type limitKey struct{}

// Unhurried lets the host's time stand still until it is resumed, for whoever judges
// a host key and asks people: the context is the judge's.
func Unhurried(ctx context.Context) (resume func()) {
	l, timed := ctx.Value(limitKey{}).(*limit)
	if !timed {
		return func() {}
	}
	l.pause()
	return l.resume
}

func (l *limit) end() {
	l.pause()
	l.cancel(nil)
}

// methods are the ways to log in that there are secrets for, or somebody to ask.
func (a *attempt) methods(key ssh.Signer) (methods []ssh.AuthMethod) {
	switch {
	case key != nil:
		methods = append(methods, ssh.PublicKeys(key))
	case a.hop.PrivateKey != "":
		methods = append(methods, ssh.PublicKeysCallback(a.unlock))
	}
	if a.hop.Password != "" {
		methods = append(methods, ssh.PasswordCallback(a.password))
	}
	if a.hop.Password != "" || a.hop.Ask != nil {
		methods = append(methods, ssh.KeyboardInteractive(a.answer))
	}
	return methods
}

// observe hears of every attempt to log in before it is made. Where all ways have
// been tried and people may know better, it begins again.
func (a *attempt) observe(tried *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	a.conn = tried.Metadata
	a.paced.free.Store(true)
	a.begun = tried.AllowedMethods != nil
	a.passwordRefused = slices.Contains(tried.TriedMethods, "password")
	if a.askErr != nil || a.hop.Ask == nil || !a.begun {
		a.further = a.further || a.hop.Password == "" && slices.Contains(tried.AllowedMethods, "keyboard-interactive")
		return nil, a.askErr
	}
	left := func(method string) bool {
		return slices.Contains(tried.AllowedMethods, method) && !slices.Contains(tried.TriedMethods, method)
	}
	switch {
	case a.hop.PrivateKey != "" && left("publickey"), a.hop.Password != "" && left("password"), left("keyboard-interactive"):
		return nil, nil // whichever is the first of them
	case slices.Contains(tried.AllowedMethods, "keyboard-interactive"):
		if a.dialogues++; a.dialogues < maxTries {
			return ssh.KeyboardInteractive(a.answer), nil
		}
	case slices.Contains(tried.AllowedMethods, "password") && a.passwords < maxTries:
		return ssh.PasswordCallback(a.password), nil
	}
	return nil, nil
}

// password is the stored one, once, and then what people say.
func (a *attempt) password() (string, error) {
	a.passwords++
	if !a.passwordSent && a.hop.Password != "" {
		a.passwordSent = true
		return string(a.hop.Password), nil
	}
	return a.ask(a.hop.Username + "@" + a.hop.Host + "'s password: ")
}

// unlock asks for the passphrase of a key that is locked.
func (a *attempt) unlock() ([]ssh.Signer, error) {
	for range maxTries {
		passphrase, err := a.ask("Passphrase of the private key: ")
		if err != nil {
			return nil, err
		}
		// What people say is not kept, unlike what is stored.
		a.limit.pause()
		key, err := unlock(a.ctx, a.hop.Owner, a.hop.PrivateKey, vault.Secret(passphrase))
		a.limit.resume()
		if err == nil {
			key, err = a.dialer.usable(a.ctx, a.hop.Owner, key)
			return []ssh.Signer{key}, err
		}
		if a.ctx.Err() != nil {
			return nil, err
		}
	}
	a.askErr = ErrPrivateKey
	return nil, ErrPrivateKey
}

// answer takes the first question that looks like one for a password to be one,
// unless the password is known to be wrong. People are asked the rest.
func (a *attempt) answer(name, instruction string, questions []string, echos []bool) ([]string, error) {
	a.rounds++
	switch {
	case a.rounds > maxRounds:
		return nil, errors.New("the host does not come to an end")
	case len(questions) == 0:
		return nil, nil
	case a.hop.Password != "" && !a.questioned && !a.passwordRefused && len(questions) == 1 && !echos[0]:
		a.questioned = true
		return []string{string(a.hop.Password)}, nil
	}
	a.questioned = true
	answers := make([]string, len(questions))
	heading := strings.TrimSpace(name + "\n" + instruction)
	if heading != "" {
		heading += "\n"
	}
	for i, question := range questions {
		var err error
		if answers[i], err = a.ask(heading + question); err != nil {
			return nil, err
		}
		heading = ""
	}
	return answers, nil
}

func (a *attempt) ask(question string) (string, error) {
	if a.hop.Ask == nil {
		a.further = true
		return "", errors.New("the host asks for more than is stored")
	}
	if a.asked++; a.asked > maxQuestions {
		a.askErr = ErrRefused
		return "", a.askErr
	}
	a.limit.pause()
	defer a.limit.resume()
	answer, err := a.hop.Ask(a.ctx, question)
	if err != nil {
		a.askErr = err
	}
	return string(answer), err
}
