package deed_test

import (
	"context"
	"fmt"

	"github.com/deed-es/deed"
)

type (
	SignUp   struct{ Email string }
	SignedUp struct{ Email string }
)

func (SignUp) CommandType() string     { return "sign-up" }
func (SignedUp) EventType() string     { return "signed-up" }
func (e SignedUp) EventTags() []string { return []string{"email:" + e.Email} } // which a real one would hash

// SignUps lets an address belong to one member only, however many ask for it at once.
var SignUps = deed.Decision[bool, SignUp, SignedUp]{
	Category: "member",
	Commands: []SignUp{{}},
	Events:   []SignedUp{{}},
	Query: func(_ string, c SignUp) []deed.Match {
		return []deed.Match{{Tags: []string{"email:" + c.Email}}}
	},
	Decide: func(taken bool, c SignUp) ([]SignedUp, error) {
		if taken {
			return nil, deed.Reject("email-taken", "the address is in use")
		}
		return []SignedUp{SignedUp(c)}, nil
	},
	Evolve: func(bool, SignedUp) bool { return true },
}

// A decision is a decider for what concerns more than one stream: its state is folded from a query, and its events are
// stored only if nothing has come that the query would have found.
func ExampleDecision() {
	db, _ := openExample()
	defer db.Close()
	members := SignUps.Handler(db)
	for _, id := range []string{"ann", "bob"} {
		_, err := members.Handle(context.Background(), id, SignUp{Email: "ann@example.com"})
		fmt.Println(id, err)
	}
	// Output:
	// ann <nil>
	// bob sign-up member-bob: the address is in use
}
