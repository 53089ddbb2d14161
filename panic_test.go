package deed_test

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/deed-es/deed"
)

// modes are parts that follow the log in other ways than by a loop, and tables.
var modes = []deed.Part{in(byKey, "inline", deed.Inline), in(byRoute, "live", deed.Live), inTables}

func in(p deed.Projection[tallied, taken], name string, m deed.Mode) deed.Part {
	p.Name, p.Mode = name, m
	return p
}

// A function that a user writes panics. The service goes on, and so do the parts that have nothing to do with the function; who
// asked is answered with a *PanicError, and the service tells what happened. With the function mended nothing is missing.
func TestPanics(t *testing.T) {
	for _, c := range []struct {
		in     string        // the function
		stream deed.StreamID // what the command is for
		shared bool          // by all parts
		says   string        // how the answer begins; empty: with the command
		parts  []deed.Part
	}{
		{in: "CommandType", stream: "risk-1", says: "the CommandType of deed_test.take: "},
		{in: "MarshalJSON of a command", stream: "risk-1"},
		{in: "UnmarshalJSON of a command", stream: "risk-1", says: "take: "},
		{in: "Decide", stream: "risk-1"},
		{in: "DecideWith", stream: "other-1"},
		{in: "Evolve of a decider", stream: "risk-2"},
		{in: "Query", stream: "deal-1"},
		{in: "Decide of a decision", stream: "deal-1"},
		{in: "Evolve of a decision", stream: "deal-1"},
		{in: "Stream", stream: "deal-1"},
		{in: "EventTags", stream: "risk-1"},
		{in: "MarshalJSON of an event", stream: "risk-1"},
		{in: "UnmarshalJSON of an event", stream: "risk-2"},
		{in: "Middleware", stream: "risk-1", shared: true},
		{in: "NewID", stream: "risk-1", shared: true},
		{in: "Encode of the codec", stream: "risk-1", shared: true},
		{in: "Decode of the codec", stream: "risk-2", shared: true},
		{in: "Tag of the codec", stream: "risk-1", shared: true},
		{in: "Now of the clock", stream: "risk-1", shared: true},
		// In the transaction of the append:
		{in: "Decode of the codec", stream: "risk-1", shared: true, parts: modes},
		{in: "UnmarshalJSON of a row or state", stream: "risk-1", shared: true, parts: modes},
	} {
		t.Run("answered/"+c.in, func(t *testing.T) {
			r := newRisky(t, c.parts...)
			write(t, r.db, "risk-2", "risk-taken", `{"how":"by somebody else"}`, "risk:taken")
			r.settle()
			defer lit.Store("")
			lit.Store(c.in)
			err := r.take(c.stream, "now")
			var panicked *deed.PanicError
			if !errors.As(err, &panicked) || panicked.Value != "bang in "+c.in || !strings.Contains(string(panicked.Stack), "panic_kit_test.go") {
				t.Fatalf("got %v, want a *PanicError with its value and stack", err)
			}
			if !strings.HasPrefix(err.Error(), cmp.Or(c.says, "take "+string(c.stream))) {
				t.Errorf("%v does not say of which command", err)
			}
			if !c.shared {
				r.othersGoOn()
			}
			lit.Store("")
			r.recovers()
		})
	}
	for _, c := range []struct {
		in     string // the function
		how    string // the risk is taken, as events say
		shared bool   // by all parts
		parts  []deed.Part
	}{
		{in: "Key of a projection", parts: modes},
		{in: "Route", parts: modes},
		{in: "Evolve of a projection", parts: modes},
		{in: "Write of tables", parts: modes},
		{in: "MarshalJSON of a row or state", parts: modes},
		{in: "UnmarshalJSON of an event", parts: modes},
		{in: "Key of a projection"},
		{in: "Route"},
		{in: "Evolve of a projection"},
		{in: "Key of a process"},
		{in: "Evolve of a process"},
		{in: "React of a process"},
		{in: "Woken", how: "asleep"},
		{in: "Refused", how: "boldly"},
		{in: "React of a reactor"},
		{in: "Run of a task"},
		{in: "MarshalJSON of a row or state"},
		{in: "UnmarshalJSON of a row or state"},
		{in: "UnmarshalJSON of an event"},
		{in: "Decode of the codec", shared: true},
		// Of a command that a process sends:
		{in: "MarshalJSON of a command", how: "again"},
		{in: "UnmarshalJSON of a command", how: "again"},
		{in: "Decide", how: "again"},
		{in: "Middleware", how: "again", shared: true},
		{in: "NewID", how: "again", shared: true},
		{in: "Encode of the codec", how: "again", shared: true},
	} {
		t.Run("told/"+c.in, func(t *testing.T) {
			r := newRisky(t, c.parts...)
			defer lit.Store("")
			lit.Store(c.in)
			write(t, r.db, "risk-1", "risk-taken", fmt.Sprintf(`{"how":%q}`, c.how), "risk:taken")
			select {
			case r.swept <- struct{}{}:
			case <-bounded(t).Done():
				t.Fatal("the task does not run")
			}
			r.tells("panic: bang in " + c.in)
			if !c.shared {
				r.othersGoOn()
			}
			lit.Store("")
			r.recovers()
		})
	}
}
