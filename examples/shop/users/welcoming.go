package users

import (
	"time"

	"github.com/deed-es/deed"
)

// WelcomeDelay is how long after being created a user is welcomed, unless told otherwise.
const WelcomeDelay = time.Second

// Welcoming is the process that welcomes a user a while after it was created, unless it is deleted first.
func Welcoming(delay time.Duration) deed.Process[Greeting, Event] {
	return deed.Process[Greeting, Event]{
		Name:   "welcome",
		Events: []Event{Created{}, Deleted{}},
		Key:    func(r deed.Recorded[Event]) string { return r.Stream.ID() },
		Evolve: Greeting.Evolve,
		React: func(_ Greeting, r deed.Recorded[Event]) []deed.Effect {
			switch r.Event.(type) {
			case Created:
				return []deed.Effect{Decider.Send(r.Stream.ID(), Welcome{}).In(delay).Named("welcome")}
			case Deleted:
				return []deed.Effect{deed.Cancel("welcome")}
			}
			return nil
		},
	}
}

// Greeting is what the process keeps of a user: nothing, since the log and the pending effect say all.
type Greeting struct{}

// Evolve returns the greeting after r.
func (g Greeting) Evolve(deed.Recorded[Event]) Greeting { return g }
