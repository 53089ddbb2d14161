package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/telemetry"
)

func TestCommandsAreCountedByTheirOutcome(t *testing.T) {
	b := newBed(t, cart.Decider)
	b.send("1", "open", `{"owner":"ann"}`)
	b.send("1", "open", `{"owner":"ann"}`)
	b.send("1", "add-item", `{"sku":"tea"}`)
	b.send("1", "add-item", `{"sku":"tea"}`, "If-Match", `"9"`)
	for _, c := range []struct {
		command, outcome string
		want             float64
	}{
		{"open", "ok", 1}, {"open", "rejected", 1}, {"add-item", "ok", 1}, {"add-item", "conflict", 1},
	} {
		if got := b.value("deed_commands_total", "category", "cart", "type", c.command, "outcome", c.outcome); got != c.want {
			t.Errorf("%s %s: %v, want %v", c.command, c.outcome, got, c.want)
		}
	}
	if got := b.value("deed_command_duration_seconds", "type", "open"); got != 2 {
		t.Errorf("%v durations of open, want 2", got)
	}
	if got := b.value("deed_events_appended_total"); got != 2 {
		t.Errorf("%v events, want 2", got)
	}
	if got := b.value("deed_log_head"); got != 2 {
		t.Errorf("the head is %v, want 2", got)
	}
	for _, name := range []string{"deed_group_batches", "deed_flush_seconds", "deed_write_seconds"} {
		if got := b.value(name, "store", "log"); got < 2 {
			t.Errorf("%s has %v values, want one for each group", name, got)
		}
	}
}

// Each word for an outcome, and what it stands for.
func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		kind string
		err  error
		want string
	}{
		{deed.OpCommand, nil, "ok"},
		{deed.OpCommand, deed.Reject("taken", "the address is in use"), "rejected"},
		{deed.OpCommand, &deed.RejectedError{Code: "invalid", Err: &deed.InvalidError{Field: "sku"}}, "rejected"},
		{deed.OpCommand, &deed.RejectedError{Code: "rejected", Err: deed.ErrConflict}, "rejected"},
		{deed.OpCommand, &deed.InvalidError{Field: "sku"}, "invalid"},
		{deed.OpCommand, &deed.MalformedError{}, "invalid"},
		{deed.OpCommand, deed.ErrReused, "invalid"},
		{deed.OpCommand, &deed.ConflictError{}, "conflict"},
		{deed.OpAppend, &deed.CheckError{}, "conflict"},
		{deed.OpAppend, deed.ErrBusy, "busy"},
		{deed.OpAppend, fmt.Errorf("%w: %w", deed.ErrUnknown, context.Canceled), "unknown"},
		{deed.OpEffect, context.Canceled, "cancelled"},
		{deed.OpCommand, context.DeadlineExceeded, "cancelled"},
		{deed.OpCommand, deed.ErrClosed, "error"},
		{deed.OpCommand, &deed.PanicError{}, "error"},
		{deed.OpStep, deed.ErrBusy, "error"},
		{deed.OpStep, &deed.InvalidError{Field: "key"}, "error"},
		{deed.OpReaction, deed.Reject("no", "no"), "error"},
		{deed.OpReaction, context.Canceled, "cancelled"},
	} {
		registry := prometheus.NewRegistry()
		tele := must(telemetry.New(&telemetry.Options{Registry: registry}))(t)
		_, end := tele.Begin(t.Context(), deed.Operation{Kind: c.kind, Part: "p", Stream: "cart-42", Type: "open"})
		if c.err != nil {
			c.err = fmt.Errorf("wrapped: %w", c.err)
		}
		end(c.err)
		names := map[string]string{
			deed.OpCommand: "deed_commands_total", deed.OpAppend: "deed_appends_total", deed.OpStep: "deed_steps_total",
			deed.OpReaction: "deed_reactions_total", deed.OpEffect: "deed_effects_total",
		}
		if got := valueOf(t, registry, names[c.kind], "outcome", c.want); got != 1 {
			t.Errorf("%s with %v is not counted as %s", c.kind, c.err, c.want)
		}
	}
}

// Nobody can make series by asking for what there is not.
func TestOutsidersMakeNoSeries(t *testing.T) {
	b := newBed(t, cart.Decider, lines) // it does not run: nothing else makes series
	ask := func(i int) {
		x := fmt.Sprint("x", i)
		b.send(x, x, `{}`)
		b.call("POST", "/api/commands/"+x+"/1/open", `{}`)
		b.call("GET", "/"+x+"/../"+x, "")
		b.call("GET", "/"+x, "")
		b.call("M"+strings.ToUpper(x), "/healthz", "")
		b.call("GET", "/healthz", "", "Host", x)
		b.call("GET", "/api/views/"+x, "")
		_, _ = b.Dispatch(t.Context(), deed.StreamID(x+"-1"), x, nil)
	}
	ask(0)
	before := series(t, b.registry)
	for i := range 20 {
		ask(i + 1)
	}
	if after := series(t, b.registry); after != before {
		t.Errorf("%d series have become %d", before, after)
	}
}

func series(t *testing.T, g prometheus.Gatherer) int {
	t.Helper()
	n := 0
	for _, f := range must(g.Gather())(t) {
		n += len(f.Metric)
	}
	return n
}

func TestPartsAreCounted(t *testing.T) {
	b := newBed(t, cart.Decider, lines, closing, giving).run()
	b.send("1", "open", `{"owner":"ann"}`)
	b.settle()
	for _, c := range []struct {
		name   string
		labels string
		want   float64
	}{
		{"deed_reactions_total", "part giving outcome ok", 1},
		{"deed_reaction_duration_seconds", "part giving", 1},
		{"deed_effects_total", "part giving outcome ok", 1},
		{"deed_effects_total", "part closing outcome ok", 1},
		{"deed_effect_duration_seconds", "part closing", 1},
		{"deed_commands_total", "type check-out outcome ok", 1},
		{"deed_events_appended_total", "", 3},
		{"deed_part_state", "part lines kind projection state live", 1},
		{"deed_part_state", "part lines kind projection state stopped", 0},
		{"deed_part_ready", "part closing kind process", 1},
		{"deed_part_lag_positions", "part giving kind reactor", 0},
		{"deed_status_up", "", 1},
		{"deed_log_head", "", 3},
	} {
		got := b.value(c.name, strings.Fields(c.labels)...)
		if again := strings.HasPrefix(c.name, "deed_effect") || strings.Contains(c.labels, "check-out"); got < c.want || got > c.want && !again {
			t.Errorf("%s of %s is %v, want %v", c.name, c.labels, got, c.want) // an effect is carried out at least once
		}
	}
	if got := b.value("deed_step_records", "part", "lines"); got == 0 || got != b.value("deed_steps_total", "part", "lines", "outcome", "ok") {
		t.Errorf("%v steps of the view", got)
	}
}

// A group that failed is counted as that, and nothing of it as stored.
func TestGroupsThatFail(t *testing.T) {
	registry := prometheus.NewRegistry()
	tele := must(telemetry.New(&telemetry.Options{Registry: registry}))(t)
	tele.Wrote(deed.Group{Store: "log", Batches: 3, Events: 5, Flush: time.Millisecond})
	tele.Wrote(deed.Group{Store: "log", Batches: 3, Err: errors.New("the disk is full")})
	for name, want := range map[string]float64{
		"deed_group_failures_total": 1, "deed_events_appended_total": 5, "deed_flush_seconds": 1, "deed_group_batches": 1, "deed_group_events": 1,
	} {
		if got := valueOf(t, registry, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// The names are as Prometheus wants them.
func TestNamesAreConventional(t *testing.T) {
	b := newBed(t, cart.Decider)
	problems := must(promlint.NewWithMetricFamilies(must(b.registry.Gather())(t)).Lint())(t)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestOptions(t *testing.T) {
	registry := prometheus.NewRegistry()
	wrapped := prometheus.WrapRegistererWith(prometheus.Labels{"shop": "north"}, registry)
	if _, err := telemetry.New(&telemetry.Options{Registry: wrapped}); err == nil || !strings.Contains(err.Error(), "Gatherer") {
		t.Errorf("got %v, want an error about Gatherer", err)
	}
	if _, err := telemetry.New(&telemetry.Options{Timeout: -1}); err == nil {
		t.Error("a negative Timeout was taken")
	}
	tele := must(telemetry.New(&telemetry.Options{Registry: wrapped, Gatherer: registry}))(t)
	other := prometheus.WrapRegistererWith(prometheus.Labels{"shop": "south"}, registry)
	if _, err := telemetry.New(&telemetry.Options{Registry: other, Gatherer: registry}); err != nil {
		t.Errorf("another service in the same registry: %v", err)
	}
	if _, err := telemetry.New(&telemetry.Options{Registry: wrapped, Gatherer: registry}); err == nil {
		t.Error("the same metrics were registered twice")
	}
	tele.Wrote(deed.Group{Store: "log", Batches: 1, Events: 1})
	if got := valueOf(t, registry, "deed_events_appended_total", "shop", "north"); got != 1 {
		t.Errorf("%v events with the registry's label", got)
	}
}
