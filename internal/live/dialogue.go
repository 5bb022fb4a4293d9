package live

import (
	"context"
	"slices"
	"time"

	"github.com/nexterm-go/nexterm/internal/screen"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// questionTime is how long people have to answer a question.
const questionTime = 2 * time.Minute

// dialogue is what people are asked in a terminal: one question at a time, in one
// socket of the owner's.
type dialogue struct {
	prompt   screen.Prompt
	question *question
	// answerer is the viewer that was asked last.
	answerer *viewer
}

// question waits for an answer.
type question struct {
	text   string
	asked  *viewer
	answer chan reply
}

type reply struct {
	text vault.Secret
	err  error
}

// ask has people answer a question, in a terminal that may be attached later.
func (l *live) ask(ctx context.Context, text string) (vault.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, questionTime)
	defer cancel()
	q := &question{text: text, answer: make(chan reply, 1)}
	if !l.post(func() {
		l.question = q
		l.askViewer()
	}) {
		return "", cancelled
	}
	select {
	case r := <-q.answer:
		return r.text, r.err
	case <-ctx.Done():
		l.post(func() { l.closeQuestion() })
		if l.ctx.Err() != nil {
			return "", cancelled
		}
		return "", timedOut
	}
}

func (l *live) closeQuestion() {
	l.question = nil
	l.prompt.Close()
}

// askViewer puts the open question to a socket, if it is not put yet and there is one:
// the one that has typed last, or else the first.
func (l *live) askViewer() {
	q := l.question
	if q == nil || q.asked != nil {
		return
	}
	isOwner := func(v *viewer) bool { return v.kind == kindOwner }
	switch i := slices.IndexFunc(l.viewers, isOwner); {
	case l.active != nil && isOwner(l.active) && l.active.typed:
		q.asked = l.active
	case i >= 0:
		q.asked = l.viewers[i]
	default:
		return
	}
	l.answerer = q.asked
	l.prompt.Ask()
	q.asked.push(screen.Question(q.text))
}

// answered takes a frame that belongs to the dialogue, and reports whether it does.
func (l *live) answered(v *viewer, frame []byte) bool {
	v.typed = true
	if l.question == nil {
		return v == l.answerer && l.prompt.Swallow(frame, time.Now())
	}
	if v != l.question.asked {
		return true
	}
	text, outcome, wait := l.prompt.Take(frame, time.Now())
	switch outcome {
	case screen.Answered:
		l.reply(reply{text: vault.Secret(text)})
	case screen.Cancelled:
		l.reply(reply{err: cancelled})
	case screen.Cancelling:
		q := l.question
		time.AfterFunc(wait, func() {
			l.post(func() {
				if l.question == q && l.prompt.Settle(time.Now()) {
					l.reply(reply{err: cancelled})
				}
			})
		})
	case screen.Waiting:
	}
	return true
}

func (l *live) reply(r reply) {
	l.question.answer <- r
	l.closeQuestion()
}

// note prints a line of the server's own, dimmed.
func (l *live) note(text string) {
	l.post(func() { l.show([]byte("\x1b[2m[" + text + "]\x1b[0m\r\n")) })
}
