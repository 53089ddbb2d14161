package console_test

import (
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// Rows of a view that is made of a stream's events under another key are found by what the events name.
func TestBothSidesByWhatEventsName(t *testing.T) {
	items := deed.Projection[int, cart.Event]{
		Name: "items", Events: []cart.Event{cart.ItemAdded{}},
		Key:    func(r deed.Recorded[cart.Event]) string { return r.Event.(cart.ItemAdded).SKU },
		Evolve: func(n int, _ deed.Recorded[cart.Event]) int { return n + 1 },
	}
	s := open(t, nil, cart.Decider, items)
	for _, sku := range []string{"tea", "pot"} {
		for _, id := range []string{"1", "2"} {
			if sku == "tea" {
				s.Send(cart.Decider.Send(id, cart.Open{Owner: "ann"}))
			}
			s.Send(cart.Decider.Send(id, cart.AddItem{SKU: sku}))
		}
	}
	s.Send(cart.Decider.Send("2", cart.AddItem{SKU: "cup"}))
	s.Settle()
	page := s.get(200, "/console/streams/cart-1/rows")
	page.has(t, `data-view="items"`, `data-key="tea"`, `data-key="pot"`, "of the events")
	page.hasNot(t, `data-key="cup"`)
}
