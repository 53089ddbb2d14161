package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What the shop does stands at /metrics, and with -trace-file in a file: one trace from a request to what came of it.
func TestTheShopIsObserved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "spans.jsonl")
	c, stop := start(t, "-data", t.TempDir(), "-trace-file", file)
	id, _ := c.order(tea, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	c.await("/orders/"+id, func(a answer) bool { return a.status == 200 })
	c.log("type=order-usd-value-added&follow=true&limit=1") // what the reaction came to
	metrics := string(c.expect(c.do("GET", "/metrics", ""), 200, "").body)
	for _, want := range []string{
		`deed_commands_total{category="order",outcome="ok",type="place"} 1`,
		`deed_http_requests_total{method="POST",route="/orders",status="2xx"} 1`,
		`deed_part_ready{kind="projection",part="orders",version="1"} 1`, `deed_flush_seconds_count{store="log"}`, "go_goroutines ",
	} {
		if !strings.Contains(metrics, "\n"+want) {
			t.Errorf("%s is not among the metrics", want)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	names := spansIn(t, file, "4bf92f3577b34da6a3ce929d0e0e4736")
	for _, want := range []string{"POST /orders", "command place", "append", "step orders", "reaction exchange-rate"} {
		if !names[want] {
			t.Errorf("there is no span %q in the client's trace: %v", want, names)
		}
	}
}

// spansIn returns the names of the spans of a trace.
func spansIn(t *testing.T, name, trace string) map[string]bool {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	names := map[string]bool{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var span struct {
			Name        string
			SpanContext struct{ TraceID string }
		}
		if err := json.Unmarshal(lines.Bytes(), &span); err != nil {
			t.Fatalf("%v in %s", err, lines.Text())
		}
		if span.SpanContext.TraceID == trace {
			names[span.Name] = true
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

func TestATraceFileThatCannotBe(t *testing.T) {
	err := run(t.Context(), []string{"-data", t.TempDir(), "-trace-file", filepath.Join(t.TempDir(), "nowhere", "spans")}, os.Stdout)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "-trace-file") {
		t.Errorf("got %v", err)
	}
}
