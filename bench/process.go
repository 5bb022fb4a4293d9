package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// The collector's settings are those of the server, so that the bare one has
	// the same.
	collector   = "GOGC=400"
	memoryLimit = "GOMEMLIMIT=128MiB"
	stopWithin  = 20 * time.Second
	// ticks is the unit of the processor times in /proc, which Linux fixes.
	ticks = 100
)

// process is a server under measurement.
type process struct {
	address string // host:port
	cmd     *exec.Cmd
	cancel  context.CancelFunc
	done    chan struct{}
}

// start runs a program with nothing of our environment but what it cannot do
// without, and waits for the line that says where it serves.
func start(ctx context.Context, stderr io.Writer, program, argument string, env ...string) (*process, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &process{cmd: exec.CommandContext(ctx, program, argument), cancel: cancel, done: make(chan struct{})}
	p.cmd.Env = append(env, "PATH="+os.Getenv("PATH"), "POSTGRES_BIN="+os.Getenv("POSTGRES_BIN"))
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopWithin
	p.cmd.Stderr = stderr
	output, err := p.cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	lines := bufio.NewScanner(output)
	for p.address == "" && lines.Scan() {
		if _, address, found := strings.Cut(lines.Text(), "ready: http://"); found {
			p.address = strings.Replace(address, "localhost", "127.0.0.1", 1)
		}
	}
	go func() {
		_, _ = io.Copy(io.Discard, output)
		_ = p.cmd.Wait() // it is ended by a signal
		close(p.done)
	}()
	if p.address == "" {
		p.stop()
		return nil, fmt.Errorf("%s %s has ended before it was ready", program, argument)
	}
	return p, nil
}

func (p *process) stop() {
	p.cancel()
	<-p.done
}

// startServer starts the server on a database. The log goes nowhere, at its
// usual level; and all requests come from one network and few accounts, whose
// limits are out of the way.
func startServer(ctx context.Context, binary, database string, env ...string) (*process, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return start(ctx, nil, binary, "serve", append(env, "SERVER_PORT=0", "LOGIN_LIMIT=1000", "QUOTA_SESSIONS=1000000", "QUOTA_SOCKETS=1000000", "CONNECTION_LIMIT=0",
		"DATABASE_URL="+database, "ENCRYPTION_KEY="+hex.EncodeToString(key))...)
}

// startBoth starts the server and the bare one on the same database, with more settings
// where there are any.
func startBoth(ctx context.Context, binary, database string, env ...string) (server, bare *process, err error) {
	server, err = startServer(ctx, binary, database, env...)
	if err != nil {
		return nil, nil, err
	}
	self, err := os.Executable()
	if err == nil {
		bare, err = start(ctx, os.Stderr, self, bareArgument, append([]string{collector, memoryLimit, "DATABASE_URL=" + database}, env...)...)
	}
	if err != nil {
		server.stop()
		return nil, nil, err
	}
	return server, bare, nil
}

// measureStarts takes the time from starting the server with its private
// database to its first ready answer: on an empty data directory and again.
func measureStarts(ctx context.Context, binary, dataDir string) (first, existing time.Duration, err error) {
	for _, took := range []*time.Duration{&first, &existing} {
		begin := time.Now()
		p, err := start(ctx, os.Stderr, binary, "serve", "SERVER_PORT=0", "LOG_LEVEL=error", "DATA_DIR="+dataDir)
		if err != nil {
			return 0, 0, err
		}
		_, err = p.get(ctx, "/readyz", "")
		*took = time.Since(begin)
		p.stop()
		if err != nil {
			return 0, 0, err
		}
	}
	return first, existing, nil
}

// get answers the body of a 200.
func (p *process) get(ctx context.Context, path, token string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s of %s answers %s: %s", path, p.cmd.Path, response.Status, body)
	}
	return body, err
}

// cpu is the processor time that the process has used so far.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "stat"))
	if err != nil {
		return 0, err
	}
	// The name of the program, in brackets, may contain spaces.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, userErr := strconv.ParseInt(fields[11], 10, 64)
	system, systemErr := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticks, errors.Join(userErr, systemErr)
}

func (p *process) residentMemory() (bytes int64, err error) { return p.memory("VmRSS:") }

// peakMemory is the largest resident memory since the last reset.
func (p *process) peakMemory() (bytes int64, err error) { return p.memory("VmHWM:") }

func (p *process) resetPeakMemory() error {
	return os.WriteFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "clear_refs"), []byte("5"), 0)
}

func (p *process) memory(field string) (bytes int64, err error) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), field)
	var kilobytes int64
	_, err = fmt.Sscan(rest, &kilobytes)
	return kilobytes << 10, err
}
