package analysis_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/deed-es/deed"
	. "github.com/deed-es/deed/examples/shop/analysis"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/examples/shop/shoptest"
)

func FuzzAnalysis(f *testing.F) {
	for n := range uint64(10) {
		f.Add(shoptest.Made(5, n, 10*int(n)))
	}
	f.Fuzz(checkAnalysis)
}

func TestLongHistoriesOfAnalysis(t *testing.T) {
	for n := range uint64(4) {
		t.Run(fmt.Sprint("seed ", 100+n), func(t *testing.T) { checkAnalysis(t, shoptest.Made(5, 100+n, 500)) })
	}
}

// Whatever customers do: the laws of package shoptest hold, every customer is in the class that the confirmed orders make,
// and the classes and the reports add up to the customers.
func checkAnalysis(t *testing.T, data []byte) {
	t.Helper()
	d := shoptest.Thrown(data)
	log := shoptest.NewLog(t, d)
	shoptest.Decider(log, customers.Decider)
	shoptest.Decision(log, customers.Addressing)
	shoptest.Decider(log, orders.Decider)
	shoptest.Decision(log, orders.Placement)
	shoptest.Decider(log, campaigns.Decider)
	shoptest.Decision(log, campaigns.Mailing)
	shoptest.Process(log, orders.Confirmation)
	shoptest.Process(log, Classification)
	for d.Next() {
		switch order, campaign := d.ID(shoptest.Orders), d.ID(shoptest.Campaigns); d.IntN(10) {
		case 0, 1:
			_ = log.Do(d.Customer(d.ID(shoptest.Customers)))
		case 2, 3, 4, 5:
			_ = log.Do(orders.Placement.Send(order, d.Place(d.Price())))
		case 6:
			_ = log.Do(campaigns.Decider.Send(campaign, d.Campaign()))
		case 7:
			_ = log.Do(campaigns.Mailing.Send(campaign, d.Mail()))
		default:
			_ = log.Do(orders.Decider.Send(order, d.Order(d.Price())))
		}
	}
	log.Settle()
	reports := checkReports(t, log.Records)
	if got := shoptest.Rows(log, ReportView); !maps.Equal(got, reports) {
		t.Errorf("the reports are\n%+v, want\n%+v", got, reports)
	}
	checkShares(t, shoptest.Rows(log, ClassificationsView, "bronze", "silver", "gold"), reports)
}

// checkReports goes through what happened, and returns what it comes to for each customer.
func checkReports(t *testing.T, records []deed.Recorded[deed.Event]) map[string]Report {
	t.Helper()
	all := map[string]Report{}
	change := func(customer string, f func(*Report)) {
		if v, known := all[customer]; known {
			f(&v)
			all[customer] = v
		}
	}
	for _, r := range records {
		id := r.Stream.ID()
		switch e := r.Event.(type) {
		case customers.Registered:
			all[id] = Report{CustomerID: id, Email: e.Email, FirstName: e.FirstName, LastName: e.LastName}
		case customers.Updated:
			change(id, func(v *Report) { v.FirstName, v.LastName = e.FirstName, e.LastName })
		case customers.EmailChanged:
			change(id, func(v *Report) { v.Email = e.Email })
		case customers.Classified:
			if e.Classification != classOf(t, e.TotalValue) || e.TotalValue.Compare(all[id].Total) > 0 {
				t.Errorf("%s at version %d: %+v cannot be; the confirmed orders are worth %s", r.Stream, r.Version, e, all[id].Total)
			}
		case customers.Forgotten:
			delete(all, id)
		case orders.Placed:
			change(e.CustomerID, func(v *Report) { v.Orders++ })
		case orders.Confirmed:
			change(e.CustomerID, func(v *Report) {
				v.Confirmed++
				v.Total = v.Total.Add(e.Value)
				v.Classification = classOf(t, v.Total) // as it will be, once all has settled
			})
		case orders.Cancelled:
			change(e.CustomerID, func(v *Report) { v.Cancelled++ })
		case campaigns.EmailSent:
			change(e.CustomerID, func(v *Report) { v.Mails++ })
		case campaigns.EmailReacted:
			change(e.CustomerID, func(v *Report) { v.Reactions++ })
		}
	}
	return all
}

// classOf says in other words what class so much makes.
func classOf(t *testing.T, total money.Amount) customers.Classification {
	t.Helper()
	left := func(limit string) money.Amount {
		most, err := money.Parse(limit)
		if err != nil {
			t.Fatal(err)
		}
		return total.Sub(most)
	}
	switch {
	case left("999.99").IsZero():
		return customers.Bronze
	case left("4999.99").IsZero():
		return customers.Silver
	}
	return customers.Gold
}

// checkShares holds the classes against the customers in them.
func checkShares(t *testing.T, shares map[string]Share, reports map[string]Report) {
	t.Helper()
	type sum struct {
		customers int
		value     string
	}
	want, got := map[string]sum{}, map[string]sum{}
	values := map[string]money.Amount{}
	for _, v := range reports {
		if class := string(v.Classification); class != "" {
			values[class] = values[class].Add(v.Total)
			want[class] = sum{want[class].customers + 1, values[class].String()}
		}
	}
	for class, share := range shares {
		if string(share.Classification) != class || len(share.Days) == 0 || len(share.Days) > 100 {
			t.Errorf("%s: %+v", class, share)
		} else if last := share.Days[len(share.Days)-1]; last.Customers != share.Customers || last.Value != share.Value {
			t.Errorf("%s: the last day is not as it is now: %+v", class, share)
		}
		if share.Customers > 0 || !share.Value.IsZero() {
			got[class] = sum{share.Customers, share.Value.String()}
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("the classes make up %+v, want %+v", got, want)
	}
}
