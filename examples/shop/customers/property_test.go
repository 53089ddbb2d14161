package customers_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	. "github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/shoptest"
)

func FuzzCustomers(f *testing.F) {
	for n := range uint64(10) {
		f.Add(shoptest.Made(2, n, 10*int(n)))
	}
	f.Fuzz(checkCustomers)
}

func TestLongHistoriesOfCustomers(t *testing.T) {
	for n := range uint64(4) {
		t.Run(fmt.Sprint("seed ", 100+n), func(t *testing.T) { checkCustomers(t, shoptest.Made(2, 100+n, 500)) })
	}
}

// Whatever is asked of customers, in whatever order: the laws of package shoptest hold, an address belongs to one customer
// at a time, and the views show everybody who is not forgotten.
func checkCustomers(t *testing.T, data []byte) {
	t.Helper()
	d := shoptest.Thrown(data)
	log := shoptest.NewLog(t, d)
	shoptest.Decider(log, Decider)
	shoptest.Decision(log, Addressing)
	for d.Next() {
		id := d.ID(shoptest.Customers)
		command := d.Customer(id)
		if d.Chance(15) {
			command = Decider.Send(id, d.Classify())
		}
		if err := log.Do(command); errors.Is(err, ErrEmailTaken) {
			checkTaken(t, log.Records, command)
		}
	}
	known := checkBook(t, log.Records)
	if got := shoptest.Rows(log, OverviewView); !maps.Equal(got, known) {
		t.Errorf("the customers are\n%+v, want\n%+v", got, known)
	}
	forms := shoptest.Rows(log, FormView)
	for id, c := range known {
		form := forms[id]
		version := form.Version
		form.Version = 0
		if form != (Form{ID: id, Email: c.Email, FirstName: c.FirstName, LastName: c.LastName, Location: c.Location, EmailAllowed: c.EmailAllowed}) || version < 1 {
			t.Errorf("the form is %+v, of customer %+v", form, c)
		}
	}
	if len(forms) != len(known) {
		t.Errorf("%d forms of %d customers", len(forms), len(known))
	}
}

// checkTaken fails the test if the address that a command asks for is somebody's no more.
func checkTaken(t *testing.T, records []deed.Recorded[deed.Event], command deed.Effect) {
	t.Helper()
	var wanted string
	switch cmd := command.Command().(type) {
	case Register:
		wanted = cmd.Email
	case ChangeEmail:
		wanted = cmd.Email
	}
	now := map[string]string{} // addresses by customer
	for _, r := range records {
		switch e := r.Event.(type) {
		case Registered:
			now[r.Stream.ID()] = e.Email
		case EmailChanged:
			now[r.Stream.ID()] = e.Email
		case Forgotten:
			delete(now, r.Stream.ID())
		}
	}
	for owner, email := range now {
		if email == strings.ToLower(strings.TrimSpace(wanted)) && owner != command.Stream().ID() {
			return
		}
	}
	t.Errorf("%s is refused, though the address is nobody else's: %v", command, now)
}

// checkBook goes through what happened as who keeps a book of addresses would, and returns who is known in the end.
func checkBook(t *testing.T, records []deed.Recorded[deed.Event]) map[string]Overview {
	t.Helper()
	book, known, ever := map[string]string{}, map[string]Overview{}, map[string]bool{}
	for _, r := range records {
		id := r.Stream.ID()
		c, there := known[id]
		before, ok := c, there
		take := func(email string) {
			ok = ok && book[email] == "" && email == strings.ToLower(strings.TrimSpace(email)) && strings.Count(email, "@") == 1
			book[email], c.Email = id, email
		}
		switch e := r.Event.(type) {
		case Registered:
			ok = !ever[id] && e.CustomerID == id
			ever[id] = true
			c = Overview{ID: id, FirstName: e.FirstName, LastName: e.LastName, Location: e.Location, RegisteredAt: r.Time.Format("2006-01-02T15:04:05.000000Z07:00")}
			take(e.Email)
		case EmailChanged:
			ok = ok && e.CustomerID == id && e.Previous == c.Email
			take(e.Email)
			delete(book, e.Previous)
		case Updated:
			c.FirstName, c.LastName, c.Location = e.FirstName, e.LastName, e.Location
			ok = ok && e.CustomerID == id && c != before
		case EmailPermissionSet:
			c.EmailAllowed = e.Allowed
			ok = ok && e.CustomerID == id && c != before
		case Classified:
			ok = ok && e.CustomerID == id && e.PreviousClassification == c.Classification && e.PreviousValue == c.TotalValue && e.BasedOn != ""
			c.Classification, c.TotalValue = e.Classification, e.TotalValue
		case Forgotten:
			ok = ok && e.CustomerID == id && e.Released == EmailTag(c.Email) && e.Classification == c.Classification && e.TotalValue == c.TotalValue
			delete(book, c.Email)
		}
		if known[id] = c; r.Type == "customer-forgotten" {
			delete(known, id)
		}
		if !ok {
			t.Errorf("%s at version %d: %T%+v cannot be; the customer is %+v and the addresses belong to %v", r.Stream, r.Version, r.Event, r.Event, before, book)
		}
	}
	return known
}

// An address is one and the same in every way to write it, and so is its tag.
func FuzzEmail(f *testing.F) {
	for _, email := range []string{"", " Ann@Example.ORG ", "\u0130@x", "K@x", "a@b@c", "\xff@x", strings.Repeat("Ⱥ", 100) + "@x"} {
		f.Add(email)
	}
	f.Fuzz(func(t *testing.T, email string) {
		normal := NormalEmail(email)
		if NormalEmail(normal) != normal || EmailTag(email) != EmailTag(normal) || len(EmailTag(email)) > 255 {
			t.Errorf("%q is %q, and that %q", email, normal, NormalEmail(normal))
		}
		if err := CheckEmail(email); (err == nil) != (CheckEmail(normal) == nil) || err == nil && len(normal) > 254 {
			t.Errorf("%q: %v, and %q: %v", email, err, normal, CheckEmail(normal))
		}
	})
}
