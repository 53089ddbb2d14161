package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/deed-es/deed"
)

// Findings are what the checks came to. Lost, Twice and Wrong have a line for each fault.
type Findings struct {
	Rows, Views, Effects, Refused int

	Lost  []string // acknowledged, and not in the log or not in a view
	Twice []string
	Wrong []string
}

// Lose notes that something is not there.
func (f *Findings) Lose(format string, args ...any) {
	f.Lost = append(f.Lost, "lost: "+fmt.Sprintf(format, args...))
}

// Double notes that something is there twice.
func (f *Findings) Double(format string, args ...any) {
	f.Twice = append(f.Twice, "twice: "+fmt.Sprintf(format, args...))
}

// Fault notes anything else.
func (f *Findings) Fault(format string, args ...any) {
	f.Wrong = append(f.Wrong, "wrong: "+fmt.Sprintf(format, args...))
}

// Few are the first of many lines, and how many more there are.
func Few(lines []string) string {
	const most = 20
	text := strings.Join(lines[:min(most, len(lines))], "\n")
	if len(lines) > most {
		text += fmt.Sprintf("\nand %d more", len(lines)-most)
	}
	return text
}

// Span are positions after one and up to another.
type Span struct{ After, To deed.Position }

// Log holds the log against its own rules. In the spans it was appended to in the order Serial, which leaves no gap.
func (f *Findings) Log(records []Record, serial []Span) {
	f.order(records)
	f.dense(records, serial)
	f.commands(records)
	f.refusals(records)
	f.once(records)
	f.addresses(records)
}

// order: positions grow, versions have no gaps, and event ids are unique.
func (f *Findings) order(records []Record) {
	versions, ids, last := map[deed.StreamID]deed.Version{}, map[string]bool{}, deed.Position(0)
	for _, r := range records {
		if r.Position <= last {
			f.Fault("%s of %s at position %d comes after position %d", r.Type, r.Stream, r.Position, last)
		}
		last = r.Position
		if versions[r.Stream]++; r.Version != versions[r.Stream] {
			f.Fault("%s has version %d where %d should be, at position %d", r.Stream, r.Version, versions[r.Stream], r.Position)
		}
		if ids[r.ID] {
			f.Double("event id %s, at position %d", r.ID, r.Position)
		}
		ids[r.ID] = true
		if !json.Valid(r.Data) {
			f.Fault("the data of %s at position %d are no JSON", r.Type, r.Position)
		}
	}
}

// dense: where the log was serial, every position is taken.
func (f *Findings) dense(records []Record, serial []Span) {
	for _, s := range serial {
		n := deed.Position(0)
		for _, r := range records {
			if r.Position > s.After && r.Position <= s.To {
				n++
			}
		}
		if n != s.To-s.After {
			f.Fault("the log was serial after position %d and up to %d, and has %d records there", s.After, s.To, n)
		}
	}
}

// commands: every command of this shop brings about one event, so a command id stands in the log once. What a process asked for was
// either done or refused, not both.
func (f *Findings) commands(records []Record) {
	done, refused := map[string]deed.Position{}, map[string]deed.Position{}
	for _, r := range records {
		if r.Command == "" {
			f.Fault("%s at position %d came of no command", r.Type, r.Position)
			continue
		}
		seen := done
		if r.Stream.Category() == "process" {
			seen = refused
		}
		if first, twice := seen[r.Command]; twice {
			f.Double("command %s, at positions %d and %d", r.Command, first, r.Position)
		}
		seen[r.Command] = r.Position
	}
	for command, at := range refused {
		if first, both := done[command]; both {
			f.Double("effect %s was done at position %d and refused at %d", command, first, at)
		}
	}
}

// mayRefuse are how what a process asks for may be refused, by command and code: the user was deleted in the meantime, or a
// client confirmed the order before it was to wait. Any other refusal is of an effect that was carried out before.
var mayRefuse = map[[2]string]bool{
	{"welcome", "user-deleted"}:                   true,
	{"require-confirmation", "already-confirmed"}: true,
}

// refusals: no effect was refused because it had been carried out already.
func (f *Findings) refusals(records []Record) {
	for _, r := range records {
		if r.Type != "effect-refused" {
			continue
		}
		f.Refused++
		var refused struct{ Command, Code string }
		if err := json.Unmarshal(r.Data, &refused); err != nil {
			f.Fault("%s at position %d: %v", r.Type, r.Position, err)
		}
		if !mayRefuse[[2]string{refused.Command, refused.Code}] {
			f.Double("%s of %s was refused with %s, at position %d", refused.Command, r.Stream, refused.Code, r.Position)
		}
	}
}

// once are the events that stand in a stream at most once. All but the first come of processes and reactors alone, or may.
var once = map[string]bool{
	"user-created": true, "customer-registered": true, "order-placed": true, "campaign-created": true, "campaign-started": true,
	"user-welcomed": true, "order-confirmed": true, "order-confirmation-required": true, "order-usd-value-added": true,
	"effect-refused": true,
}

// mails are the events of one customer's mail, of which a campaign's stream holds many: each at most once for a mail.
var mails = map[string]bool{
	"campaign-email-requested": true, "campaign-email-sent": true, "campaign-email-skipped": true, "campaign-email-failed": true,
}

// effects are the events that processes and reactors bring about.
var effects = map[string]bool{
	"user-welcomed": true, "order-confirmed": true, "order-confirmation-required": true, "order-usd-value-added": true,
	"customer-classified": true, "campaign-email-requested": true, "campaign-email-sent": true, "campaign-email-skipped": true, "campaign-email-failed": true,
}

// once: what happens to a thing once happened once.
func (f *Findings) once(records []Record) {
	seen := map[string]bool{}
	for _, r := range records {
		if effects[r.Type] {
			f.Effects++
		}
		name := ""
		switch {
		case once[r.Type]:
			name = string(r.Stream) + " " + r.Type
		case mails[r.Type]:
			name = r.mail() + " " + r.Type
		case r.Type == "customer-classified":
			name = string(r.Stream) + " for " + r.basedOn()
		}
		if name != "" && seen[name] {
			f.Double("%s in %s, at position %d", r.Type, r.Stream, r.Position)
		}
		seen[name] = true
	}
}

// addresses: an e-mail address has one owner at a time.
func (f *Findings) addresses(records []Record) {
	owners := map[string]deed.StreamID{}
	for _, r := range records {
		if r.Type != "customer-registered" && r.Type != "customer-email-changed" {
			continue
		}
		var taken struct{ Email, Previous string }
		if err := json.Unmarshal(r.Data, &taken); err != nil {
			f.Fault("%s at position %d: %v", r.Type, r.Position, err)
		}
		if owner := owners[taken.Email]; owner != "" {
			f.Double("the address %s, of %s and then of %s at position %d", taken.Email, owner, r.Stream, r.Position)
		}
		delete(owners, taken.Previous)
		owners[taken.Email] = r.Stream
	}
}

// Folded holds the views of a shop against a fold of the log.
func (f *Findings) Folded(shop string, got, want map[string]Rows) {
	for name, rows := range want {
		f.Views++
		f.Rows += len(got[name])
		for key, row := range rows {
			switch {
			case got[name][key] == nil:
				f.Lose("row %s of view %s at %s", key, name, shop)
			case !bytes.Equal(got[name][key], row):
				f.Fault("row %s of view %s at %s is %s, and the log makes it %s", key, name, shop, got[name][key], row)
			}
		}
		for key := range got[name] {
			if rows[key] == nil {
				f.Fault("row %s of view %s at %s is there, and the log has nothing of it", key, name, shop)
			}
		}
	}
}

// Undone lists what processes and reactors still have to do: every user is welcomed or deleted, every order has its value in US
// dollars, and is confirmed or waits, every confirmed order counts for its customer's class, and it is known of every mail what
// became of it.
func Undone(records []Record) []string {
	has := map[string]map[string]bool{} // thing → types
	for _, r := range records {
		things := []string{string(r.Stream)}
		switch {
		case mails[r.Type]:
			things = []string{r.mail()}
		case r.Type == "customer-classified":
			things = append(things, r.basedOn())
		}
		for _, thing := range things {
			if has[thing] == nil {
				has[thing] = map[string]bool{}
			}
			has[thing][r.Type] = true
		}
	}
	var left []string
	for thing, types := range has {
		switch {
		case types["user-created"] && !types["user-welcomed"] && !types["user-deleted"]:
			left = append(left, thing+" is not welcomed")
		case types["order-placed"] && !types["order-usd-value-added"]:
			left = append(left, thing+" has no value in US dollars")
		case types["order-placed"] && !types["order-confirmed"] && !types["order-confirmation-required"]:
			left = append(left, thing+" is neither confirmed nor waiting")
		case types["order-confirmed"] && !types["customer-classified"]:
			left = append(left, thing+" does not count for its customer's class")
		case types["campaign-email-requested"] && !types["campaign-email-sent"] && !types["campaign-email-skipped"] && !types["campaign-email-failed"]:
			left = append(left, thing+" is requested, and nothing became of it")
		}
	}
	return left
}
