package command

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// debug serves the runtime's profiles on DEBUG_ADDR, if it is set, until the
// returned function is called. They show memory, and with it secrets: checkDebugAddr
// keeps them from other machines, and the Host header from pages in a browser here.
func (s Settings) debug(ctx context.Context, log *slog.Logger) (stop func(), err error) {
	if s.DebugAddr == "" {
		return func() {}, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.DebugAddr)
	if err != nil {
		return nil, fmt.Errorf("DEBUG_ADDR: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	profiles := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := checkDebugAddr(r.Host); err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
			mux.ServeHTTP(w, r)
		}),
	}
	go func() { _ = profiles.Serve(listener) }()
	log.Info("profiles are served", slog.String("url", fmt.Sprintf("http://%s/debug/pprof/", listener.Addr())))
	return func() { _ = profiles.Close() }, nil
}

// checkDebugAddr accepts the host and port of a loopback address.
func checkDebugAddr(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is no address with a port", addr)
	}
	if ip := net.ParseIP(host); host != "localhost" && !ip.IsLoopback() {
		return fmt.Errorf("%q is not on the loopback interface", addr)
	}
	return nil
}
