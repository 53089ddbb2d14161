package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

// records are the lines of NDJSON.
func (s *site) records(r reply) []gateway.RecordAnswer {
	s.t.Helper()
	s.wants(r, 200)
	var all []gateway.RecordAnswer
	for line := range strings.Lines(string(r.body)) {
		var record gateway.RecordAnswer
		s.strictly([]byte(line), &record)
		all = append(all, record)
	}
	return all
}

// fill stores joins of members 1 to n, and a painting.
func (s *site) fill(n int) {
	s.t.Helper()
	for i := 1; i <= n; i++ {
		s.join(fmt.Sprint(i), "red")
	}
	s.wants(s.post("/api/commands/member/1/paint", `{"colour":"blue"}`), 200)
}

func positions(records []gateway.RecordAnswer) string {
	var text []string
	for _, r := range records {
		text = append(text, fmt.Sprint(r.Position))
	}
	return strings.Join(text, " ")
}

func TestLog(t *testing.T) {
	s := start(t, nil)
	s.fill(4)
	for query, want := range map[string]string{
		"":                              "1 2 3 4 5",
		"?after=3":                      "4 5",
		"?after=" + s.token(3):          "4 5",
		"?after=1&before=4":             "2 3",
		"?before=" + s.token(2):         "1",
		"?limit=2":                      "1 2",
		"?category=member":              "1 2 3 4 5",
		"?category=other":               "",
		"?type=team-painted":            "5",
		"?type=x&type=team-painted":     "5",
		"?tag=kind:member":              "1 2 3 4",
		"?tag=kind:member&tag=kind:dog": "",
		"?follow=true&limit=2&after=3":  "4 5",
		"?follow=true&before=3":         "1 2",
		"?after=5":                      "",
	} {
		r := s.get("/api/log" + query)
		if got := positions(s.records(r)); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
		if r.Header.Get("Content-Type") != "application/x-ndjson" || r.Header.Get("Deed-Position") != s.token(5) {
			t.Errorf("%s: %v", query, r.Header)
		}
	}
	r := s.records(s.get("/api/log?limit=1"))[0]
	if r.ID == "" || r.Type != "member-joined" || r.Schema != 1 || r.Stream != "member-1" || r.Version != 1 || len(r.Tags) != 1 {
		t.Errorf("got %+v", r)
	}
	if when, err := time.Parse("2006-01-02T15:04:05.000000Z", r.Time); err != nil || time.Since(when) > time.Hour {
		t.Errorf("time %s: %v", r.Time, err)
	}
}

func TestStream(t *testing.T) {
	s := start(t, nil)
	s.fill(2) // member-1 at 1 and 3
	s.wants(s.post(leavePath, `{}`), 200)
	for query, want := range map[string]string{
		"":                         "1 3 4",
		"?backward=true":           "4 3 1",
		"?backward":                "4 3 1",
		"?after=1":                 "3 4",
		"?before=4&after=1":        "3",
		"?after=4":                 "",
		"?limit=3":                 "1 3 4",
		"?limit=2":                 "1 3 next 3",
		"?backward=true&limit=1":   "4 next 4",
		"?after=3&limit=2":         "4",
		"?before=4&backward=true":  "3 1",
		"?before=99&backward=true": "4 3 1",
	} {
		r := s.get("/api/streams/member-1" + query)
		s.wants(r, 200)
		var page gateway.StreamAnswer
		s.strictly(r.body, &page)
		got := positions(page.Records)
		if page.Next != 0 {
			got += fmt.Sprintf(" next %d", page.Next)
		}
		if got != want || page.Stream != "member-1" || page.Position != 4 || r.Header.Get("Deed-Position") != s.token(4) {
			t.Errorf("%s: got %s", query, r.body)
		}
	}
}

// Data is told as it was stored: digits, order and unknown kinds included.
func TestRecord(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	r := deed.Record{
		NewEvent: deed.NewEvent{
			ID: "1", Type: "t", Data: []byte("{\n \"b\": 1.50, \"a\": 12345678901234567890, \"h\": \"<&>\" }"),
			Metadata: []byte(`{"actor":"ann","effective":"2020-01-01T00:00:00Z"}`), Tags: []string{`k:"v"`},
		},
		Stream: "s-\u00e9", Version: 2, Position: 3, Time: when,
	}
	want := `{"id":"1","type":"t","schema":1,"stream":"s-é","version":2,"position":3,"time":"2026-01-02T03:04:05.000006Z",` +
		`"effective":"2020-01-01T00:00:00.000000Z","tags":["k:\"v\""],"meta":{"actor":"ann","effective":"2020-01-01T00:00:00Z"},` +
		`"data":{"b":1.50,"a":12345678901234567890,"h":"<&>"}}`
	if got := string(gateway.AppendRecord(r)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, c := range []struct{ kind, data, want string }{
		{"image/png", "\x89P", `"contentType":"image/png","data":"iVA="`},
		{"application/json", "not JSON", `"data":"bm90IEpTT04="`},
		{"application/json; charset=utf-8", "1", `"meta":{},"data":1`},
		{"", "", `"data":""`},
	} {
		r := deed.Record{NewEvent: deed.NewEvent{ContentType: c.kind, Data: []byte(c.data)}}
		if got := gateway.AppendRecord(r); !json.Valid(got) || !strings.Contains(string(got), c.want) {
			t.Errorf("%s: got %s, want %s", c.kind, got, c.want)
		}
	}
}

// A client that follows gets what is there, and then each record as it is stored.
func TestFollow(t *testing.T) {
	s := start(t, nil)
	s.fill(2)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", s.url+"/api/log?follow=true&after=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for want := 2; want <= 6; want++ {
		if want > 3 {
			s.join(fmt.Sprint(want), "red")
		}
		line, err := lines.ReadString('\n')
		if err != nil || !strings.Contains(line, fmt.Sprintf(`"position":%d,`, want)) {
			t.Fatalf("got %s %v, want position %d", line, err, want)
		}
	}
}

func TestLogEvents(t *testing.T) {
	s := start(t, nil)
	s.fill(2)
	f := s.follow("/api/log?after=1", "", "Accept", "text/event-stream")
	f.next("record")
	if e := f.next("record"); e.data.Position != 3 || f.id != s.token(3) {
		t.Errorf("got %s, id %s", e.text, f.id)
	}
	f.close()
	s.join("3", "red")
	f = s.follow("/api/log?after=1", f.id, "Accept", "text/event-stream")
	if e := f.next("record"); e.data.Position != 4 {
		t.Errorf("got %s", e.text)
	}
	s.join("4", "red")
	if e := f.next("record"); e.data.Position != 5 {
		t.Errorf("got %s", e.text)
	}
	f = s.follow("/api/log?follow=false", "", "Accept", "text/html, text/event-stream;q=0.9")
	for range 5 {
		f.next("record")
	}
	if e, err := f.read(); err == nil {
		t.Errorf("got %s, want the end", e.text)
	}
	r := s.get("/api/log", "Accept", "text/event-stream", "Last-Event-ID", "other.1.1")
	s.problem(r, 409, "foreign-position")
}
