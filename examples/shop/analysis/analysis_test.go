package analysis_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	. "github.com/deed-es/deed/examples/shop/analysis"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
	"github.com/deed-es/deed/examples/shop/orders"
)

var (
	ann  = customers.Registered{CustomerID: "7", Email: "ann@example.org", FirstName: "Ann", LastName: "Lee"}
	gone = customers.Forgotten{
		CustomerID: "7", Released: customers.EmailTag("ann@example.org"), Classification: customers.Silver, TotalValue: money.Cents(1500_00),
	}
)

func confirmed(customer string, cents int64) orders.Confirmed {
	return orders.Confirmed{CustomerID: customer, Value: money.Cents(cents)}
}

func classify(class customers.Classification, cents int64) deed.Effect {
	return customers.Decider.Send("7", customers.Classify{Classification: class, TotalValue: money.Cents(cents), BasedOn: "thing-42"})
}

func TestClass(t *testing.T) {
	for cents, want := range map[int64]customers.Classification{
		0: customers.Bronze, 1: customers.Bronze, 999_99: customers.Bronze,
		1000_00: customers.Silver, 4999_99: customers.Silver,
		5000_00: customers.Gold, 100_000_000_00: customers.Gold,
	} {
		if got := Class(money.Cents(cents)); got != want {
			t.Errorf("%s is %s, want %s", money.Cents(cents), got, want)
		}
	}
}

func TestClassification(t *testing.T) {
	process := deedtest.React(t, Classification)
	process.When(confirmed("7", 999_99)).Then(classify(customers.Bronze, 999_99))
	process.When(confirmed("7", 1000_00)).Then(classify(customers.Silver, 1000_00))
	process.When(confirmed("7", 5000_00)).Then(classify(customers.Gold, 5000_00))
	some := process.Given(confirmed("7", 600_00), confirmed("8", 9000_00))
	some.When(confirmed("7", 399_99)).Then(classify(customers.Bronze, 999_99))
	some.When(confirmed("7", 400_00)).Then(classify(customers.Silver, 1000_00))
	some.Given(confirmed("7", 400_00)).When(confirmed("7", 4000_00)).Then(classify(customers.Gold, 5000_00))
}

func TestNothingIsKeptOfAForgottenCustomer(t *testing.T) {
	process := deedtest.React(t, Classification).On("7").Given(confirmed("7", 4000_00))
	process.When(gone).Nothing()
	process.Given(gone).When(confirmed("7", 1_00)).
		Then(customers.Decider.Send("7", customers.Classify{Classification: customers.Bronze, TotalValue: money.Cents(1_00), BasedOn: "thing-7"}))
}

// The whole way: from an order that is placed to the class of its customer.
func TestACustomerIsClassifiedByWhatIsConfirmed(t *testing.T) {
	s := deedtest.Serve(t, customers.Decider, customers.Addressing, customers.OverviewView, orders.Decider, orders.Placement,
		orders.Confirmation, Classification, ClassificationsView, ReportView)
	for _, id := range []string{"7", "8"} {
		s.Send(customers.Addressing.Send(id, customers.Register{Email: id + "@example.org", FirstName: "Ann", LastName: "Lee"}))
	}
	place := func(id, customer string, cents int64) {
		t.Helper()
		s.Send(orders.Placement.Send(id, orders.Place{
			CustomerID: customer, CustomerName: "Ann Lee", Description: "tea", Quantity: 1, Value: money.Cents(cents),
		}))
		s.Settle()
	}
	expect := func(customer string, class customers.Classification, total money.Amount) {
		t.Helper()
		row, err := customers.OverviewView.View(s.DB).Get(s.Context(), customer, 0)
		if err != nil || row.Classification != class || row.TotalValue != total {
			t.Fatalf("customer %s is %+v, %v; want %s with %s", customer, row, err, class, total)
		}
	}
	s.Settle()
	expect("7", "", money.Amount{})
	place("a", "7", 900_00)
	expect("7", customers.Bronze, money.Cents(900_00))
	place("b", "7", 4100_00) // waits
	expect("7", customers.Bronze, money.Cents(900_00))
	s.Send(orders.Decider.Send("b", orders.Confirm{}))
	s.Settle()
	expect("7", customers.Gold, money.Cents(5000_00))
	place("c", "8", 999_99)
	place("d", "8", 0) // to be priced
	expect("8", customers.Bronze, money.Cents(999_99))

	share := func(class string) Share {
		t.Helper()
		row, err := ClassificationsView.View(s.DB).Get(s.Context(), class, 0)
		if err != nil {
			t.Fatal(err)
		}
		return row
	}
	if v := share("gold"); v.Customers != 1 || v.Value != money.Cents(5000_00) {
		t.Errorf("got %+v", v)
	}
	if v := share("bronze"); v.Customers != 1 || v.Value != money.Cents(999_99) {
		t.Errorf("got %+v", v)
	}
	report, err := ReportView.View(s.DB).Get(s.Context(), "8", 0)
	if err != nil || report.Orders != 2 || report.Confirmed != 1 || report.Total != money.Cents(999_99) || report.Classification != customers.Bronze {
		t.Errorf("got %+v, %v", report, err)
	}
	s.Send(customers.Decider.Send("7", customers.Forget{}))
	s.Settle()
	if v := share("gold"); v.Customers != 0 || !v.Value.IsZero() {
		t.Errorf("got %+v", v)
	}
}

func TestClassificationsView(t *testing.T) {
	first := customers.Classified{CustomerID: "7", Classification: customers.Bronze, TotalValue: money.Cents(500_00), BasedOn: "order-1"}
	more := customers.Classified{
		CustomerID: "7", Classification: customers.Bronze, TotalValue: money.Cents(600_00), BasedOn: "order-2",
		PreviousClassification: customers.Bronze, PreviousValue: money.Cents(500_00),
	}
	risen := customers.Classified{
		CustomerID: "7", Classification: customers.Silver, TotalValue: money.Cents(1500_00), BasedOn: "order-3",
		PreviousClassification: customers.Bronze, PreviousValue: money.Cents(600_00),
	}
	other := customers.Classified{CustomerID: "8", Classification: customers.Bronze, TotalValue: money.Cents(1_00), BasedOn: "order-4"}
	share := func(class customers.Classification, days ...Day) Share {
		last := days[len(days)-1]
		return Share{Classification: class, Customers: last.Customers, Value: last.Value, Days: days}
	}
	today, tomorrow := deedtest.Start, deedtest.Start.Add(24*time.Hour)
	day, next := today.Format(time.DateOnly), tomorrow.Format(time.DateOnly)

	view := deedtest.Project(t, ClassificationsView).On("7").At(today)
	view.Given(first).ThenRow("bronze", share(customers.Bronze, Day{day, 1, money.Cents(500_00)}))
	view.Given(first, more).ThenRow("bronze", share(customers.Bronze, Day{day, 1, money.Cents(600_00)}))
	both := view.Given(first, more).On("8").Given(other).On("7").At(tomorrow).Given(risen)
	both.ThenRow("bronze", share(customers.Bronze, Day{day, 2, money.Cents(601_00)}, Day{next, 1, money.Cents(1_00)}))
	both.ThenRow("silver", share(customers.Silver, Day{next, 1, money.Cents(1500_00)}))
	both.Given(gone).ThenRow("silver", share(customers.Silver, Day{next, 0, money.Amount{}}))
	view.On("gold").Given(first, customers.Forgotten{CustomerID: "9", Released: customers.EmailTag("b@x")}).Gone()
}

func TestTheDaysOfAClassAreBounded(t *testing.T) {
	var v Share
	for i := range 250 {
		v = v.Evolve(deed.Recorded[customers.Event]{
			Event:  customers.Classified{CustomerID: strconv.Itoa(i), Classification: customers.Gold, TotalValue: money.Cents(1)},
			Record: deed.Record{Time: deedtest.Start.Add(time.Duration(i) * 24 * time.Hour)},
		})
	}
	if len(v.Days) != 100 || v.Earlier != 150 || v.Customers != 250 || v.Days[99].Customers != 250 {
		t.Fatalf("%d days, %d earlier, %d customers", len(v.Days), v.Earlier, v.Customers)
	}
}

func TestReportView(t *testing.T) {
	report := Report{CustomerID: "7", Email: "ann@example.org", FirstName: "Ann", LastName: "Lee"}
	with := func(change func(*Report)) Report {
		changed := report
		change(&changed)
		return changed
	}
	tea := orders.Placed{OrderID: "42", CustomerID: "7", CustomerName: "Ann Lee", Description: "tea", Quantity: 1, Value: money.Cents(12_00)}
	sent := campaigns.EmailSent{CampaignID: "c", CustomerID: "7", MessageID: "<m@x>"}
	view := deedtest.Project(t, ReportView).On("7").Given(ann)
	view.Then(report)
	view.Given(customers.Updated{CustomerID: "7", FirstName: "Bo", LastName: "Poe"}, customers.EmailChanged{CustomerID: "7", Email: "b@x"}).
		Then(with(func(r *Report) { r.FirstName, r.LastName, r.Email = "Bo", "Poe", "b@x" }))
	view.Given(customers.Classified{CustomerID: "7", Classification: customers.Gold}).
		Then(with(func(r *Report) { r.Classification = customers.Gold }))
	view.On("42").Given(tea, tea, tea, confirmed("7", 12_00), confirmed("7", 8_50), orders.Cancelled{CustomerID: "7"}).
		ThenRow("7", with(func(r *Report) { r.Orders, r.Confirmed, r.Cancelled, r.Total = 3, 2, 1, money.Cents(20_50) }))
	view.On("c").Given(sent, campaigns.EmailReacted{CampaignID: "c", CustomerID: "7", Kind: "opened"}).
		ThenRow("7", with(func(r *Report) { r.Mails, r.Reactions = 1, 1 }))
	view.Given(gone).Gone()
	view.Given(gone).On("42").Given(confirmed("7", 12_00)).On("7").Gone()
}

func TestTheStandingIsASum(t *testing.T) {
	var all Standing
	for i := range int64(1000) {
		all = all.Evolve(deed.Recorded[deed.Event]{Event: confirmed("7", i)})
	}
	if got := fmt.Sprint(all.Total); got != "4995" {
		t.Error(got)
	}
}
