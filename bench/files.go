package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pkg/sftp"
)

const (
	filesGoal       = 0.8
	filesMemoryGoal = 32 // MiB
	// filesBytes are transferred either way in a round.
	filesBytes   = 1 << 30
	bareFilePath = "/file"
)

// files are transferred over one connection of the server's.
type files struct {
	*reached
	ways []way
	idle [2]int64 // resident memory before it all, the server's and the bare handler's
}

// way is a direction of transfers.
type way struct{ name, method, ours, bare string }

// measureFiles downloads and uploads a file of a real OpenSSH server, by the server and by
// a handler that is nothing but net/http and the SFTP library.
func measureFiles(ctx context.Context, p plan, binary, dir string) error {
	// The collector runs often, so that what it has not collected yet does not count.
	err := transferring(ctx, binary, dir, 1, func(f *files, way way, moved moved) {
		fmt.Printf("%-5s  %s of a file: %s (at most %d MiB), with a busy collector\n",
			verdict(moved.grown[0] <= filesMemoryGoal), way.name, f.memory(moved), filesMemoryGoal)
	}, "GOGC=10")
	if err != nil {
		return err
	}
	return transferring(ctx, binary, dir, p.rounds, func(f *files, way way, moved moved) {
		printRates(way.name+" of a file", moved.rates[0], moved.rates[1], filesGoal)
		fmt.Printf("       %s of a file: %s\n", way.name, f.memory(moved))
	})
}

// moved is what transfers one way have taken, the server's and the bare handler's.
type moved struct {
	rates [2][]float64 // MB/s
	grown [2]int64     // MiB of resident memory, above the idle ones
}

// transferring moves the file in rounds, and has told what each way has taken.
func transferring(ctx context.Context, binary, dir string, rounds int, tell func(*files, way, moved), env ...string) error {
	f, err := startFiles(ctx, binary, dir, env...)
	if err != nil {
		return err
	}
	for _, way := range f.ways {
		moved, err := f.move(ctx, way, rounds)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", way.name, err), f.close())
		}
		tell(f, way, moved)
	}
	return f.close()
}

func startFiles(ctx context.Context, binary, dir string, env ...string) (f *files, err error) {
	h, err := reachHost(ctx, binary, dir, hosting{settings: []string{"Subsystem sftp internal-sftp"}, env: env})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	id, err := h.connect(ctx, watcher, "sftp")
	if err != nil {
		return nil, err
	}
	down, up := filepath.Join(dir, "down"), filepath.Join(dir, "up")
	if err := errors.Join(os.WriteFile(down, nil, 0o600), os.Truncate(down, filesBytes)); err != nil {
		return nil, err
	}
	ours := func(path, file string) string {
		return "http://" + h.server.address + path + "?" + url.Values{"sessionToken": {h.tokens[watcher]}, "sessionId": {id}, "path": {file}}.Encode()
	}
	f = &files{reached: h, ways: []way{
		{"download", http.MethodGet, ours("/api/entry/sftp", down), h.bareAddress("http", bareFilePath, "path", down)},
		{"upload", http.MethodPost, ours("/api/entry/sftp/upload", up), h.bareAddress("http", bareFilePath, "path", up)},
	}}
	// The first transfer opens what the others share.
	for _, address := range []string{ours("/api/entry/sftp", h.keyFile), h.bareAddress("http", bareFilePath, "path", h.keyFile)} {
		if _, err := transfer(ctx, http.MethodGet, address, -1); err != nil {
			return nil, err
		}
	}
	time.Sleep(settle)
	for i, process := range f.both() {
		if f.idle[i], err = process.residentMemory(); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *files) both() []*process { return []*process{f.server, f.bare} }

func (f *files) memory(m moved) string {
	return fmt.Sprintf("%d MiB of resident memory above the idle server's %d MiB, the bare one's grows by %d MiB", m.grown[0], f.idle[0]>>20, m.grown[1])
}

// move transfers the file one way, in rounds.
func (f *files) move(ctx context.Context, way way, rounds int) (m moved, err error) {
	if err := errors.Join(f.server.resetPeakMemory(), f.bare.resetPeakMemory()); err != nil {
		return m, err
	}
	for round := range rounds {
		turns := []int{0, 1}
		if round%2 == 1 {
			slices.Reverse(turns)
		}
		for _, i := range turns {
			took, err := transfer(ctx, way.method, []string{way.ours, way.bare}[i], filesBytes)
			if err != nil {
				return m, err
			}
			m.rates[i] = append(m.rates[i], filesBytes/took.Seconds()/1e6)
		}
	}
	for i, process := range f.both() {
		peak, err := process.peakMemory()
		if err != nil {
			return m, err
		}
		m.grown[i] = (peak - f.idle[i]) >> 20
	}
	return m, nil
}

// printRates compares what server and bare one have carried round by round, in MB/s.
func printRates(what string, server, bare []float64, goal float64) {
	same := func(v float64) float64 { return v }
	shares := make([]float64, len(server))
	for i := range shares {
		shares[i] = server[i] / bare[i]
	}
	share := median(shares, same)
	fmt.Printf("%-5s  %s: %.0f MB/s, %.2f of the bare one's %.0f MB/s (at least %.2f); round by round %.2f\n",
		verdict(share >= goal), what, median(server, same), share, median(bare, same), goal, shares)
}

// zeros are an upload.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// transfer takes the time of a download or an upload of so many bytes, any number of
// them if that is negative.
func transfer(ctx context.Context, method, address string, size int64) (time.Duration, error) {
	var body io.Reader
	if method == http.MethodPost {
		body = io.LimitReader(zeros{}, size)
	}
	began := time.Now()
	request, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	switch {
	case err != nil:
		return 0, err
	case response.StatusCode != http.StatusOK:
		return 0, errors.New(response.Status)
	case method == http.MethodGet && size >= 0 && n != size:
		return 0, fmt.Errorf("%d bytes have come, not %d", n, size)
	}
	return time.Since(began), nil
}

// bareFile downloads or uploads and does nothing else.
func bareFile(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	client, err := dialBare(query)
	if err != nil {
		return err
	}
	defer client.Close()
	files, err := sftp.NewClient(client, sftp.UseConcurrentWrites(true))
	if err != nil {
		return err
	}
	defer func() { _ = files.Close() }()
	if r.Method == http.MethodGet {
		file, err := files.Open(query.Get("path"))
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		_, err = file.WriteTo(w)
		return err
	}
	file, err := files.Create(query.Get("path"))
	if err != nil {
		return err
	}
	_, err = file.ReadFromWithConcurrency(r.Body, 0)
	return errors.Join(err, file.Close())
}
