package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/coder/websocket"
)

// shell is an open terminal of the server or, without an end, of the bare one.
type shell struct {
	conn *websocket.Conn
	end  func(context.Context) error
	// frames are read whether or not anybody waits for them, so that pings are answered.
	frames chan []byte
	err    error
}

// open opens a terminal of an account, and waits for its first output.
func (t *terminals) open(ctx context.Context, account string) (*shell, error) {
	id, err := t.connect(ctx, account, "")
	if err != nil {
		return nil, err
	}
	s, err := dialShell(ctx, "ws://"+t.server.address+"/api/ws/term?"+url.Values{"sessionToken": {t.tokens[account]}, "sessionId": {id}}.Encode())
	if err != nil {
		return nil, err
	}
	s.end = func(ctx context.Context) error {
		return t.call(ctx, account, http.MethodDelete, "/api/connections/"+id, nil, &struct{}{})
	}
	return s, nil
}

// openBare does the same on the bare server, on a login that is shared by its name.
func (t *terminals) openBare(ctx context.Context, login string) (*shell, error) {
	return dialShell(ctx, t.bareAddress("ws", bareTerminalPath, "login", login))
}

func dialShell(ctx context.Context, address string) (*shell, error) {
	conn, _, err := websocket.Dial(ctx, address, nil) //nolint:bodyclose // it has none after an upgrade
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(-1)
	s := &shell{conn: conn, frames: make(chan []byte, 8)}
	go s.read() //nolint:gosec // G118: until the socket is closed, whoever has opened it
	_, err = s.until([]byte(prompt()))
	return s, err
}

func (s *shell) read() {
	defer close(s.frames)
	for {
		_, frame, err := s.conn.Read(context.Background())
		if err != nil {
			s.err = err
			return
		}
		s.frames <- frame
	}
}

// prompt is that of the shell.
func prompt() string {
	if os.Getuid() == 0 {
		return "# "
	}
	return "$ "
}

func (s *shell) close(ctx context.Context) (err error) {
	if s.end != nil {
		err = s.end(ctx)
	}
	_ = s.conn.CloseNow() // the server may be faster
	return err
}

// say types a line and waits for what is printed then.
func (s *shell) say(ctx context.Context, line, printed string) (read int64, err error) {
	if err := s.conn.Write(ctx, websocket.MessageText, []byte(line+"\r")); err != nil {
		return 0, err
	}
	return s.until([]byte(printed))
}

// until reads to the end of the frame with a short text in it.
func (s *shell) until(text []byte) (read int64, err error) {
	const most = 128
	var tail []byte
	for !bytes.Contains(tail, text) {
		frame, ok := <-s.frames
		if !ok {
			return read, s.err
		}
		read += int64(len(frame))
		tail = append(tail, frame[max(0, len(frame)-most):]...)
		tail = tail[max(0, len(tail)-2*most):]
	}
	return read, nil
}

// key types a key and takes the time to its echo.
func (s *shell) key(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	if err := s.conn.Write(ctx, websocket.MessageText, []byte("x")); err != nil {
		return 0, err
	}
	_, err := s.until([]byte("x"))
	return time.Since(began), err
}

// openAll opens one after the other.
func openAll(count int, open func() (*shell, error)) (all []*shell, err error) {
	for range count {
		s, err := open()
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// keys types in terminals of both by turns.
func (t *terminals) keys(ctx context.Context, p plan) error {
	var both [2][]*shell
	for _, account := range t.accounts[:keyTerminals/accountsTerminals] {
		for i, open := range []func() (*shell, error){
			func() (*shell, error) { return t.open(ctx, account) },
			func() (*shell, error) { return t.openBare(ctx, "keys "+account) },
		} {
			all, err := openAll(accountsTerminals, open)
			if err != nil {
				return err
			}
			for _, s := range all {
				if _, err := s.say(ctx, `echo rea""dy; exec cat > /dev/null`, "ready\r\n"); err != nil {
					return err
				}
			}
			both[i] = append(both[i], all...)
		}
	}
	var took [2][]time.Duration
	for range p.rounds * keysInRound {
		for n := range keyTerminals {
			for i := range both {
				echo, err := both[i][n].key(ctx)
				if err != nil {
					return err
				}
				took[i] = append(took[i], echo)
			}
		}
	}
	for i := range took {
		slices.Sort(took[i])
	}
	ms := func(i, percent int) float64 { return took[i][(len(took[i])-1)*percent/100].Seconds() * 1e3 }
	above := ms(0, 99) - ms(1, 99)
	fmt.Printf("%-5s  echo of %d keys at %d terminals: p99 %.2f ms, %.2f ms above the bare relay's %.2f ms (at most %.0f ms); p50 %.2f and %.2f ms\n",
		verdict(above <= keyGoal.Seconds()*1e3), len(took[0]), keyTerminals, ms(0, 99), above, ms(1, 99), keyGoal.Seconds()*1e3, ms(0, 50), ms(1, 50))
	return nil
}

// second opens terminals where there is a login already, up to their prompts.
func (t *terminals) second(ctx context.Context, p plan) error {
	openers := []func() (*shell, error){
		func() (*shell, error) { return t.open(ctx, watcher) },
		func() (*shell, error) { return t.openBare(ctx, "second") },
	}
	var took [2][]time.Duration
	for n := range p.rounds*secondTerminals + 1 {
		for i, open := range openers {
			began := time.Now()
			s, err := open()
			if err != nil {
				return err
			}
			if n > 0 { // the first one may have had to log in
				took[i] = append(took[i], time.Since(began))
			}
			if err := s.close(ctx); err != nil {
				return err
			}
		}
	}
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	server := median(took[0], ms)
	fmt.Printf("%-5s  opening a second terminal, up to its prompt: %.1f ms (at most %.0f ms); the bare relay's %.1f ms\n",
		verdict(server <= ms(secondGoal)), server, ms(secondGoal), median(took[1], ms))
	return nil
}

// output prints the text in terminals of both, and of the server with a recording, by turns.
func (t *terminals) output(ctx context.Context, p plan) error {
	recording := func(on bool) error {
		_, err := t.pool.Exec(ctx, `update organizations set audit_settings = jsonb_set(audit_settings, '{enableSessionRecording}', to_jsonb($1::boolean)) where id = $2`,
			on, t.organization)
		return err
	}
	var rates [3][]float64 // the server's, the bare relay's and the recorded one's, in MB/s
	for turn := range p.rounds * outputTurns {
		order := []int{0, 1, 2}
		if turn%2 == 1 {
			slices.Reverse(order)
		}
		for _, i := range order {
			if err := recording(i == 2); err != nil {
				return err
			}
			open := func() (*shell, error) { return t.open(ctx, watcher) }
			if i == 1 {
				open = func() (*shell, error) { return t.openBare(ctx, "output") }
			}
			rate, err := t.print(ctx, open)
			if err != nil {
				return fmt.Errorf("output: %w", err)
			}
			rates[i] = append(rates[i], rate)
		}
	}
	var recorded int
	var shortest int64
	err := t.pool.QueryRow(ctx, `select count(*), coalesce(min(bytes), 0) from recordings`).Scan(&recorded, &shortest)
	if want := p.rounds * outputTurns; err == nil && (recorded != want || shortest < terminalBytes) {
		err = fmt.Errorf("%d recordings of at least %d bytes, not %d of %d", recorded, shortest, want, terminalBytes)
	}
	printRates("output of a terminal", rates[0], rates[1], terminalGoal)
	printRates("output of a terminal that is recorded, beside one that is not", rates[2], rates[0], recordingGoal)
	return err
}

func (t *terminals) print(ctx context.Context, open func() (*shell, error)) (rate float64, err error) {
	s, err := open()
	if err != nil {
		return 0, err
	}
	if _, err := s.say(ctx, "stty -opost -echo; echo go", "go\n"); err != nil {
		return 0, err
	}
	began := time.Now()
	read, err := s.say(ctx, "cat "+t.text+`; echo the e""nd`, "the end\n")
	took := time.Since(began)
	if err == nil && read < terminalBytes {
		err = fmt.Errorf("%d bytes have come, not %d", read, terminalBytes)
	}
	if err != nil {
		return 0, err
	}
	return float64(read) / took.Seconds() / 1e6, s.close(ctx)
}
