package orders_test

import (
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
	. "github.com/deed-es/deed/examples/shop/orders"
)

var (
	tea       = placed("42", money.Cents(1200))
	teaPot    = placed("42", money.Cents(1000_01))
	unpriced  = placed("42", money.Amount{})
	confirmed = Confirmed{CustomerID: "7", Value: money.Cents(1200)}
	cancelled = Cancelled{CustomerID: "7", Value: money.Cents(1200), Reason: "changed my mind"}
	ann       = customers.Registered{CustomerID: "7", Email: "ann@example.org", FirstName: "Ann", LastName: "Lee"}
	annPoe    = customers.Updated{CustomerID: "7", FirstName: "Ann", LastName: "Poe"}
	annGone   = customers.Forgotten{CustomerID: "7", Released: customers.EmailTag("ann@example.org")}
)

func placed(id string, value money.Amount) Placed {
	return Placed{OrderID: id, CustomerID: "7", CustomerName: "Ann Lee", Description: "tea", Quantity: 2, Value: value}
}

func place(change func(*Place)) Place {
	cmd := Place{CustomerID: "7", CustomerName: "Ann Lee", Description: "tea", Quantity: 2, Value: money.Cents(1200)}
	if change != nil {
		change(&cmd)
	}
	return cmd
}

func TestPlace(t *testing.T) {
	order := deedtest.ForDecision(t, Placement).On("42")
	order.Given(ann).When(place(nil)).Then(tea)
	order.Given(ann, tea).When(place(nil)).Refused(ErrExists)
	order.Given(ann, placed("41", money.Cents(1200))).When(place(nil)).Then(tea)
	order.Given(ann).When(place(func(p *Place) { p.Value = money.Amount{} })).Then(unpriced)
}

func TestPlaceNeedsACustomerByItsName(t *testing.T) {
	order := deedtest.ForDecision(t, Placement).On("42")
	bob := customers.Registered{CustomerID: "8", Email: "bob@example.org", FirstName: "Bob", LastName: "Ray"}
	order.When(place(nil)).Refused(ErrCustomerUnknown)
	order.Given(bob).When(place(nil)).Refused(ErrCustomerUnknown)
	order.Given(ann, annGone).When(place(nil)).Refused(ErrCustomerUnknown)
	order.Given(ann, annPoe).When(place(nil)).Refused(ErrCustomerChanged)
	order.Given(ann, annPoe).When(place(func(p *Place) { p.CustomerName = "Ann Poe" })).
		Then(Placed{OrderID: "42", CustomerID: "7", CustomerName: "Ann Poe", Description: "tea", Quantity: 2, Value: money.Cents(1200)})
}

func TestPlaceLimits(t *testing.T) {
	order := deedtest.ForDecision(t, Placement).On("42").Given(ann)
	for _, c := range []struct {
		field  string
		change func(*Place)
	}{
		{"customerId", func(p *Place) { p.CustomerID = "" }},
		{"customerId", func(p *Place) { p.CustomerID = "a/b" }},
		{"customerId", func(p *Place) { p.CustomerID = strings.Repeat("7", 241) }},
		{"customerName", func(p *Place) { p.CustomerName = " " }},
		{"customerName", func(p *Place) { p.CustomerName = strings.Repeat("ü", 202) }},
		{"description", func(p *Place) { p.Description = "" }},
		{"description", func(p *Place) { p.Description = strings.Repeat("t", 100_001) }},
		{"quantity", func(p *Place) { p.Quantity = 0 }},
		{"quantity", func(p *Place) { p.Quantity = -1 }},
		{"quantity", func(p *Place) { p.Quantity = 1_000_001 }},
		{"value", func(p *Place) { p.Value = money.Cents(100_000_000_000_000) }},
	} {
		order.When(place(c.change)).Invalid(c.field)
	}
	order.On(strings.Repeat("1", 250)).When(place(nil)).Invalid("id")
	most := place(func(p *Place) {
		p.Description, p.Quantity, p.Value = strings.Repeat("t", 100_000), 1_000_000, MaxValue
	})
	order.When(most).Then(Placed{
		OrderID: "42", CustomerID: "7", CustomerName: "Ann Lee", Description: most.Description, Quantity: 1_000_000, Value: MaxValue,
	})
	if MaxValue.String() != "999999999999.99" {
		t.Error(MaxValue)
	}
}

func TestPrice(t *testing.T) {
	order := deedtest.For(t, Decider)
	waiting := order.Given(unpriced, ConfirmationRequired{})
	waiting.When(Price{Value: money.Cents(1200)}).Then(Priced{Value: money.Cents(1200)})
	waiting.Given(Priced{Value: money.Cents(1200)}).When(Price{Value: money.Cents(1200)}).Nothing()
	waiting.Given(Priced{Value: money.Cents(1200)}).When(Price{Value: money.Cents(1300)}).Then(Priced{Value: money.Cents(1300)})
	waiting.When(Price{}).Invalid("value")
	waiting.When(Price{Value: money.Cents(100_000_000_000_000)}).Invalid("value")
	order.When(Price{Value: money.Cents(1200)}).Refused(ErrNone)
	order.Given(unpriced).When(Price{Value: money.Cents(1200)}).Refused(ErrNotWaiting)
	order.Given(tea, confirmed).When(Price{Value: money.Cents(1200)}).Refused(ErrConfirmed)
	waiting.Given(cancelled).When(Price{Value: money.Cents(1200)}).Refused(ErrCancelled)
}

func TestRequireConfirmation(t *testing.T) {
	order := deedtest.For(t, Decider)
	order.When(RequireConfirmation{}).Refused(ErrNone)
	order.Given(tea).When(RequireConfirmation{}).Then(ConfirmationRequired{})
	order.Given(tea, ConfirmationRequired{}).When(RequireConfirmation{}).Refused(ErrRequired)
	order.Given(tea, confirmed).When(RequireConfirmation{}).Refused(ErrConfirmed)
	order.Given(tea, cancelled).When(RequireConfirmation{}).Refused(ErrCancelled)
}

func TestConfirm(t *testing.T) {
	order := deedtest.For(t, Decider)
	order.When(Confirm{}).Refused(ErrNone)
	order.Given(tea).When(Confirm{}).Then(confirmed)
	order.Given(teaPot, ConfirmationRequired{}).When(Confirm{}).Then(Confirmed{CustomerID: "7", Value: money.Cents(1000_01)})
	order.Given(unpriced).When(Confirm{}).Refused(ErrNotPriced)
	order.Given(unpriced, ConfirmationRequired{}).When(Confirm{}).Refused(ErrNotPriced)
	order.Given(unpriced, ConfirmationRequired{}, Priced{Value: money.Cents(1200)}).When(Confirm{}).Then(confirmed)
	order.Given(tea, confirmed).When(Confirm{}).Refused(ErrConfirmed)
	order.Given(tea, cancelled).When(Confirm{}).Refused(ErrCancelled)
}

func TestCancel(t *testing.T) {
	order := deedtest.For(t, Decider)
	cmd := Cancel{Reason: "changed my mind"}
	order.When(cmd).Refused(ErrNone)
	order.Given(tea).When(cmd).Then(cancelled)
	order.Given(tea, ConfirmationRequired{}).When(cmd).Then(cancelled)
	order.Given(tea).When(Cancel{}).Invalid("reason")
	order.Given(tea).When(Cancel{Reason: strings.Repeat("x", 1001)}).Invalid("reason")
	order.Given(tea, confirmed).When(cmd).Refused(ErrConfirmed)
	order.Given(tea, cancelled).When(cmd).Refused(ErrCancelled)
}

func TestAddUSDRate(t *testing.T) {
	rate, err := money.ParseRate("1.1587")
	if err != nil {
		t.Fatal(err)
	}
	cmd := AddUSDRate{Rate: rate, RateDate: "2026-11-20", USDValue: money.Cents(1390)}
	order := deedtest.For(t, Decider)
	order.When(cmd).Refused(ErrNone)
	order.Given(tea).When(cmd).Then(USDValueAdded(cmd))
	order.Given(tea, USDValueAdded(cmd)).When(cmd).Nothing()
	order.Given(tea, confirmed).When(cmd).Then(USDValueAdded(cmd))
	order.Given(tea, cancelled).When(cmd).Then(USDValueAdded(cmd))
	order.Given(tea).When(AddUSDRate{RateDate: "2026-11-20"}).Invalid("rate")
	order.Given(tea).When(AddUSDRate{Rate: rate, RateDate: "20.11.2026"}).Invalid("rateDate")
}

func TestConfirmation(t *testing.T) {
	process := deedtest.React(t, Confirmation).On("42")
	for value, want := range map[money.Amount]Command{
		{}:                       RequireConfirmation{},
		money.Cents(1):           Confirm{},
		money.Cents(999_99):      Confirm{},
		money.Cents(1000_00):     Confirm{},
		money.Cents(1000_01):     RequireConfirmation{},
		money.Cents(999_999_999): RequireConfirmation{},
	} {
		process.When(placed("42", value)).Then(Decider.Send("42", want))
	}
	process.Given(tea).When(confirmed).Nothing()
}

func TestTheProcessDecidesOnce(t *testing.T) {
	s := deedtest.Serve(t, Decider, Placement, Confirmation, customers.Addressing, View, RequestView)
	s.Send(customers.Addressing.Send("7", customers.Register{Email: ann.Email, FirstName: "Ann", LastName: "Lee"}))
	s.Send(Placement.Send("41", place(func(p *Place) { p.Value = money.Cents(1000_00) })))
	s.Send(Placement.Send("42", place(func(p *Place) { p.Value = money.Cents(1000_01) })))
	s.Settle()
	for id, want := range map[string]Status{"41": StatusConfirmed, "42": StatusUnconfirmed} {
		row, err := View.View(s.DB).Get(s.Context(), id, 0)
		if err != nil || row.Status != want {
			t.Errorf("%s is %s, %v; want %s", id, row.Status, err, want)
		}
	}
	requests, err := RequestView.View(s.DB).List(s.Context(), nil, deed.Page{}, 0)
	if err != nil || len(requests.Rows) != 1 || requests.Rows[0].Key != "42" || requests.Rows[0].Row.Status != StatusUnconfirmed {
		t.Fatal(requests, err)
	}
	s.Send(Decider.Send("42", Confirm{}))
	s.Settle()
	requests, err = RequestView.View(s.DB).List(s.Context(), nil, deed.Page{}, 0)
	if err != nil || len(requests.Rows) != 0 {
		t.Fatal(requests, err)
	}
}

func TestView(t *testing.T) {
	rate, _ := money.ParseRate("1.5")
	row := Row{
		ID: "42", CustomerID: "7", CustomerName: "Ann Lee", Description: "tea", Quantity: 2, Value: money.Cents(1200), Status: StatusNew,
		PlacedAt: deedtest.Start.Format("2006-01-02T15:04:05.000000Z07:00"),
	}
	with := func(change func(*Row)) Row {
		changed := row
		change(&changed)
		return changed
	}
	view := deedtest.Project(t, View).On("42")
	view.Given(tea).Then(row)
	view.Given(tea, confirmed).Then(with(func(r *Row) { r.Status = StatusConfirmed }))
	view.Given(tea, cancelled).Then(with(func(r *Row) { r.Status = StatusCancelled }))
	view.Given(tea, ConfirmationRequired{}, Priced{Value: money.Cents(500)}).
		Then(with(func(r *Row) { r.Status, r.Value = StatusUnconfirmed, money.Cents(500) }))
	view.Given(tea, USDValueAdded{Rate: rate, RateDate: "2026-11-20", USDValue: money.Cents(1800)}).
		Then(with(func(r *Row) { r.USD = USD{Rate: rate, Date: "2026-11-20", Value: money.Cents(1800)} }))
	view.Given(tea).On("7").Given(ann, annPoe).ThenRow("42", with(func(r *Row) { r.CustomerName = "Ann Poe" }))
	view.Given(tea).On("7").Given(annGone).ThenRow("42", with(func(r *Row) { r.CustomerName = "" }))
	view.Given(tea).On("8").Given(customers.Updated{CustomerID: "8", FirstName: "Bob", LastName: "Ray"}).ThenRow("42", row)
}

func TestRequestView(t *testing.T) {
	request := Request{
		ID: "42", CustomerID: "7", CustomerName: "Ann Lee", Description: "tea", Quantity: 2, Value: money.Cents(1000_01),
		Status: StatusNew, PlacedAt: deedtest.Start.Format("2006-01-02T15:04:05.000000Z07:00"),
	}
	waiting := request
	waiting.Status = StatusUnconfirmed
	view := deedtest.Project(t, RequestView).On("42")
	view.Given(teaPot).Then(request)
	view.Given(teaPot, ConfirmationRequired{}).Then(waiting)
	view.Given(teaPot, ConfirmationRequired{}, Confirmed{CustomerID: "7", Value: money.Cents(1000_01)}).Gone()
	view.Given(teaPot, ConfirmationRequired{}, Cancelled{CustomerID: "7", Reason: "no"}).Gone()
	view.Given(tea).Gone()
	view.Given(tea, confirmed).Gone()

	priced, renamed, nameless := waiting, waiting, waiting
	priced.Value, renamed.CustomerName, nameless.CustomerName = money.Cents(500), "Ann Poe", ""
	view.Given(teaPot, ConfirmationRequired{}, Priced{Value: money.Cents(500)}).Then(priced)
	view.Given(teaPot, ConfirmationRequired{}).On("7").Given(annPoe).ThenRow("42", renamed)
	view.Given(teaPot, ConfirmationRequired{}).On("7").Given(annGone).ThenRow("42", nameless)
}

func TestEvolveIsFrozen(t *testing.T) { deedtest.Frozen(t, Decider) }
