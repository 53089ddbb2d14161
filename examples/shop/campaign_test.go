package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed/examples/shop/analysis"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/mail"
	"github.com/deed-es/deed/examples/shop/mail/smtptest"
)

// mailServer runs a mail server until the test ends.
func mailServer(t *testing.T, o smtptest.Options) (addr string) {
	t.Helper()
	s, err := smtptest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.Addr
}

// buyer lets somebody buy for so much, waits for the class that this makes, and returns the customer's id.
func (c *client) buyer(name, value string, class customers.Classification) string {
	c.t.Helper()
	email := name + "@example.org"
	id, _ := c.order(fmt.Sprintf(`{"description":"tea","quantity":1,"email":%q,"firstName":%q,"lastName":"Lee","value":%q}`, email, name, value))
	if a := c.do("POST", "/api/commands/order/"+id+"/confirm", "{}"); a.status != 200 {
		c.expect(a, 409, "already-confirmed")
	}
	return decode[customers.Overview](c.t, c.await("/customers/"+email, func(a answer) bool {
		return a.status == 200 && decode[customers.Overview](c.t, a).Classification == class
	})).ID
}

func (c *client) permit(customer string, allowed bool) {
	c.t.Helper()
	c.expect(c.do("POST", "/api/commands/customer/"+customer+"/permit-email", fmt.Sprintf(`{"allowed":%t}`, allowed)), 200, "")
}

// campaign creates a campaign for a class and starts it.
func (c *client) campaign(class customers.Classification) (path string) {
	c.t.Helper()
	body := fmt.Sprintf(`{"name":"spring","classification":%q,"subject":"Tea","body":"There is tea."}`, class)
	created := c.expect(c.do("POST", "/campaigns", body), 201, "")
	path = created.header.Get("Location")
	if id := decode[campaignAnswer](c.t, created).ID; path != "/campaigns/"+id {
		c.t.Errorf("created %s at %s", created, path)
	}
	c.expect(c.do("POST", path+"/start", ""), 200, "")
	return path
}

// awaitTotals waits until a campaign's row is as wanted, and fails if its totals do not add up meanwhile.
func (c *client) awaitTotals(path string, ok func(campaigns.Row) bool) (campaigns.Row, answer) {
	c.t.Helper()
	a := c.await(path, func(a answer) bool {
		if a.status != 200 {
			return false
		}
		row := decode[campaigns.Row](c.t, a)
		if row.Requested != row.Pending+row.Sent+row.Failed+row.Skipped || row.Pending < 0 || row.Reacted > row.Sent {
			c.t.Fatalf("the totals do not add up: %+v", row)
		}
		return ok(row)
	})
	return decode[campaigns.Row](c.t, a), a
}

// The campaign tour: customers of three classes, one who withdraws permission between the request and the sending, one whom
// the mail server does not know, and totals that add up.
func TestCampaignTour(t *testing.T) {
	held, release := make(chan string, 10), make(chan struct{})
	mails := make(chan smtptest.Message, 10)
	addr := mailServer(t, smtptest.Options{
		Admit: func(to string) error {
			if strings.HasPrefix(to, "gone") {
				return smtptest.Refuse(550, "no such mailbox")
			}
			return nil
		},
		Take: func(m smtptest.Message) error {
			held <- m.To
			<-release
			mails <- m
			return nil
		},
	})
	c, _ := start(t, "-data", t.TempDir(), "-smtp", addr)

	gold := map[string]string{} // address → id
	for _, name := range []string{"ann", "bob", "cem", "gone"} {
		gold[name+"@example.org"] = c.buyer(name, "5000", customers.Gold)
	}
	silver, bronze := c.buyer("silver", "4999.99", customers.Silver), c.buyer("bronze", "999.99", customers.Bronze)
	for _, id := range append(slices.Collect(maps.Values(gold)), silver, bronze) {
		c.permit(id, true)
	}
	c.buyer("quiet", "9000", customers.Gold) // permits no mail

	path := c.campaign(customers.Gold)
	var first string
	select {
	case first = <-held:
	case <-time.After(patience):
		t.Fatal("no mail came")
	}
	c.awaitTotals(path, func(r campaigns.Row) bool { return r.Requested == 4 })
	withdrawn := "ann@example.org"
	if first == withdrawn {
		withdrawn = "bob@example.org"
	}
	c.permit(gold[withdrawn], false)
	close(release)
	row, seen := c.awaitTotals(path, func(r campaigns.Row) bool { return r.Requested == 4 && r.Pending == 0 })
	if row.Sent != 2 || row.Failed != 1 || row.Skipped != 1 || row.Status != campaigns.StatusStarted {
		t.Errorf("got %+v", row)
	}
	close(mails)
	for m := range mails {
		if gold[m.To] == "" || m.To == withdrawn || m.From != "shop@example.org" || m.Get("Subject") != "Tea" {
			t.Errorf("a mail from %s to %s: %s", m.From, m.To, m.Raw)
		}
	}

	reaction := fmt.Sprintf(`{"customerId":%q,"kind":"opened"}`, gold[first])
	reacted := c.expect(c.do("POST", "/api/commands/campaign/"+row.ID+"/record-reaction", reaction), 200, "")
	if row := decode[campaigns.Row](t, c.get(path, reacted)); row.Reacted != 1 {
		t.Errorf("got %+v", row)
	}
	c.expect(c.do("POST", "/api/commands/campaign/"+row.ID+"/record-reaction", fmt.Sprintf(`{"customerId":%q,"kind":"opened"}`, gold[withdrawn])), 409, "mail-not-sent")
	report := decode[analysis.Report](t, c.expect(c.get("/customers/"+first+"/report", reacted), 200, ""))
	if report.CustomerID != gold[first] || report.Classification != customers.Gold || report.Orders != 1 || report.Total.String() != "5000" || report.Mails != 1 || report.Reactions != 1 {
		t.Errorf("got %+v", report)
	}
	for class, want := range map[customers.Classification]string{customers.Gold: "5 29000", customers.Silver: "1 4999.99", customers.Bronze: "1 999.99"} {
		share := decode[analysis.Share](t, c.expect(c.get("/api/views/classifications/"+string(class), seen), 200, ""))
		if got := fmt.Sprint(share.Customers, " ", share.Value); got != want || len(share.Days) == 0 {
			t.Errorf("%s: got %+v, want %s", class, share, want)
		}
	}
	c.expect(c.do("GET", "/mailbox", ""), 404, "no-mailbox")
	c.expect(c.do("GET", "/customers/nobody@example.org/report", ""), 404, "not-found")
}

func TestTheMailbox(t *testing.T) {
	c, _ := start(t, "-data", t.TempDir())
	if box := decode[mail.Contents](t, c.expect(c.do("GET", "/mailbox", ""), 200, "")); len(box.Mails) != 0 {
		t.Errorf("got %+v", box)
	}
	c.permit(c.buyer("ann", "12.50", customers.Bronze), true)
	path := c.campaign(customers.Bronze)
	c.awaitTotals(path, func(r campaigns.Row) bool { return r.Sent == 1 })
	box := decode[mail.Contents](t, c.do("GET", "/mailbox", ""))
	if len(box.Mails) != 1 || box.Mails[0].To != "ann@example.org" || box.Mails[0].Subject != "Tea" || box.Mails[0].Taken != 1 {
		t.Errorf("got %+v", box)
	}

	other := c.campaign(customers.Silver) // there are none
	c.expect(c.do("POST", other+"/start", ""), 409, "already-started")
	c.expect(c.do("POST", "/campaigns/nothing/start", ""), 404, "not-found")
	c.expect(c.do("GET", "/campaigns/nothing", ""), 404, "not-found")
	body := `{"name":"n","classification":"gold","subject":"s","body":"b"}`
	created := c.do("POST", "/campaigns", body, "Idempotency-Key", "one")
	again := c.do("POST", "/campaigns", body, "Idempotency-Key", "one")
	if a, b := decode[campaignAnswer](t, created), decode[campaignAnswer](t, again); a != b || again.header.Get("Deed-Again") != "true" {
		t.Errorf("%s, then %s", created, again)
	}
	if page := decode[struct{ Rows []any }](t, c.get("/campaigns?where.status=started", created)); len(page.Rows) != 2 {
		t.Errorf("got %+v", page)
	}
}

// The sample data show customers of all classes, and campaigns at work.
func TestSampleCampaigns(t *testing.T) {
	var before string
	for range 2 {
		c, _ := start(t, "-data", t.TempDir(), "-seed", "60")
		a := c.await("/campaigns", func(a answer) bool { return strings.Count(string(a.body), `"name"`) == 3 })
		sent, started := 0, 0
		for _, r := range decode[struct{ Rows []struct{ Row campaigns.Row } }](t, a).Rows {
			sent += r.Row.Sent
			if r.Row.Status == campaigns.StatusStarted {
				started++
			}
			if r.Row.Pending != 0 {
				t.Errorf("got %+v", r.Row)
			}
		}
		if box := decode[mail.Contents](t, c.do("GET", "/mailbox", "")); len(box.Mails) != sent || sent == 0 || started != 2 {
			t.Errorf("%d mails sent, %d in the mailbox, %d campaigns started", sent, len(box.Mails), started)
		}
		shares := ""
		for _, class := range []customers.Classification{customers.Bronze, customers.Silver, customers.Gold} {
			share := decode[analysis.Share](t, c.expect(c.get("/api/views/classifications/"+string(class), a), 200, ""))
			shares += fmt.Sprintln(class, share.Customers, share.Value)
		}
		if before != "" && shares != before {
			t.Errorf("one run made\n%s, another\n%s", before, shares)
		}
		before = shares
	}
}

// Sample mail goes to the mailbox, and to nobody's mail server.
func TestSampleDataSendNoMail(t *testing.T) {
	addr := mailServer(t, smtptest.Options{Take: func(m smtptest.Message) error {
		t.Errorf("a mail to %s", m.To)
		return nil
	}})
	store, s := sampleShop(t, 60, "-smtp", addr)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.service.Run(ctx) }()
	if err := s.seedEmpty(ctx, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := s.service.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := errors.Join(<-ended, store.Close()); err != nil {
		t.Fatal(err)
	}
}
