package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/deed-es/deed"
)

// findings are what the checks came to. lost, doubled and wrong have a line for each fault.
type findings struct {
	records, rows, views, effects int

	lost    []string // acknowledged, and not in the log or not in a view
	doubled []string
	wrong   []string
}

func (f *findings) lose(format string, args ...any) {
	f.lost = append(f.lost, "lost: "+fmt.Sprintf(format, args...))
}

func (f *findings) double(format string, args ...any) {
	f.doubled = append(f.doubled, "twice: "+fmt.Sprintf(format, args...))
}

func (f *findings) fault(format string, args ...any) {
	f.wrong = append(f.wrong, "wrong: "+fmt.Sprintf(format, args...))
}

// check holds the log and the views against what was acknowledged.
func check(records []record, views map[string]rows, requests []*request) findings {
	f := findings{records: len(records), views: len(views)}
	f.checkOrder(records)
	f.checkCommands(records)
	f.checkRefusals(records)
	f.checkOnce(records)
	f.checkAcknowledged(records, requests)
	f.checkMarkers(records, requests)
	f.checkViews(records, views)
	return f
}

// checkOrder: positions and versions have no gaps, and event ids are unique.
func (f *findings) checkOrder(records []record) {
	versions, ids := map[deed.StreamID]deed.Version{}, map[string]bool{}
	for i, r := range records {
		if r.Position != deed.Position(i+1) {
			f.fault("record %d of the log is at position %d", i+1, r.Position)
		}
		if versions[r.Stream]++; r.Version != versions[r.Stream] {
			f.fault("%s has version %d where %d should be, at position %d", r.Stream, r.Version, versions[r.Stream], r.Position)
		}
		if ids[r.ID] {
			f.double("event id %s, at position %d", r.ID, r.Position)
		}
		ids[r.ID] = true
	}
}

// checkCommands: every command of this shop brings about one event, so a command id stands in the log once. What a process
// asked for was either done or refused, not both.
func (f *findings) checkCommands(records []record) {
	done, refused := map[string]deed.Position{}, map[string]deed.Position{}
	for _, r := range records {
		if r.command == "" {
			f.fault("%s at position %d came of no command", r.Type, r.Position)
			continue
		}
		seen := done
		if r.Stream.Category() == "process" {
			seen = refused
		}
		if first, twice := seen[r.command]; twice {
			f.double("command %s, at positions %d and %d", r.command, first, r.Position)
		}
		seen[r.command] = r.Position
	}
	for command, at := range refused {
		if first, both := done[command]; both {
			f.double("effect %s was done at position %d and refused at %d", command, first, at)
		}
	}
}

// refusals are how what a process asks for may be refused, by command and code: the user was deleted in the meantime, or a
// client confirmed the order before it was to wait. Any other refusal is of an effect that was carried out before.
var refusals = map[[2]string]bool{
	{"welcome", "user-deleted"}:                   true,
	{"require-confirmation", "already-confirmed"}: true,
}

// checkRefusals: no effect was refused because it had been carried out already.
func (f *findings) checkRefusals(records []record) {
	for _, r := range records {
		if r.Type != "effect-refused" {
			continue
		}
		var refused struct{ Command, Code string }
		if err := json.Unmarshal(r.Data, &refused); err != nil {
			f.fault("%s at position %d: %v", r.Type, r.Position, err)
		}
		if !refusals[[2]string{refused.Command, refused.Code}] {
			f.double("%s of %s was refused with %s, at position %d", refused.Command, r.Stream, refused.Code, r.Position)
		}
	}
}

// once are the events that stand in a stream at most once. All but the first come of processes and reactors alone, or may.
var once = map[string]bool{
	"user-created": true, "customer-registered": true, "order-placed": true, "campaign-created": true, "campaign-started": true,
	"user-welcomed": true, "order-confirmed": true, "order-confirmation-required": true, "order-usd-value-added": true,
	"effect-refused": true,
}

// mailEvents are the events of one customer's mail, of which a campaign's stream holds many: each at most once for a mail.
var mailEvents = map[string]bool{
	"campaign-email-requested": true, "campaign-email-sent": true, "campaign-email-skipped": true, "campaign-email-failed": true,
}

// mail names the mail that the record is about.
func (r record) mail() string { return "the mail of " + string(r.Stream) + " to " + r.customer() }

// basedOn is the stream of the order that a classification is based on.
func (r record) basedOn() string {
	var data struct{ BasedOn string }
	_ = json.Unmarshal(r.Data, &data) // checkMarkers sees to it that all data is JSON
	return data.BasedOn
}

// effects are the events that processes and reactors bring about.
var effects = map[string]bool{
	"user-welcomed": true, "order-confirmed": true, "order-confirmation-required": true, "order-usd-value-added": true,
	"customer-classified": true, "campaign-email-sent": true, "campaign-email-skipped": true, "campaign-email-failed": true,
}

// checkOnce: what happens to a thing once happened once, and an e-mail address has one customer.
func (f *findings) checkOnce(records []record) {
	seen, emails := map[string]bool{}, map[string]bool{}
	for _, r := range records {
		if effects[r.Type] {
			f.effects++
		}
		name := ""
		switch {
		case once[r.Type]:
			name = string(r.Stream) + " " + r.Type
		case mailEvents[r.Type]:
			name = r.mail() + " " + r.Type
		case r.Type == "customer-classified":
			name = string(r.Stream) + " for " + r.basedOn()
		}
		if name != "" && seen[name] {
			f.double("%s in %s, at position %d", r.Type, r.Stream, r.Position)
		}
		seen[name] = true
		if r.Type != "customer-registered" {
			continue
		}
		var registered struct{ Email string }
		if err := json.Unmarshal(r.Data, &registered); err != nil {
			f.fault("%s at position %d: %v", r.Type, r.Position, err)
		}
		if emails[registered.Email] {
			f.double("a customer with the address %s", registered.Email)
		}
		emails[registered.Email] = true
	}
}

// checkAcknowledged: every acknowledged request has its event at the position that was acknowledged.
func (f *findings) checkAcknowledged(records []record, requests []*request) {
	for _, r := range requests {
		if r.position < 1 || r.position > int64(len(records)) {
			f.lose("%s %s was acknowledged at position %d, the log ends at %d", r.method, r.path, r.position, len(records))
			continue
		}
		got := records[r.position-1]
		if got.Type != r.event || string(got.Stream) != r.stream() || !strings.Contains(string(got.Data), r.marker) {
			f.lose("%s %s was acknowledged at position %d, where %s of %s is", r.method, r.path, r.position, got.Type, got.Stream)
		}
	}
}

// checkMarkers: a request, however often it was sent, brought about one event. Markers are made for one request each.
func (f *findings) checkMarkers(records []record, requests []*request) {
	count := map[string]int{}
	for _, r := range records {
		var data struct{ Description, FirstName, LastName, Name string }
		if err := json.Unmarshal(r.Data, &data); err != nil {
			f.fault("%s at position %d: %v", r.Type, r.Position, err)
		}
		switch r.Type {
		case "order-placed":
			count[data.Description]++
		case "campaign-created":
			count[data.Name]++
		case "user-created":
			count[data.FirstName]++
		case "user-updated", "customer-updated":
			count[data.LastName]++
		}
	}
	for _, r := range requests {
		if n := count[r.marker]; r.marker != "" && n != 1 {
			f.double("%s %s under the key %s brought about %d events", r.method, r.path, r.key, n)
		}
	}
}

// checkViews: every view is the fold of the log.
func (f *findings) checkViews(records []record, views map[string]rows) {
	for name, got := range views {
		f.rows += len(got)
		want, err := folds[name](records)
		if err != nil {
			f.fault("view %s: %v", name, err)
			continue
		}
		for key, row := range want {
			switch {
			case got[key] == nil:
				f.lose("row %s of view %s", key, name)
			case !bytes.Equal(got[key], row):
				f.fault("row %s of view %s is %s, and the log makes it %s", key, name, got[key], row)
			}
		}
		for key := range got {
			if want[key] == nil {
				f.fault("row %s of view %s is there, and the log has nothing of it", key, name)
			}
		}
	}
}
