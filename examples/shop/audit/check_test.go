package audit

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/deed-es/deed"
)

// sample is a log in which all is well, and its views.
func sample(t *testing.T) ([]Record, map[string]Rows) {
	t.Helper()
	at := func(position deed.Position, stream deed.StreamID, version deed.Version, event, command, data string) Record {
		return Record{Record: deed.Record{
			NewEvent: deed.NewEvent{ID: "e" + command, Type: event, Data: []byte(data)}, Stream: stream, Version: version, Position: position,
		}, Command: command}
	}
	records := []Record{
		at(1, "user-7", 1, "user-created", "c1", `{"firstName":"m1","lastName":"Chaos"}`),
		at(2, "user-7", 2, "user-welcomed", "c2", `{}`),
		at(4, "customer-1", 1, "customer-registered", "c4", `{"customerId":"1","email":"a@b"}`),
		at(5, "customer-1", 2, "customer-email-changed", "c5", `{"customerId":"1","email":"c@d","previous":"a@b"}`),
		at(6, "customer-2", 1, "customer-registered", "c6", `{"customerId":"2","email":"a@b"}`),
	}
	views, err := Fold(records)
	if err != nil {
		t.Fatal(err)
	}
	return records, views
}

// more is r with copies of one of its records behind it, each changed by f.
func more(r []Record, of, n int, f func(i int, copied *Record)) []Record {
	for i := range n {
		again := r[of]
		again.Position, again.Version = deed.Position(10+i), deed.Version(1+i)
		again.ID, again.Command = fmt.Sprint("again", i), fmt.Sprint("again", i)
		f(i, &again)
		r = append(r, again)
	}
	return r
}

// A check that finds nothing is of no use: each fault that is put into a good log is found.
func TestFaultsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(r []Record, views map[string]Rows) []Record
		want  string
	}{
		"nothing":                {func(r []Record, _ map[string]Rows) []Record { return r }, ""},
		"a gap where it was one": {func(r []Record, _ map[string]Rows) []Record { return append(r[:1:1], r[2:]...) }, "wrong: the log was serial"},
		"the order is wrong":     {func(r []Record, _ map[string]Rows) []Record { r[2].Position = 2; return r }, "wrong: customer-registered of customer-1 at position 2 comes after"},
		"a version is wrong":     {func(r []Record, _ map[string]Rows) []Record { r[1].Version = 3; return r }, "wrong: user-7 has version 3"},
		"no JSON":                {func(r []Record, _ map[string]Rows) []Record { r[1].Data = []byte("{"); return r }, "are no JSON"},
		"an event twice":         {func(r []Record, _ map[string]Rows) []Record { r[1].ID = "ec1"; return r }, "twice: event id ec1"},
		"a command twice":        {func(r []Record, _ map[string]Rows) []Record { r[1].Command = "c1"; return r }, "twice: command c1"},
		"an event of no command": {func(r []Record, _ map[string]Rows) []Record { r[1].Command = ""; return r }, "came of no command"},
		"an effect twice": {func(r []Record, _ map[string]Rows) []Record {
			return more(r, 1, 1, func(_ int, again *Record) { again.Version = 3 })
		}, "twice: user-welcomed in user-7"},
		"an effect done and refused": {func(r []Record, _ map[string]Rows) []Record {
			return more(r, 1, 1, func(_ int, again *Record) {
				again.Stream, again.Type, again.Command, again.Data = "process-welcome:7", "effect-refused", "c2", []byte(`{"command":"welcome","code":"user-deleted"}`)
			})
		}, "twice: effect c2 was done"},
		"an effect refused since it was done": {func(r []Record, _ map[string]Rows) []Record {
			return more(r, 1, 1, func(_ int, again *Record) {
				again.Stream, again.Type, again.Data = "process-welcome:7", "effect-refused", []byte(`{"command":"welcome","code":"already-welcomed"}`)
			})
		}, "twice: welcome of process-welcome:7 was refused"},
		"a mail twice": {func(r []Record, _ map[string]Rows) []Record {
			return more(r, 1, 3, func(i int, again *Record) {
				again.Stream, again.Type, again.Data = "campaign-7", "campaign-email-sent", fmt.Appendf(nil, `{"customerId":"%d"}`, i%2)
			})
		}, "twice: campaign-email-sent in campaign-7, at position 12"},
		"an order that counts twice": {func(r []Record, _ map[string]Rows) []Record {
			return more(r, 1, 2, func(_ int, again *Record) {
				again.Stream, again.Type, again.Data = "customer-7", "customer-classified", []byte(`{"basedOn":"order-1"}`)
			})
		}, "twice: customer-classified in customer-7"},
		"an address of two": {func(r []Record, _ map[string]Rows) []Record {
			return more(r, 4, 1, func(_ int, again *Record) { again.Stream = "customer-3" })
		}, "twice: the address a@b, of customer-2 and then of customer-3"},
		"a row is missing": {func(r []Record, v map[string]Rows) []Record { delete(v["users"], "7"); return r }, "lost: row 7 of view users at n1"},
		"a row is wrong": {func(r []Record, v map[string]Rows) []Record {
			v["users"]["7"] = json.RawMessage(`{}`)
			return r
		}, "wrong: row 7 of view users at n1"},
		"a row too many": {func(r []Record, v map[string]Rows) []Record {
			v["users"]["8"] = json.RawMessage(`{}`)
			return r
		}, "wrong: row 8 of view users at n1 is there"},
	} {
		t.Run(name, func(t *testing.T) {
			records, _ := sample(t)
			_, views := sample(t)
			records = c.spoil(records, views)
			want, err := Fold(records[:len(records):len(records)])
			if name == "no JSON" {
				want, err = views, nil
			}
			if err != nil {
				t.Fatal(err)
			}
			var f Findings
			f.Log(records, []Span{{0, 2}, {3, 6}})
			if strings.Contains(name, "row") {
				f.Folded("n1", views, want)
			}
			all := strings.Join(append(append(f.Lost, f.Twice...), f.Wrong...), "\n")
			if c.want == "" && all != "" || !strings.Contains(all, c.want) {
				t.Errorf("got %q, want %q", all, c.want)
			}
		})
	}
}

// What is left to do is said.
func TestWhatIsLeftToDoIsFound(t *testing.T) {
	at := func(stream deed.StreamID, event, data string) Record {
		return Record{Record: deed.Record{NewEvent: deed.NewEvent{Type: event, Data: []byte(data)}, Stream: stream}}
	}
	created, placed := at("user-1", "user-created", "{}"), at("order-1", "order-placed", "{}")
	priced, confirmed := at("order-1", "order-usd-value-added", "{}"), at("order-1", "order-confirmed", "{}")
	requested := at("campaign-1", "campaign-email-requested", `{"customerId":"1"}`)
	for _, c := range []struct {
		log  []Record
		want string
	}{
		{[]Record{created}, "not welcomed"},
		{[]Record{created, at("user-1", "user-welcomed", "{}")}, ""},
		{[]Record{created, at("user-1", "user-deleted", "{}")}, ""},
		{[]Record{placed, at("order-1", "order-confirmation-required", "{}")}, "no value in US dollars"},
		{[]Record{placed, priced}, "neither confirmed nor waiting"},
		{[]Record{placed, priced, confirmed}, "does not count"},
		{[]Record{placed, priced, confirmed, at("customer-1", "customer-classified", `{"basedOn":"order-1"}`)}, ""},
		{[]Record{requested}, "nothing became of it"},
		{[]Record{requested, at("campaign-1", "campaign-email-sent", `{"customerId":"2"}`)}, "nothing became of it"},
		{[]Record{requested, at("campaign-1", "campaign-email-sent", `{"customerId":"1"}`)}, ""},
	} {
		left := strings.Join(Undone(c.log), "\n")
		if c.want == "" && left != "" || !strings.Contains(left, c.want) {
			t.Errorf("got %q, want %q", left, c.want)
		}
	}
}
