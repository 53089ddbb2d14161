package telemetry

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/deed-es/deed"
)

// maxLinks is how many other traces a step names at most.
const maxLinks = 32

// start begins the span of an operation, and puts it into the Meta of what goes on under it; nil where nothing is traced.
func (t *Telemetry) start(ctx context.Context, o deed.Operation) (context.Context, trace.Span) {
	if t.tracer == nil {
		return ctx, nil
	}
	options := []trace.SpanStartOption{trace.WithAttributes(attributes(o)...)}
	switch o.Kind {
	case deed.OpStep:
		parent, others := origins(o.Records)
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
		for _, other := range others {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: other}))
		}
	case deed.OpReaction, deed.OpEffect: // not part of whatever the service was started in
		ctx = trace.ContextWithRemoteSpanContext(ctx, parse(deed.MetaFrom(ctx).Trace))
	case deed.OpCommand:
		if !trace.SpanContextFromContext(ctx).IsValid() {
			ctx = trace.ContextWithRemoteSpanContext(ctx, parse(deed.MetaFrom(ctx).Trace))
		}
	}
	ctx, span := t.tracer.Start(ctx, spanName(o), options...)
	if o.Kind != deed.OpStep && o.Kind != deed.OpAppend {
		meta := deed.MetaFrom(ctx)
		meta.Trace = format(span.SpanContext())
		ctx = deed.WithMeta(ctx, meta)
	}
	return ctx, span
}

// finish ends a span. An answer like a refusal is no failure of the span.
func finish(span trace.Span, result string, err error) {
	if span == nil {
		return
	}
	span.SetAttributes(attribute.String("deed.outcome", result))
	if failed(result) {
		span.RecordError(err)
		span.SetStatus(codes.Error, result)
	}
	span.End()
}

// origins returns the span that records came of, if they are of one trace; with several traces no span, but one of each,
// those that are kept in the first place.
func origins(records []deed.Record) (parent trace.SpanContext, others []trace.SpanContext) {
	traces := 0
	for _, r := range records {
		origin := parse(r.Meta().Trace)
		if !origin.IsValid() || parent.TraceID() == origin.TraceID() {
			continue
		}
		if traces++; traces == 1 {
			parent = origin
		}
		known := func(other trace.SpanContext) bool { return other.TraceID() == origin.TraceID() }
		if origin.IsSampled() && !slices.ContainsFunc(others, known) {
			others = append(others, origin)
		}
		if len(others) == maxLinks {
			break
		}
	}
	if traces > 1 {
		return trace.SpanContext{}, others
	}
	return parent, nil
}

func spanName(o deed.Operation) string {
	switch o.Kind {
	case deed.OpCommand:
		return o.Kind + " " + o.Type
	case deed.OpAppend:
		return o.Kind
	}
	return o.Kind + " " + o.Part
}

func attributes(o deed.Operation) []attribute.KeyValue {
	var all []attribute.KeyValue
	text := func(name, value string) {
		if value != "" {
			all = append(all, attribute.String(name, value))
		}
	}
	text("deed.part", o.Part)
	text("deed.stream", string(o.Stream))
	switch o.Kind {
	case deed.OpCommand, deed.OpEffect:
		text("deed.command", o.Type)
	case deed.OpReaction:
		text("deed.event", o.Type)
	case deed.OpStep:
		text("deed.kind", o.Type)
	case deed.OpAppend:
		all = append(all, attribute.Int("deed.events", o.Events))
	}
	if n := len(o.Records); n > 0 {
		all = append(all,
			attribute.Int("deed.records", n),
			attribute.Int64("deed.position", int64(o.Records[0].Position)),
			attribute.Int64("deed.last_position", int64(o.Records[n-1].Position)),
		)
	}
	return all
}

// traceparent carries the W3C header of that name to and from OpenTelemetry, and no other.
type traceparent string

const traceparentHeader = "traceparent"

func (p *traceparent) Get(key string) string {
	if key == traceparentHeader {
		return string(*p)
	}
	return ""
}

func (p *traceparent) Set(key, value string) {
	if key == traceparentHeader {
		*p = traceparent(value)
	}
}

func (p *traceparent) Keys() []string { return []string{traceparentHeader} }

// parse reads a traceparent; what is none is no span.
func parse(text string) trace.SpanContext {
	if text == "" {
		return trace.SpanContext{}
	}
	carrier := traceparent(text)
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), &carrier))
}

// format writes a span as a traceparent.
func format(span trace.SpanContext) string {
	var carrier traceparent
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), span), &carrier)
	return string(carrier)
}
