package orders

import (
	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/money"
)

// ConfirmedByItself is the greatest value that an order may have to be confirmed by itself.
var ConfirmedByItself = money.Cents(1000_00)

// WaitsForConfirmation tells whether an order of this value has to be confirmed by somebody: it is valuable, or not priced.
func WaitsForConfirmation(value money.Amount) bool {
	return value.IsZero() || value.Compare(ConfirmedByItself) > 0
}

// Confirmation is the process that confirms what needs nobody's consent, and lets the rest wait.
var Confirmation = deed.Process[Consent, Event]{
	Name:   "confirmation",
	Events: []Event{Placed{}},
	Key:    func(r deed.Recorded[Event]) string { return r.Stream.ID() },
	Evolve: Consent.Evolve,
	React: func(_ Consent, r deed.Recorded[Event]) []deed.Effect {
		placed, ok := r.Event.(Placed)
		switch {
		case !ok:
			return nil
		case WaitsForConfirmation(placed.Value):
			return []deed.Effect{Decider.Send(r.Stream.ID(), RequireConfirmation{})}
		}
		return []deed.Effect{Decider.Send(r.Stream.ID(), Confirm{})}
	},
}

// Consent is what the process keeps of an order: nothing, since all it needs is in the one event that it follows.
type Consent struct{}

// Evolve returns the consent after r.
func (c Consent) Evolve(deed.Recorded[Event]) Consent { return c }
