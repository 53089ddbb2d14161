package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/deed-es/deed"
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

// sample is a log in which all is well.
func sample() ([]record, map[string]rows, []*request) {
	at := func(position deed.Position, stream deed.StreamID, version deed.Version, event, command, data string) record {
		return record{Record: deed.Record{
			NewEvent: deed.NewEvent{ID: "e" + command, Type: event, Data: []byte(data)}, Stream: stream, Version: version, Position: position,
		}, command: command}
	}
	records := []record{
		at(1, "user-7", 1, "user-created", "c1", `{"firstName":"m1","lastName":"Crash"}`),
		at(2, "user-7", 2, "user-welcomed", "c2", `{}`),
	}
	views := map[string]rows{}
	for name, fold := range folds {
		made, err := fold(records)
		if err != nil {
			panic(err)
		}
		views[name] = made
	}
	requests := []*request{{method: "POST", path: "/v1/users", event: "user-created", category: "user", id: "7", marker: "m1", position: 1}}
	return records, views, requests
}

// A check that finds nothing is of no use: each fault that is put into a good log is found.
func TestFaultsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func([]record, map[string]rows, []*request) []record
		want  string
	}{
		"nothing": {func(r []record, _ map[string]rows, _ []*request) []record { return r }, ""},
		"a record is missing": {
			func(r []record, _ map[string]rows, _ []*request) []record { return r[1:] }, "lost: POST /v1/users was acknowledged",
		},
		"the log is cut off": {
			func([]record, map[string]rows, []*request) []record { return nil }, "the log ends at 0",
		},
		"a gap": {
			func(r []record, _ map[string]rows, _ []*request) []record { r[1].Position = 3; return r }, "wrong: record 2",
		},
		"a version is wrong": {
			func(r []record, _ map[string]rows, _ []*request) []record { r[1].Version = 3; return r }, "wrong: user-7 has version 3",
		},
		"a command twice": {
			func(r []record, _ map[string]rows, _ []*request) []record { r[1].command = "c1"; return r }, "twice: command c1",
		},
		"an effect twice": {
			func(r []record, _ map[string]rows, _ []*request) []record {
				again := r[1]
				again.Position, again.Version, again.command, again.ID = 3, 3, "c3", "e3"
				return append(r, again)
			}, "twice: user-welcomed in user-7",
		},
		"an effect done and refused": {
			func(r []record, _ map[string]rows, _ []*request) []record {
				refused := r[1]
				refused.Position, refused.Version, refused.ID, refused.Type, refused.Stream = 3, 1, "e3", "effect-refused", "process-welcome:7"
				return append(r, refused)
			}, "twice: effect c2 was done",
		},
		"an effect refused since it was done": {
			func(r []record, _ map[string]rows, _ []*request) []record {
				refused := r[1]
				refused.Position, refused.Version, refused.ID, refused.Type, refused.Stream = 3, 1, "e3", "effect-refused", "process-welcome:7"
				refused.command, refused.Data = "c3", []byte(`{"command":"welcome","code":"already-welcomed"}`)
				return append(r, refused)
			}, "twice: welcome of process-welcome:7 was refused",
		},
		"a mail twice": {
			func(r []record, _ map[string]rows, _ []*request) []record {
				for i, customer := range []string{"7", "8", "7"} {
					mail := r[1]
					mail.Position, mail.Version, mail.ID, mail.command = deed.Position(3+i), deed.Version(1+i), fmt.Sprint("m", i), fmt.Sprint("m", i)
					mail.Stream, mail.Type, mail.Data = "campaign-7", "campaign-email-sent", []byte(`{"customerId":"`+customer+`"}`)
					r = append(r, mail)
				}
				return r
			}, "twice: campaign-email-sent in campaign-7, at position 5",
		},
		"an order that counts twice": {
			func(r []record, _ map[string]rows, _ []*request) []record {
				for i := range 2 {
					class := r[1]
					class.Position, class.Version, class.ID, class.command = deed.Position(3+i), deed.Version(1+i), fmt.Sprint("k", i), fmt.Sprint("k", i)
					class.Stream, class.Type, class.Data = "customer-7", "customer-classified", []byte(`{"basedOn":"order-1"}`)
					r = append(r, class)
				}
				return r
			}, "twice: customer-classified in customer-7",
		},
		"a key made two": {
			func(r []record, _ map[string]rows, _ []*request) []record {
				again := r[0]
				again.Position, again.Version, again.command, again.ID, again.Stream = 3, 1, "c3", "e3", "user-8"
				return append(r, again)
			}, "brought about 2 events",
		},
		"a row is missing": {
			func(r []record, v map[string]rows, _ []*request) []record { delete(v["users"], "7"); return r }, "lost: row 7 of view users",
		},
		"a row is wrong": {
			func(r []record, v map[string]rows, _ []*request) []record {
				v["users"]["7"] = json.RawMessage(`{}`)
				return r
			},
			"wrong: row 7 of view users",
		},
		"a row too many": {
			func(r []record, v map[string]rows, _ []*request) []record {
				v["users"]["8"] = json.RawMessage(`{}`)
				return r
			},
			"wrong: row 8 of view users is there",
		},
	} {
		t.Run(name, func(t *testing.T) {
			records, views, requests := sample()
			f := check(c.spoil(records, views, requests), views, requests)
			all := strings.Join(append(append(f.lost, f.doubled...), f.wrong...), "\n")
			if c.want == "" && all != "" || !strings.Contains(all, c.want) {
				t.Errorf("got %q, want %q", all, c.want)
			}
		})
	}
}
