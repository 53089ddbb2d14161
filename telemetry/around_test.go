package telemetry_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/telemetry"
)

func TestRequestsAreCountedByRoute(t *testing.T) {
	b := newBed(t, cart.Decider, lines).run()
	b.send("1", "open", `{"owner":"ann"}`)
	b.send("2", "open", `{"owner":"ann"}`)
	b.send("2", "open", `{"owner":"ann"}`)
	b.call("GET", "/api/state/cart/1", "")
	b.call("GET", "/nowhere", "")
	b.call("GET", "/api/../api", "")
	for _, c := range []struct {
		method, route, status string
		want                  float64
	}{
		{"POST", "/api/commands/{category}/{id}/{command}", "2xx", 2},
		{"POST", "/api/commands/{category}/{id}/{command}", "4xx", 1},
		{"GET", "/api/state/{category}/{id}", "2xx", 1},
		{"GET", "/", "4xx", 1},
		{"GET", "unmatched", "4xx", 1},
	} {
		if got := b.value("deed_http_requests_total", "method", c.method, "route", c.route, "status", c.status); got != c.want {
			t.Errorf("%s %s %s: %v, want %v", c.method, c.route, c.status, got, c.want)
		}
	}
	if got := b.value("deed_http_request_duration_seconds", "route", "/api/commands/{category}/{id}/{command}"); got != 3 {
		t.Errorf("%v durations of commands, want 3", got)
	}
	if got := b.value("deed_http_requests_in_flight"); got != 0 {
		t.Errorf("%v requests in flight, want 0", got)
	}
}

// A stream comes through as it is sent, is seen while it is open, and does not count as a slow request.
func TestStreamsAreNotSlowRequests(t *testing.T) {
	b := newBed(t, cart.Decider, lines).run()
	b.send("1", "open", `{"owner":"ann"}`)
	for _, c := range []struct {
		path, accept, first string
		stays               bool
	}{
		{"/api/changes?view=lines", "", "retry: 1000", true},
		{"/api/log?follow=true", "", `{"id"`, true},
		{"/api/log", "text/event-stream", "retry: 1000", true},
		{"/api/log?limit=1", "", `{"id"`, false},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		r := must(http.NewRequestWithContext(ctx, "GET", b.http.URL+c.path, http.NoBody))(t)
		r.Header.Set("Accept", c.accept)
		response := must(b.http.Client().Do(r))(t)
		line, err := bufio.NewReader(response.Body).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, c.first) {
			t.Errorf("%s: %q, %v", c.path, line, err)
		}
		if open := b.value("deed_http_streams"); c.stays && open != 1 {
			t.Errorf("%s: %v streams are open, want 1", c.path, open)
		}
		cancel()
		_ = response.Body.Close()
		for deadline := time.Now().Add(patience); b.value("deed_http_streams") != 0; {
			if time.Now().After(deadline) {
				t.Fatalf("%s: the stream is never over", c.path)
			}
		}
	}
	for _, route := range []string{"/api/changes", "/api/log"} {
		if got := b.value("deed_http_request_duration_seconds", "route", route); got != 0 {
			t.Errorf("%s: %v durations, want none", route, got)
		}
		if b.value("deed_http_requests_total", "route", route, "status", "2xx") == 0 {
			t.Errorf("%s: no request was counted", route)
		}
	}
}

// What a handler can do with its writer it can do through Around: deadlines, flushing, full duplex, and what is below it.
func TestWritersKeepTheirAbilities(t *testing.T) {
	tele := must(telemetry.New(nil))(t)
	faults := make(chan error, 8)
	server := httptest.NewServer(tele.Around(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c := http.NewResponseController(w)
		faults <- c.SetReadDeadline(time.Now().Add(patience))
		faults <- c.SetWriteDeadline(time.Now().Add(patience))
		faults <- c.EnableFullDuplex()
		faults <- c.Flush()
		if _, ok := w.(io.ReaderFrom); !ok {
			t.Error("the writer has lost ReadFrom")
		}
		if _, ok := w.(http.Flusher); !ok {
			t.Error("the writer has lost Flush")
		}
	})))
	defer server.Close()
	response := must(server.Client().Get(server.URL))(t)
	_ = response.Body.Close()
	for range 4 {
		if err := <-faults; err != nil {
			t.Error(err)
		}
	}
}

// A panic goes on to the server, and is counted as a failure.
func TestPanicsAreCounted(t *testing.T) {
	b := newBed(t, cart.Decider)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /broken/{id}", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic has not come through")
			}
		}()
		b.telemetry.Around(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/broken/1", nil))
	}()
	if got := b.value("deed_http_requests_total", "route", "/broken/{id}", "status", "5xx"); got != 1 {
		t.Errorf("%v requests failed, want 1", got)
	}
	if got := b.value("deed_http_requests_in_flight"); got != 0 {
		t.Errorf("%v requests are in flight, want 0", got)
	}
}

// The statuses on the way to an answer are not the answer.
func TestInformationalStatusesAreNotTheAnswer(t *testing.T) {
	b := newBed(t, cart.Decider)
	b.telemetry.Around(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if got := b.value("deed_http_requests_total", "status", "4xx"); got != 1 {
		t.Errorf("%v requests with 4xx, want 1", got)
	}
}
