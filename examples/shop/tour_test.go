package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/examples/shop/users"
)

const (
	tea     = `{"description":"tea","quantity":2,"email":"ann@example.org","firstName":"Ann","lastName":"Lee"}`
	moreTea = `{"description":"more tea","quantity":1,"email":" ANN@example.org ","value":"12.50"}`
)

func TestTour(t *testing.T) {
	c, _ := start(t, "-data", t.TempDir())

	id, placed := c.order(tea)
	if got := placed.header.Get("Location"); got != "/orders/"+id {
		t.Errorf("Location %s", got)
	}
	row := decode[orders.Row](t, c.expect(c.get("/orders/"+id, placed), 200, ""))
	if row.ID != id || row.CustomerName != "Ann Lee" || row.Description != "tea" || row.Quantity != 2 || !row.Value.IsZero() {
		t.Errorf("got %+v", row)
	}

	id, placed = c.order(moreTea)
	row = decode[orders.Row](t, c.expect(c.get("/orders/"+id, placed), 200, ""))
	if row.CustomerName != "Ann Lee" || row.Value.String() != "12.5" {
		t.Errorf("only the e-mail address: got %+v", row)
	}
	customer := decode[customers.Overview](t, c.expect(c.get("/customers/Ann@Example.org", placed), 200, ""))
	if customer.Email != "ann@example.org" || customer.FirstName != "Ann" || customer.ID != row.CustomerID {
		t.Errorf("got %+v", customer)
	}

	nobody := c.do("POST", "/orders", `{"description":"tea","quantity":2,"email":"nobody@example.org","firstName":"No"}`)
	c.expect(nobody, 422, "")
	want := "Email for customer does not exist nor is full customer information provided"
	if got := decode[problem](t, nobody).Detail; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	c.expect(c.do("GET", "/customers/nobody@example.org", ""), 404, "not-found")
	c.expect(c.do("GET", "/orders/nothing", ""), 404, "not-found")
	c.expect(c.do("GET", "/", ""), 200, "")
	page := decode[struct{ Rows []struct{ Key string } }](t, c.get("/orders?order=-placedAt&where.customerId="+row.CustomerID, placed))
	if len(page.Rows) != 2 || page.Rows[0].Key != id {
		t.Errorf("got %+v, want %s first", page, id)
	}
}

func TestTheSameOrderTwiceIsOneOrder(t *testing.T) {
	c, _ := start(t, "-data", t.TempDir())
	first, placed := c.order(tea, "Idempotency-Key", "one")
	row := decode[orders.Row](t, c.get("/orders/"+first, placed))
	again, repeated := c.order(tea, "Idempotency-Key", "one")
	if again != first || repeated.position() == "" || repeated.header.Get("Deed-Again") != "true" {
		t.Errorf("%s, then %s", placed, repeated)
	}

	// The answer is still the first one when the customer is called otherwise by now.
	renamed := c.expect(c.do("POST", "/api/commands/customer/"+row.CustomerID+"/update", `{"lastName":"Poe"}`), 200, "")
	if again, _ = c.order(tea, "Idempotency-Key", "one"); again != first {
		t.Errorf("after a change of name: %s, then %s", first, again)
	}
	c.expect(c.do("POST", "/orders", strings.Replace(tea, "2", "3", 1), "Idempotency-Key", "one"), 422, "key-reused")

	other, _ := c.order(tea, "Idempotency-Key", "two")
	unkeyed, _ := c.order(tea)
	if other == first || unkeyed == first || unkeyed == other {
		t.Error("other keys, other orders:", first, other, unkeyed)
	}
	if n := len(c.log("type=order-placed")); n != 3 {
		t.Errorf("%d orders, want 3", n)
	}
	if n := len(c.log("type=customer-registered")); n != 1 {
		t.Errorf("%d customers, want 1", n)
	}
	if row := decode[orders.Row](t, c.get("/orders/"+first, renamed)); row.CustomerName != "Ann Poe" {
		t.Errorf("got %+v", row)
	}
}

// A client reads what it wrote, every time, while others write.
func TestAnOrderIsThereAtOnceUnderLoad(t *testing.T) {
	c, _ := start(t, "-data", t.TempDir())
	var done atomic.Bool
	var load sync.WaitGroup
	for n := range 8 {
		load.Go(func() {
			for i := 0; !done.Load(); i++ {
				body := fmt.Sprintf(`{"description":"load","quantity":1,"email":"load%d@example.org","firstName":"L","lastName":"%d","value":"%d"}`, n, n, 900+i%200)
				if a, err := c.call("POST", "/orders", body); err != nil || a.status != 201 {
					t.Errorf("load: %s, %v", a, err)
					return
				}
			}
		})
	}
	defer load.Wait()
	defer done.Store(true)
	const clients = 8
	all := rounds(1000, 100) / clients * clients
	for range all / clients {
		for _, a := range c.together(clients, func(int) (answer, error) {
			placed, err := c.call("POST", "/orders", tea)
			if err != nil || placed.status != 201 {
				return placed, err
			}
			return c.call("GET", placed.header.Get("Location"), "", "Deed-Position", placed.position(), "Prefer", "wait=30")
		}) {
			c.expect(a, 200, "")
		}
	}
	t.Logf("%d of %d orders were there at once, while 8 more clients placed others", all, all)
}

func TestConfirmation(t *testing.T) {
	c, _ := start(t, "-data", t.TempDir())
	small, _ := c.order(strings.Replace(tea, `"quantity":2`, `"quantity":2,"value":1000`, 1))
	large, _ := c.order(strings.Replace(tea, `"quantity":2`, `"quantity":2,"value":1000.01`, 1))
	status := func(want orders.Status) func(answer) bool {
		return func(a answer) bool { return a.status == 200 && decode[orders.Row](t, a).Status == want }
	}
	c.await("/orders/"+small, status(orders.StatusConfirmed))
	waiting := c.await("/api/views/confirmation-requests/"+large, status(orders.StatusUnconfirmed))
	if got := decode[orders.Request](t, waiting).Value.String(); got != "1000.01" {
		t.Errorf("value %s", got)
	}
	page := decode[struct{ Rows []struct{ Key string } }](t, c.get("/api/views/confirmation-requests", waiting))
	if len(page.Rows) != 1 || page.Rows[0].Key != large {
		t.Errorf("waiting: %+v", page)
	}

	confirm := "/api/commands/order/" + large + "/confirm"
	confirmed := c.expect(c.do("POST", confirm, "{}"), 200, "")
	c.expect(c.do("POST", confirm, "{}"), 409, "already-confirmed")
	c.expect(c.get("/api/views/confirmation-requests/"+large, confirmed), 404, "not-found")
	if row := decode[orders.Row](t, c.get("/orders/"+large, confirmed)); row.Status != orders.StatusConfirmed {
		t.Errorf("got %+v", row)
	}
	if n := len(c.log("type=order-confirmed")); n != 2 {
		t.Errorf("%d confirmations, want 2", n)
	}
}

func TestACustomerRenamedIsRenamedInAllRows(t *testing.T) {
	c, _ := start(t, "-data", t.TempDir())
	ids := map[string]bool{}
	for i := range 30 {
		id, _ := c.order(strings.Replace(tea, `"quantity":2`, fmt.Sprintf(`"quantity":2,"value":%d`, 990+i), 1))
		ids[id] = true
	}
	owner := decode[customers.Overview](t, c.await("/customers/ann@example.org", func(a answer) bool { return a.status == 200 })).ID
	renamed := c.expect(c.do("POST", "/api/commands/customer/"+owner+"/update", `{"lastName":"Poe"}`), 200, "")
	for _, view := range []string{"/orders", "/api/views/confirmation-requests"} {
		old := decode[struct{ Rows []any }](t, c.get(view+"?where.customerName=Ann+Lee", renamed))
		if len(old.Rows) != 0 {
			t.Errorf("%s: %d rows have the old name", view, len(old.Rows))
		}
	}
	rows := decode[struct{ Rows []struct{ Key string } }](t, c.get("/orders?where.customerName=Ann+Poe", renamed)).Rows
	for _, row := range rows {
		delete(ids, row.Key)
	}
	if len(ids) != 0 {
		t.Errorf("%d rows lack the new name", len(ids))
	}
}

// While the source of rates is away orders flow; when it is back the value is filled in.
func TestRatesAwayAndBack(t *testing.T) {
	sample, err := os.ReadFile("rates/testdata/eurofxref-daily.xml")
	if err != nil {
		t.Fatal(err)
	}
	var back atomic.Bool
	asked := make(chan struct{}, 100)
	bank := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !back.Load() {
			asked <- struct{}{}
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(sample)
	}))
	defer bank.Close()
	c, _ := start(t, "-data", t.TempDir(), "-rates", "ecb", "-ecb-url", bank.URL)

	id, _ := c.order(moreTeaOfBob)
	<-asked
	<-asked
	c.await("/orders/"+id, func(a answer) bool {
		if a.status != 200 {
			return false
		}
		row := decode[orders.Row](t, a)
		if row.USD.Date != "" {
			t.Fatalf("got %+v while the rates were away", row)
		}
		return row.Status == orders.StatusConfirmed
	})
	c.expect(c.do("GET", "/readyz", ""), 200, "")
	back.Store(true)
	row := decode[orders.Row](t, c.await("/orders/"+id, func(a answer) bool { return decode[orders.Row](t, a).USD.Date != "" }))
	if row.USD.Rate.String() != "1.1602" || row.USD.Value.String() != "14.5" || row.USD.Date != "2026-11-19" {
		t.Errorf("got %+v", row.USD)
	}
}

const moreTeaOfBob = `{"description":"tea","quantity":1,"email":"bob@example.org","firstName":"Bob","lastName":"Ray","value":12.50}`

func TestUsers(t *testing.T) {
	c, _ := start(t, "-data", t.TempDir(), "-welcome-delay", "1h")
	created := c.expect(c.do("POST", "/v1/users", `{"id":"mine","firstName":"Ann","lastName":"Lee"}`), 201, "")
	user := decode[userAnswer](t, created)
	path := "/v1/users/" + user.ID
	if user.ID == "mine" || user.Version != 1 || created.header.Get("Location") != path {
		t.Errorf("created %s at %s", created, created.header.Get("Location"))
	}
	other := decode[userAnswer](t, c.expect(c.do("POST", "/v1/users", `{"firstName":"Bob","lastName":"Ray"}`), 201, ""))

	updated := c.expect(c.do("PUT", path, `{"id":"`+other.ID+`","lastName":"Poe"}`), 200, "")
	if got := decode[userAnswer](t, updated); got.ID != user.ID || got.Version != 2 {
		t.Errorf("updated %+v", got)
	}
	if row := decode[users.Row](t, c.get(path, updated)); row.FirstName != "Ann" || row.LastName != "Poe" || row.Status != users.Active {
		t.Errorf("got %+v", row)
	}
	if row := decode[users.Row](t, c.get("/v1/users/"+other.ID, updated)); row.LastName != "Ray" {
		t.Errorf("the id in the body was taken: %+v", row)
	}
	if page := decode[struct{ Rows []any }](t, c.get("/v1/users", updated)); len(page.Rows) != 2 {
		t.Errorf("got %+v", page)
	}

	deleted := c.expect(c.do("DELETE", path, ""), 204, "")
	if row := decode[users.Row](t, c.get(path, deleted)); row.Status != users.Gone {
		t.Errorf("got %+v", row)
	}
	c.expect(c.do("DELETE", path, ""), 409, "user-deleted")
	c.expect(c.do("PUT", path, `{"lastName":"Poe"}`), 409, "user-deleted")
	c.expect(c.do("DELETE", "/v1/users/nobody", ""), 404, "not-found")
	c.expect(c.do("GET", "/v1/users/nobody", ""), 404, "not-found")
	history := decode[users.History](t, c.get("/api/views/user-history/"+user.ID, deleted))
	if len(history.Entries) != 3 || history.Entries[2].What != "deleted" {
		t.Errorf("got %+v", history)
	}
}
