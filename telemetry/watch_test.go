package telemetry_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/telemetry"
)

// told is a service that tells a given status.
type told struct {
	status deed.Status
	err    error
	hangs  chan struct{} // not nil: it tells nothing until this is closed, whatever its context says
	asked  chan struct{}
}

func (s *told) Status(context.Context) (deed.Status, error) {
	if s.hangs != nil {
		s.asked <- struct{}{}
		<-s.hangs
	}
	return s.status, s.err
}

func watching(t *testing.T, s *told, timeout time.Duration) (*prometheus.Registry, *telemetry.Telemetry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	tele := must(telemetry.New(&telemetry.Options{Registry: registry, Timeout: timeout, Logger: quiet}))(t)
	if err := tele.Watch(s); err != nil {
		t.Fatal(err)
	}
	return registry, tele
}

// A service that hangs does not hold a scrape up: everything else is there, and no second status is asked for meanwhile.
func TestAServiceThatHangsDoesNotHoldUpAScrape(t *testing.T) {
	s := &told{hangs: make(chan struct{}), asked: make(chan struct{}, 16)}
	registry, tele := watching(t, s, time.Millisecond)
	tele.Wrote(deed.Group{Store: "log", Batches: 1, Events: 1})
	for range 5 {
		if up := valueOf(t, registry, "deed_status_up"); up != 0 {
			t.Errorf("deed_status_up is %v, want 0", up)
		}
		if got := valueOf(t, registry, "deed_events_appended_total"); got != 1 {
			t.Errorf("%v events", got)
		}
	}
	if len(s.asked) != 1 {
		t.Errorf("the service was asked %d times while it hung, want once", len(s.asked))
	}
	close(s.hangs)
	deadline := time.Now().Add(patience)
	for valueOf(t, registry, "deed_status_up") != 1 {
		if time.Now().After(deadline) {
			t.Fatal("the service is not asked again once it tells")
		}
	}
}

func TestAStatusThatFails(t *testing.T) {
	registry, _ := watching(t, &told{err: errors.New("closed")}, patience)
	if up := valueOf(t, registry, "deed_status_up"); up != 0 || family(t, registry, "deed_log_head") != nil {
		t.Errorf("deed_status_up is %v", up)
	}
}

func TestWhatWaitsAndWhatFails(t *testing.T) {
	due := deedtest.Start.Add(1500 * time.Millisecond)
	registry, tele := watching(t, &told{status: deed.Status{
		Head: 9,
		Parts: []deed.PartStatus{
			{Name: "lines", Kind: "projection", State: deed.StateRetrying, Lag: 4, Behind: 3 * time.Second, Attempts: 7, Parked: 3},
			{Name: "closing", Kind: "process", State: deed.StateStopped},
			{Name: "giving", Kind: "reactor", State: deed.StateLive, Ready: true},
			{Name: "rows", Kind: "projection", Version: 1, State: deed.StatePaused, Read: true},
			{Name: "rows", Kind: "projection", Version: 2, State: deed.StateElsewhere, Lag: 8, Ready: true},
		},
		Effects: deed.EffectStatus{Busy: 2, NextDue: due, Held: []deed.HeldEffect{{Part: "closing"}, {Part: "closing"}}},
	}}, patience)
	for _, c := range []struct {
		name, labels string
		want         float64
	}{
		{"deed_part_state", "part lines state retrying", 1},
		{"deed_part_state", "part lines state live", 0},
		{"deed_part_state", "part closing state stopped", 1},
		{"deed_part_ready", "part lines", 0},
		{"deed_part_ready", "part giving", 1},
		{"deed_part_lag_positions", "part lines", 4},
		{"deed_part_behind_seconds", "part lines", 3},
		{"deed_part_failed_attempts", "part lines", 7},
		{"deed_parked_keys", "part lines", 3},
		{"deed_part_state", "part rows version 1 state paused", 1},
		{"deed_part_state", "part rows version 2 state elsewhere", 1},
		{"deed_part_lag_positions", "part rows version 1", 0},
		{"deed_part_lag_positions", "part rows version 2", 8},
		{"deed_part_ready", "part rows version 2", 1},
		{"deed_part_read", "part rows version 1", 1},
		{"deed_part_read", "part rows version 2", 0},
		{"deed_effects_held", "part closing", 2},
		{"deed_effects_held", "part giving", 0},
		{"deed_effects_busy", "", 2},
		{"deed_effects_next_due_timestamp_seconds", "", float64(due.Unix()) + .5},
	} {
		if got := valueOf(t, registry, c.name, strings.Fields(c.labels)...); got != c.want {
			t.Errorf("%s of %s is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	if n := len(family(t, registry, "deed_effects_held")); n != 2 {
		t.Errorf("%d parts can have effects, want 2", n)
	}
	if err := tele.Watch(&told{}); err == nil {
		t.Error("a second service was taken")
	}
}

// A timer that is there is seen, and one that is not is not.
func TestTimersAreSeen(t *testing.T) {
	waiting := closing
	waiting.React = func(_ bool, r deed.Recorded[cart.Event]) []deed.Effect {
		return []deed.Effect{cart.Decider.Send(r.Stream.ID(), cart.CheckOut{}).In(time.Hour).Named("close")}
	}
	b := newBed(t, cart.Decider, waiting).run()
	if family(t, b.registry, "deed_effects_next_due_timestamp_seconds") != nil {
		t.Error("something is due in an empty log")
	}
	b.send("1", "open", `{"owner":"ann"}`)
	b.settle()
	if got, want := b.value("deed_effects_next_due_timestamp_seconds"), float64(deedtest.Start.Add(time.Hour).Unix()); got != want {
		t.Errorf("due at %v, want %v", got, want)
	}
}

func TestMetricsAnswersInTextFormat(t *testing.T) {
	tele := must(telemetry.New(nil))(t)
	w := httptest.NewRecorder()
	tele.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{"deed_events_appended_total 0", "go_goroutines "} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "text/plain;") {
		t.Errorf("the type is %q", got)
	}
}
