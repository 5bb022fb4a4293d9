// Package telemetry owns the traces that leave the process: of requests, the
// statements they send, the jobs of the queue and the probes of hosts, exported with
// OTLP over HTTP. The standard OTEL_* variables of OpenTelemetry say where to and how
// many; without an endpoint nothing is traced. What travels names operations,
// statements, accounts and entries, never a parameter, a body or a query string.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// flushTime is how long the last spans may take to be exported.
const flushTime = 5 * time.Second

// Enabled reports whether the environment asks for traces.
func Enabled() bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// Start begins to export traces, if the environment asks for them, until the
// returned function is called.
func Start(ctx context.Context, version string, log *slog.Logger) (stop func(), err error) {
	if !Enabled() {
		return func() {}, nil
	}
	if protocol := os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: %q is not spoken here, only http/protobuf", protocol)
	}
	// What the environment says about the resource wins.
	about, err := resource.Merge(resource.NewSchemaless(
		attribute.String("service.name", "nexterm"), attribute.String("service.version", version),
	), resource.Environment())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(about))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("traces are not exported", slog.Any("error", err))
	}))
	return func() {
		flushing, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
		defer cancel()
		if err := provider.Shutdown(flushing); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			log.Warn("the last traces are not exported", slog.Any("error", err))
		}
	}, nil
}

var statementName = regexp.MustCompile(`^-- name: (\w+)`)

// QueryTracer traces statements by their names in db/queries; nil where the
// environment does not ask for traces.
func QueryTracer() pgx.QueryTracer {
	if !Enabled() {
		return nil
	}
	return otelpgx.NewTracer(otelpgx.WithDisableConnectionDetailsInAttributes(), otelpgx.WithQuerySpanNamePrefix(), otelpgx.WithSpanNameFunc(func(statement string) string {
		if name := statementName.FindStringSubmatch(statement); name != nil {
			return name[1]
		}
		verb, _, _ := strings.Cut(statement, " ")
		return verb
	}))
}
