package orders_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/customers"
	. "github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/examples/shop/shoptest"
)

func FuzzOrders(f *testing.F) {
	for n := range uint64(10) {
		f.Add(shoptest.Made(3, n, 10*int(n)))
	}
	f.Fuzz(checkOrders)
}

func TestLongHistoriesOfOrders(t *testing.T) {
	for n := range uint64(4) {
		t.Run(fmt.Sprint("seed ", 100+n), func(t *testing.T) { checkOrders(t, shoptest.Made(3, 100+n, 500)) })
	}
}

// Whatever is asked of orders and their customers, in whatever order: the laws of package shoptest hold, every order's story
// is one that the blueprint tells, and the views show it under the names that customers have now.
func checkOrders(t *testing.T, data []byte) {
	t.Helper()
	d := shoptest.Thrown(data)
	log := shoptest.NewLog(t, d)
	shoptest.Decider(log, customers.Decider)
	shoptest.Decision(log, customers.Addressing)
	shoptest.Decider(log, Decider)
	shoptest.Decision(log, Placement)
	shoptest.Process(log, Confirmation)
	for d.Next() {
		switch id := d.ID(shoptest.Orders); d.IntN(6) {
		case 0:
			_ = log.Do(d.Customer(d.ID(shoptest.Customers)))
		case 1, 2:
			_ = log.Do(Placement.Send(id, d.Place(d.Amount())))
		default:
			_ = log.Do(Decider.Send(id, d.Order(d.Amount())))
		}
	}
	log.Settle()
	want, waiting := checkAll(t, log.Records)
	if got := shoptest.Rows(log, View); !maps.Equal(got, want) {
		t.Errorf("the orders are\n%+v, want\n%+v", got, want)
	}
	if got := shoptest.Rows(log, RequestView); !maps.Equal(got, waiting) {
		t.Errorf("the requests are\n%+v, want\n%+v", got, waiting)
	}
}

// checkAll goes through what happened, and returns the orders as they are in the end, and those that wait.
func checkAll(t *testing.T, records []deed.Recorded[deed.Event]) (all map[string]Row, waiting map[string]Request) {
	t.Helper()
	all, waiting = map[string]Row{}, map[string]Request{}
	names := map[string]string{} // of the customers that there are
	rename := func(customer, name string) {
		names[customer] = name
		for id, o := range all {
			if o.CustomerID == customer {
				o.CustomerName = name
				all[id] = o
			}
		}
	}
	for _, r := range records {
		id := r.Stream.ID()
		o, there := all[id]
		open := o.Status == StatusNew || o.Status == StatusUnconfirmed
		ok := there
		switch e := r.Event.(type) {
		case customers.Registered:
			rename(id, e.FirstName+" "+e.LastName)
			continue
		case customers.Updated:
			rename(id, e.FirstName+" "+e.LastName)
			continue
		case customers.Forgotten:
			rename(id, "")
			delete(names, id)
			continue
		case customers.Event:
			continue
		case Placed:
			name, known := names[e.CustomerID]
			ok = !there && known && e.CustomerName == name && e.OrderID == id && e.Description != "" && e.Quantity >= 1 && e.Quantity <= 1_000_000
			o = Row{
				ID: id, CustomerID: e.CustomerID, CustomerName: name, Description: e.Description, Quantity: e.Quantity, Value: e.Value,
				Status: StatusNew, PlacedAt: r.Time.Format("2006-01-02T15:04:05.000000Z07:00"),
			}
		case Priced:
			ok, o.Value = ok && o.Status == StatusUnconfirmed && !e.Value.IsZero() && e.Value != o.Value, e.Value
		case ConfirmationRequired:
			ok, o.Status = ok && o.Status == StatusNew, StatusUnconfirmed
		case Confirmed:
			ok = ok && open && !o.Value.IsZero() && e.Value == o.Value && e.CustomerID == o.CustomerID
			o.Status = StatusConfirmed
		case Cancelled:
			ok = ok && open && e.Value == o.Value && e.CustomerID == o.CustomerID
			o.Status = StatusCancelled
		case USDValueAdded:
			o.USD = USD{Rate: e.Rate, Date: e.RateDate, Value: e.USDValue}
			ok = ok && !e.Rate.IsZero()
		}
		if !ok || o.Value.Compare(MaxValue) > 0 {
			t.Errorf("%s at version %d: %T%+v cannot be; the order is %+v", r.Stream, r.Version, r.Event, r.Event, all[id])
		}
		all[id] = o
	}
	for id, o := range all {
		switch o.Status {
		case StatusUnconfirmed:
			waiting[id] = Request{
				ID: id, CustomerID: o.CustomerID, CustomerName: o.CustomerName, Description: o.Description, Quantity: o.Quantity,
				Value: o.Value, Status: o.Status, PlacedAt: o.PlacedAt,
			}
		case StatusNew:
			t.Errorf("nobody has decided about %+v", o)
		}
	}
	return all, waiting
}
