package deed_test

import "github.com/deed-es/deed"

// The decision of these tests: an e-mail address belongs to one customer.

type register struct {
	Email string `json:"email"`
}

func (register) CommandType() string { return "register" }

type registered struct {
	Email string `json:"email"`
}

func (registered) EventType() string     { return "registered" }
func (e registered) EventTags() []string { return []string{"email:" + e.Email} }

var errTaken = deed.Reject("email-taken", "the address is in use")

type emailDecision = deed.Decision[bool, register, deed.Event]

var uniqueEmail = emailDecision{
	Category: "customer",
	Commands: []register{{}},
	Events:   []deed.Event{registered{}},
	Query: func(_ string, c register) []deed.Match {
		return []deed.Match{{Types: []string{"registered"}, Tags: []string{"email:" + c.Email}}}
	},
	Decide: func(taken bool, c register) ([]deed.Event, error) {
		if taken {
			return nil, errTaken
		}
		return []deed.Event{registered(c)}, nil
	},
	Evolve: func(bool, deed.Event) bool { return true },
}
