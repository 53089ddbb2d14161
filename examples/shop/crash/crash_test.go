package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/audit"
	"github.com/deed-es/deed/examples/shop/drive"
)

// The short form of "make crash". Its moments are random; its output has the number that gives them again.
func TestAFewKills(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the shop and kills it")
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-rounds", "5"}, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
}

func TestTheCommandLine(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-clients", "0"}, {"more"}, {"-nothing"}, {"-shop", "/nowhere/shop", "-rounds", "1"}} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

// A check that finds nothing is of no use: each fault that is put into a good log is found. What the log alone shows to be wrong is
// audit's to find, of which a gap stands here for all.
func TestFaultsAreFound(t *testing.T) {
	at := func(position deed.Position, stream deed.StreamID, version deed.Version, event, command, data string) audit.Record {
		return audit.Record{Record: deed.Record{
			NewEvent: deed.NewEvent{ID: "e" + command, Type: event, Data: []byte(data)}, Stream: stream, Version: version, Position: position,
		}, Command: command}
	}
	requests := []*drive.Request{{Method: "POST", Path: "/v1/users", Event: "user-created", Category: "user", ID: "7", Marker: "m1", Position: 1}}
	for name, c := range map[string]struct {
		spoil func([]audit.Record, map[string]audit.Rows) []audit.Record
		want  string
	}{
		"nothing":             {func(r []audit.Record, _ map[string]audit.Rows) []audit.Record { return r }, ""},
		"a record is missing": {func(r []audit.Record, _ map[string]audit.Rows) []audit.Record { return r[1:] }, "lost: POST /v1/users was acknowledged"},
		"the log is cut off":  {func([]audit.Record, map[string]audit.Rows) []audit.Record { return nil }, "lost: POST /v1/users was acknowledged at position 1, where  of  is"},
		"a gap":               {func(r []audit.Record, _ map[string]audit.Rows) []audit.Record { r[1].Position = 3; return r }, "wrong: the log was serial after position 0 and up to 2, and has 1 records there"},
		"a key made two": {func(r []audit.Record, _ map[string]audit.Rows) []audit.Record {
			again := r[0]
			again.Position, again.Version, again.Command, again.ID, again.Stream = 3, 1, "c3", "e3", "user-8"
			return append(r, again)
		}, "brought about 2 events"},
		"a row is missing": {func(r []audit.Record, v map[string]audit.Rows) []audit.Record { delete(v["users"], "7"); return r }, "lost: row 7 of view users"},
	} {
		t.Run(name, func(t *testing.T) {
			records := []audit.Record{
				at(1, "user-7", 1, "user-created", "c1", `{"firstName":"m1","lastName":"Crash"}`),
				at(2, "user-7", 2, "user-welcomed", "c2", `{}`),
			}
			views, err := audit.Fold(records)
			if err != nil {
				t.Fatal(err)
			}
			f, err := check(c.spoil(records, views), views, requests)
			all := strings.Join(slices.Concat(f.Lost, f.Twice, f.Wrong), "\n")
			if err != nil || c.want == "" && all != "" || !strings.Contains(all, c.want) {
				t.Errorf("got %q, %v, want %q", all, err, c.want)
			}
		})
	}
}
