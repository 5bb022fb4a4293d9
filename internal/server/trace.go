package server

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

var tracer = otel.Tracer("github.com/nexterm-go/nexterm")

// startSpan begins the span of a request. It continues the trace of a trusted
// proxy only: whoever sends a traceparent chooses whether the trace is kept.
func (s *server) startSpan(ctx context.Context, r *http.Request) (context.Context, trace.Span) {
	if s.trust.trusts(0, peer(r)) {
		ctx = otel.GetTextMapPropagator().Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	return tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
}

func endSpan(span trace.Span, r *routed, method string, status int, ip string) {
	if span.IsRecording() {
		if r.operation != "" {
			span.SetName(r.operation)
		}
		span.SetAttributes(
			semconv.HTTPRequestMethodKey.String(method),
			semconv.HTTPResponseStatusCode(status),
			semconv.ClientAddress(ip),
			attribute.Int64("nexterm.account", r.account),
		)
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
	}
	span.End()
}
