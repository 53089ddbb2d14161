package deed_test

import (
	"fmt"

	"github.com/deed-es/deed"
)

// A lamp can be switched on, once.
type (
	SwitchOn   struct{}
	SwitchedOn struct{}
	Lamp       struct{ Lit bool }
)

func (SwitchOn) CommandType() string { return "switch-on" }
func (SwitchedOn) EventType() string { return "switched-on" }

// Lamps is plain data with two pure functions in it: no store, no context, no clock.
var Lamps = deed.Decider[Lamp, SwitchOn, SwitchedOn]{
	Category: "lamp",
	Commands: []SwitchOn{{}},
	Events:   []SwitchedOn{{}},
	Decide: func(l Lamp, _ SwitchOn) ([]SwitchedOn, error) {
		if l.Lit {
			return nil, nil // nothing to do
		}
		return []SwitchedOn{{}}, nil
	},
	Evolve: func(l Lamp, _ SwitchedOn) Lamp {
		l.Lit = true
		return l
	},
}

// A decider is two pure functions: Decide says what happens, Evolve what is then.
func ExampleDecider() {
	var lamp Lamp
	events, _ := Lamps.Decide(lamp, SwitchOn{})
	fmt.Println(len(events), "event")
	for _, e := range events {
		lamp = Lamps.Evolve(lamp, e)
	}
	events, _ = Lamps.Decide(lamp, SwitchOn{})
	fmt.Println(lamp.Lit, len(events), "events")
	// Output:
	// 1 event
	// true 0 events
}
