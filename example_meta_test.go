package deed_test

import (
	"context"
	"fmt"
	"time"

	"github.com/deed-es/deed"
)

type (
	Stamp   struct{}
	Stamped struct{ By, At string }
)

func (Stamp) CommandType() string { return "stamp" }
func (Stamped) EventType() string { return "stamped" }

// Stamps needs to know who asks and when, so it has DecideWith in place of Decide.
var Stamps = deed.Decider[Stamped, Stamp, Stamped]{
	Category: "letter",
	Commands: []Stamp{{}},
	Events:   []Stamped{{}},
	DecideWith: func(_ Stamped, _ Stamp, m deed.Meta) ([]Stamped, error) {
		return []Stamped{{By: m.Actor, At: m.Now.Format(time.DateOnly)}}, nil
	},
	Evolve: func(_, e Stamped) Stamped { return e },
}

// Time comes from the engine's clock and the actor from the context, never from the domain itself.
func ExampleMeta() {
	db, _ := openExample()
	defer db.Close()
	letters := Stamps.Handler(db)
	ctx := deed.WithMeta(context.Background(), deed.Meta{Actor: "ann"})
	_, err := letters.Handle(ctx, "1", Stamp{})
	check(err)
	letter, _, err := letters.Load(ctx, "1")
	fmt.Println(letter.By, letter.At, err)
	// Output: ann 2026-01-01 <nil>
}
