package telemetry_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/telemetry"
)

const (
	clientTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientSpan  = "00f067aa0ba902b7"
	client      = "00-" + clientTrace + "-" + clientSpan + "-01"
)

// One request, and everything that comes of it, is one trace whose spans hang together.
func TestOneTraceFromTheRequestToTheLastEffect(t *testing.T) {
	b := newBed(t, cart.Decider, lines, closing, giving).run()
	if status := b.send("42", "open", `{"owner":"ann"}`, "traceparent", client); status != 200 {
		t.Fatalf("open: %d", status)
	}
	b.settle()

	// From what a person did, to the gift that a reactor wants, to the checkout that a process wants.
	spans := spanTree{t, b.spans.GetSpans()}
	request := spans.one("POST /api/commands/{category}/{id}/{command}", clientSpan)
	open := spans.child(request, "command open")
	spans.child(open, "append")
	spans.child(open, "reaction giving")
	gift := spans.child(open, "effect giving")
	add := spans.child(gift, "command add-item")
	spans.child(add, "append")
	wish := spans.child(add, "effect closing")
	checkout := spans.child(wish, "command check-out")
	spans.child(checkout, "append")

	if request.SpanKind != trace.SpanKindServer {
		t.Errorf("the request is of the kind %s", request.SpanKind)
	}
	for _, s := range spans.all {
		if id := s.SpanContext.TraceID().String(); id != clientTrace {
			t.Errorf("%s is of the trace %s, want the client's", s.Name, id)
		}
		if s.EndTime.Before(s.StartTime) {
			t.Errorf("%s has not ended", s.Name)
		}
	}
	spans.folded("lines", open, add, checkout)
	spans.folded("closing", open, add, checkout)

	// The log says under which span each event was stored.
	want := map[string]tracetest.SpanStub{"cart-opened": open, "cart-item-added": add, "cart-checked-out": checkout}
	for r, err := range b.Log().Read(t.Context(), deed.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Meta().Trace; got != traceparentOf(want[r.Type]) {
			t.Errorf("%s was stored with %s, want %s", r.Type, got, traceparentOf(want[r.Type]))
		}
	}
}

// A step over records of many traces is a trace of its own that names them, but not more than 32.
func TestAStepOverManyTracesLinksThem(t *testing.T) {
	b := newBed(t, cart.Decider, lines) // does not run yet: the carts come in one step
	for i := range 40 {
		b.send(fmt.Sprint(i), "open", `{"owner":"ann"}`)
	}
	b.spans.Reset()
	b.run().settle()

	var records int64
	traces := map[trace.TraceID]bool{}
	for _, s := range b.spans.GetSpans() {
		if s.Name != "step lines" {
			continue
		}
		n := attributeOf(s, "deed.records").AsInt64()
		records += n
		if n > 1 && s.Parent.IsValid() {
			t.Errorf("a step over %d records of as many traces is a child of one of them", n)
		}
		if want := min(n, 32); n > 1 && int64(len(s.Links)) != want {
			t.Errorf("a step over %d records of as many traces links %d, want %d", n, len(s.Links), want)
		}
		for _, l := range s.Links {
			if l.SpanContext.TraceID() == s.SpanContext.TraceID() {
				t.Error("a step links its own trace")
			}
			traces[l.SpanContext.TraceID()] = true
		}
	}
	if records != 40 || len(traces) < 32 {
		t.Errorf("steps over %d records link %d traces, want 40 records and at least 32", records, len(traces))
	}
}

// What nobody traced begins a trace of its own, also where the service was started within a span.
func TestStepsAndReactionsAreNotOfTheTraceThatStartedTheService(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	tele := must(telemetry.New(&telemetry.Options{Tracer: sdk.NewTracerProvider(sdk.WithSyncer(spans))}))(t)
	outer := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled})
	ctx := trace.ContextWithSpanContext(t.Context(), outer)
	for _, kind := range []string{deed.OpStep, deed.OpReaction, deed.OpEffect} {
		_, end := tele.Begin(ctx, deed.Operation{Kind: kind, Part: "p", Records: []deed.Record{{Position: 1}}})
		end(nil)
	}
	for _, s := range spans.GetSpans() {
		if s.Parent.IsValid() || s.SpanContext.TraceID() == outer.TraceID() {
			t.Errorf("%s is of the trace that the service was started in", s.Name)
		}
	}
	if n := len(spans.GetSpans()); n != 3 {
		t.Errorf("%d spans, want 3", n)
	}
}

// A refusal is an answer; an error makes a span one that failed.
func TestOnlyFailuresFailSpans(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	tele := must(telemetry.New(&telemetry.Options{Tracer: sdk.NewTracerProvider(sdk.WithSyncer(spans))}))(t)
	for err, want := range map[error]codes.Code{
		deed.Reject("no", "no"): codes.Unset, deed.ErrConflict: codes.Unset, context.Canceled: codes.Unset,
		deed.ErrUnknown: codes.Error, deed.ErrBusy: codes.Error, deed.ErrClosed: codes.Error,
	} {
		spans.Reset()
		_, end := tele.Begin(t.Context(), deed.Operation{Kind: deed.OpCommand, Type: "open", Stream: "cart-42"})
		end(err)
		if got := spans.GetSpans()[0].Status.Code; got != want {
			t.Errorf("%v: the span is %s, want %s", err, got, want)
		}
	}
}

// Without a tracer nothing is said of traces: what a caller put into the Meta stays.
func TestWithoutATracerTheMetaIsLeftAlone(t *testing.T) {
	tele := must(telemetry.New(nil))(t)
	ctx := deed.WithMeta(t.Context(), deed.Meta{Actor: "ann", Trace: client})
	under, end := tele.Begin(ctx, deed.Operation{Kind: deed.OpCommand, Type: "open", Stream: "cart-42"})
	end(nil)
	if got := deed.MetaFrom(under); got != deed.MetaFrom(ctx) {
		t.Errorf("got %+v", got)
	}
}

// What stands in the Meta already goes on: a command that a program sends itself is of the trace that its Meta names.
func TestACommandIsOfTheTraceOfItsMeta(t *testing.T) {
	b := newBed(t, cart.Decider)
	for given, parent := range map[string]string{client: clientSpan, "nonsense": "0000000000000000", "": "0000000000000000"} {
		b.spans.Reset()
		ctx := deed.WithMeta(t.Context(), deed.Meta{Trace: given, Actor: "ann"})
		if _, err := b.Dispatch(ctx, deed.Stream("cart", deed.NewID()), "open", []byte(`{"owner":"ann"}`)); err != nil {
			t.Fatal(err)
		}
		spanTree{t, b.spans.GetSpans()}.one("command open", parent)
	}
}

// spanTree is spans that have ended.
type spanTree struct {
	t   *testing.T
	all tracetest.SpanStubs
}

// one is the span of a name below a parent, given by its id in hex; the first, where an effect was carried out again.
func (tree spanTree) one(name, parent string) tracetest.SpanStub {
	tree.t.Helper()
	var found []tracetest.SpanStub
	for _, s := range tree.all {
		if s.Name == name && s.Parent.SpanID().String() == parent {
			found = append(found, s)
		}
	}
	again := strings.HasPrefix(name, "effect ")
	if len(found) == 0 || len(found) > 1 && !again {
		tree.t.Fatalf("there are %d spans %q below %s, want 1; there are:\n%s", len(found), name, parent, tree)
	}
	return slices.MinFunc(found, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
}

func (tree spanTree) child(parent tracetest.SpanStub, name string) tracetest.SpanStub {
	tree.t.Helper()
	return tree.one(name, parent.SpanContext.SpanID().String())
}

// folded sees to it that a part's steps are below the commands whose events they fold, each of which is folded once.
func (tree spanTree) folded(part string, commands ...tracetest.SpanStub) {
	tree.t.Helper()
	var records int64
	for _, s := range tree.all {
		if s.Name != "step "+part {
			continue
		}
		records += attributeOf(s, "deed.records").AsInt64()
		if !slices.ContainsFunc(commands, func(c tracetest.SpanStub) bool { return c.SpanContext.SpanID() == s.Parent.SpanID() }) {
			tree.t.Errorf("a step of %s is below none of the commands; there are:\n%s", part, tree)
		}
	}
	if records != int64(len(commands)) {
		tree.t.Errorf("steps of %s are about %d records, want %d", part, records, len(commands))
	}
}

func (tree spanTree) String() string {
	var text strings.Builder
	for _, s := range tree.all {
		fmt.Fprintf(&text, "%s below %s: %s\n", s.SpanContext.SpanID(), s.Parent.SpanID(), s.Name)
	}
	return text.String()
}

func attributeOf(s tracetest.SpanStub, name string) attribute.Value {
	for _, a := range s.Attributes {
		if string(a.Key) == name {
			return a.Value
		}
	}
	return attribute.Value{}
}

func traceparentOf(s tracetest.SpanStub) string {
	return fmt.Sprintf("00-%s-%s-%s", s.SpanContext.TraceID(), s.SpanContext.SpanID(), s.SpanContext.TraceFlags())
}
