package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/audit"
	"github.com/deed-es/deed/examples/shop/drive"
)

// What clients were told is held against the log: each fault that is put into it is found.
func TestWhatWasAcknowledgedAndIsNotThereIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(records []audit.Record, c *client) []audit.Record
		want  string
	}{
		"nothing":             {func(r []audit.Record, _ *client) []audit.Record { return r }, ""},
		"a record is missing": {func(r []audit.Record, _ *client) []audit.Record { return r[1:] }, "lost: POST /v1/users was acknowledged"},
		"another stands in its place": {func(r []audit.Record, _ *client) []audit.Record {
			r[0].Stream = "user-8"
			return r
		}, "lost: POST /v1/users was acknowledged"},
		"a key made two": {func(r []audit.Record, _ *client) []audit.Record {
			again := r[0]
			again.Position, again.Stream = 9, "user-8"
			return append(r, again)
		}, "brought about 2 events"},
		"an address was not taken":  {func(r []audit.Record, _ *client) []audit.Record { return r[:1] }, "lost: POST /change to a@b was acknowledged"},
		"what was refused is there": {func(r []audit.Record, c *client) []audit.Record { c.refused[0].Address = "a@b"; return r }, "wrong: POST /change to a@b was refused"},
		"it was refused when sent again": {func(r []audit.Record, c *client) []audit.Record {
			c.refused[0].Address, c.refused[0].Sent = "a@b", 2
			return r
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			at := func(position deed.Position, stream deed.StreamID, event, data string) audit.Record {
				return audit.Record{Record: deed.Record{NewEvent: deed.NewEvent{Type: event, Data: []byte(data)}, Stream: stream, Position: position}}
			}
			records := []audit.Record{
				at(1, "user-7", "user-created", `{"firstName":"m1"}`), at(2, "customer-5", "customer-email-changed", `{"email":"a@b"}`),
			}
			cl := &client{
				acknowledged: []*request{
					{Request: drive.Request{Method: "POST", Path: "/v1/users", Event: "user-created", Category: "user", ID: "7", Marker: "m1", Position: 1, Sent: 1}},
					{Request: drive.Request{Method: "POST", Path: "/change", Category: "customer", ID: "5", Address: "a@b", Position: 2, Sent: 1}},
				},
				refused: []*request{{Request: drive.Request{Method: "POST", Path: "/change", Category: "customer", ID: "5", Address: "c@d", Sent: 1}}},
			}
			var f audit.Findings
			h := &harness{clients: []*client{cl}}
			h.acknowledged(&f, c.spoil(records, cl))
			found := strings.Join(append(append(f.Lost, f.Twice...), f.Wrong...), "\n")
			if c.want == "" && found != "" || !strings.Contains(found, c.want) {
				t.Errorf("got %q, want %q", found, c.want)
			}
		})
	}
}

// A run in which anything is wrong ends with an error.
func TestAFindingIsAnError(t *testing.T) {
	records := []audit.Record{{}}
	for name, c := range map[string]struct {
		f      audit.Findings
		client client
	}{
		"lost":      {f: audit.Findings{Lost: []string{"a"}}},
		"twice":     {f: audit.Findings{Twice: []string{"a"}}},
		"wrong":     {f: audit.Findings{Wrong: []string{"a"}}},
		"backwards": {client: client{reading: reading{backwards: []string{"a"}}}},
	} {
		h := &harness{out: &bytes.Buffer{}, clients: []*client{&c.client}}
		if err := h.report(c.f, records); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	h := &harness{out: &bytes.Buffer{}, clients: []*client{{}}}
	if err := h.report(audit.Findings{}, records); err != nil {
		t.Error(err)
	}
}

func TestAnAnswerThatSomethingWentWrongIsAFault(t *testing.T) {
	c := &client{}
	if !c.isFault(drive.ErrInternal) {
		t.Error("it is no fault")
	}
	if c.isFault(drive.ErrUnanswered) || c.isFault(errors.New("else")) {
		t.Error("it is one of these, which are something else")
	}
}
