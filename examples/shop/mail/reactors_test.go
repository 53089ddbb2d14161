package mail_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/mail"
	"github.com/deed-es/deed/sqlite"
)

// post is a Mailer that does as it is told, and keeps what it is given.
type post struct {
	mu    sync.Mutex
	mails []mail.Mail
	then  func(mail.Mail) error // nil: all is taken
}

func (p *post) Send(_ context.Context, m mail.Mail) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, m)
	if p.then != nil {
		return "<" + m.ID + "@x>", p.then(m)
	}
	return "<" + m.ID + "@x>", nil
}

// office is what mails need of the shop. The reactors need the store before there is a service: they find it here.
type office struct {
	*deedtest.Service
	post post
}

// later is a store that is known later.
type later struct{ deed.Store }

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{}
	store := &later{}
	view := &laterView{}
	ready := make(chan struct{})
	audience, sending := mail.Audience(store, view), mail.Sending(store, &o.post)
	audience.React, sending.React = after(ready, audience.React), after(ready, sending.React)
	o.Service = deedtest.Serve(t, customers.Decider, customers.Addressing, customers.OverviewView,
		campaigns.Decider, campaigns.Mailing, campaigns.View, audience, sending)
	store.Store, view.Rows = o.DB, customers.OverviewView.View(o.DB)
	close(ready)
	return o
}

type laterView struct{ mail.Rows }

// after lets a reactor wait.
func after[E deed.Event](ready chan struct{}, react func(context.Context, deed.Recorded[E], string) ([]deed.Effect, error)) func(context.Context, deed.Recorded[E], string) ([]deed.Effect, error) {
	return func(ctx context.Context, r deed.Recorded[E], id string) ([]deed.Effect, error) {
		<-ready
		return react(ctx, r, id)
	}
}

// customer makes a customer of a class who permits mail.
func (o *office) customer(id string, class customers.Classification) {
	o.Send(customers.Addressing.Send(id, customers.Register{Email: id + "@example.org", FirstName: "Ann", LastName: id}))
	o.Send(customers.Decider.Send(id, customers.PermitEmail{Allowed: true}))
	o.Send(customers.Decider.Send(id, customers.Classify{Classification: class, BasedOn: "order-1"}))
}

var spring = campaigns.Create{Name: "spring", Classification: customers.Gold, Subject: "Tea", Body: "There is tea."}

// start starts a campaign for gold customers.
func (o *office) start(id string) {
	o.Send(campaigns.Decider.Send(id, spring))
	o.Send(campaigns.Decider.Send(id, campaigns.Start{}))
}

func (o *office) campaign(t *testing.T, id string) campaigns.Row {
	t.Helper()
	row, err := campaigns.View.View(o.DB).Get(o.Context(), id, 0)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// expect checks a campaign's totals, and that they add up.
func (o *office) expect(t *testing.T, id string, sent, failed, skipped, pending int) {
	t.Helper()
	row := o.campaign(t, id)
	if row.Sent != sent || row.Failed != failed || row.Skipped != skipped || row.Pending != pending || row.Requested != sent+failed+skipped+pending {
		t.Errorf("got %+v", row)
	}
}

func (o *office) log(t *testing.T, eventType string) []deed.Record {
	t.Helper()
	var records []deed.Record
	for r, err := range o.DB.Read(o.Context(), deed.Query{Match: []deed.Match{{Types: []string{eventType}}}}) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return records
}

func TestACampaignGoesToItsClassAndWhoPermitsMail(t *testing.T) {
	o := newOffice(t)
	o.customer("g1", customers.Gold)
	o.customer("g2", customers.Gold)
	o.customer("s1", customers.Silver)
	o.customer("g3", customers.Gold)
	o.Send(customers.Decider.Send("g3", customers.PermitEmail{}))
	o.start("c")
	o.Settle()
	o.expect(t, "c", 2, 0, 0, 0)
	to := []string{o.post.mails[0].To, o.post.mails[1].To}
	slices.Sort(to)
	if !slices.Equal(to, []string{"g1@example.org", "g2@example.org"}) {
		t.Error(to)
	}
	if m := o.post.mails[0]; m.Subject != "Tea" || m.Body != "There is tea." || m.Name != "Ann g1" || m.ID == o.post.mails[1].ID {
		t.Errorf("got %+v", m)
	}
	if _, err := o.Try(campaigns.Mailing.Send("c", campaigns.RequestMail{CustomerID: "g1"})); !errors.Is(err, campaigns.ErrRequested) {
		t.Errorf("a second mail to one customer: %v", err)
	}
}

// Between the request and the sending a customer withdraws permission, and one is forgotten: they get nothing, and the
// totals add up.
func TestPermissionIsLookedAtWhenTheMailIsSent(t *testing.T) {
	o := newOffice(t)
	for _, id := range []string{"g1", "g2", "g3", "g4"} {
		o.customer(id, customers.Gold)
	}
	away := errors.New("the mail server is away")
	o.post.then = func(mail.Mail) error { return away }
	o.start("c")
	o.Settle()
	o.expect(t, "c", 0, 0, 0, 4)
	o.Send(customers.Decider.Send("g2", customers.PermitEmail{}))
	o.Send(customers.Decider.Send("g3", customers.Forget{}))
	o.post.mu.Lock()
	o.post.mails, o.post.then = nil, nil
	o.post.mu.Unlock()
	o.Settle()
	o.expect(t, "c", 2, 0, 2, 0)
	for _, m := range o.post.mails {
		if m.To != "g1@example.org" && m.To != "g4@example.org" {
			t.Errorf("mail to %s", m.To)
		}
	}
	o.Send(campaigns.Mailing.Send("c", campaigns.RequestMail{CustomerID: "nobody"}))
	o.Settle()
	o.expect(t, "c", 2, 0, 3, 0)
}

func TestAMailThatIsRefusedFails(t *testing.T) {
	o := newOffice(t)
	o.customer("g1", customers.Gold)
	o.customer("g2", customers.Gold)
	o.post.then = func(m mail.Mail) error {
		if m.To == "g1@example.org" {
			return &mail.RefusedError{Code: 550, Text: "no such\r\nmailbox"}
		}
		return nil
	}
	o.start("c")
	o.Settle()
	o.expect(t, "c", 1, 1, 0, 0)
}

// What is tried again is the same mail, and stands in the log once.
func TestATriedMailKeepsItsID(t *testing.T) {
	o := newOffice(t)
	o.customer("g1", customers.Gold)
	tries := 0
	o.post.then = func(mail.Mail) error {
		if tries++; tries < 3 {
			return errors.New("not now")
		}
		return nil
	}
	o.start("c")
	for range 3 {
		o.Settle()
	}
	o.expect(t, "c", 1, 0, 0, 0)
	for _, m := range o.post.mails {
		if m != o.post.mails[0] {
			t.Errorf("first %+v, then %+v", o.post.mails[0], m)
		}
	}
	if n := len(o.log(t, "campaign-email-sent")); n != 1 || len(o.post.mails) < 3 {
		t.Errorf("%d sent, %d handed over", n, len(o.post.mails))
	}
}

// An audience of more than a page is asked whole, each customer once; a second look finds the same, in the same words.
func TestALargeAudience(t *testing.T) {
	const many = 2100
	s := deedtest.Serve(t, customers.OverviewView, campaigns.Decider)
	crowd(t, s, many)
	s.Send(campaigns.Decider.Send("c", spring))
	s.Send(campaigns.Decider.Send("c", campaigns.Start{}))
	head, err := s.Head(s.Context())
	if err != nil {
		t.Fatal(err)
	}
	started := deed.Recorded[campaigns.Event]{Record: deed.Record{Stream: "campaign-c", Version: 2, Position: head}}
	audience := mail.Audience(s.DB, customers.OverviewView.View(s.DB))
	var looks [2][]deed.Effect
	for i := range looks {
		if looks[i], err = audience.React(s.Context(), started, "id"); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(looks[0], looks[1]) {
		t.Error("a second look at the audience asks for something else")
	}
	asked := map[deed.Command]bool{}
	for _, e := range looks[0] {
		asked[e.Command()] = true
	}
	if len(looks[0]) != many || len(asked) != many {
		t.Errorf("%d requests for %d customers, want %d", len(looks[0]), len(asked), many)
	}
}

// crowd makes many gold customers who permit mail, without asking for each.
func crowd(t *testing.T, s *deedtest.Service, many int) {
	t.Helper()
	var writes []deed.Write
	store := func() {
		if _, err := s.DB.Append(s.Context(), deed.Batch{Writes: writes}); err != nil {
			t.Fatal(err)
		}
		writes = nil
	}
	for i := range many {
		id := fmt.Sprintf("g%05d", i)
		w := deed.Write{Stream: deed.Stream("customer", id)}
		for _, e := range []customers.Event{
			customers.Registered{CustomerID: id, Email: id + "@example.org", FirstName: "Ann", LastName: id},
			customers.EmailPermissionSet{CustomerID: id, Allowed: true},
			customers.Classified{CustomerID: id, Classification: customers.Gold, BasedOn: "order-1"},
		} {
			data, err := deed.EncodeJSON(e)
			if err != nil {
				t.Fatal(err)
			}
			w.Events = append(w.Events, deed.NewEvent{ID: deed.NewID(), Type: e.EventType(), Data: data})
		}
		if writes = append(writes, w); len(writes) == 300 {
			store()
		}
	}
	if len(writes) > 0 {
		store()
	}
}

// The audience waits for the view to know what was known when the campaign was started.
func TestTheAudienceWaitsForTheView(t *testing.T) {
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	asked := errors.New("asked")
	view := viewFunc(func(_ context.Context, where []deed.Where, _ deed.Page, after deed.Position) error {
		want := []deed.Where{{Field: "classification", Value: "gold"}, {Field: "emailAllowed", Value: true}}
		if !reflect.DeepEqual(where, want) || after != 2 {
			t.Errorf("asked for %v at %d", where, after)
		}
		return asked
	})
	handler := campaigns.Decider.Handler(db)
	if _, err := handler.Handle(t.Context(), "c", spring); err != nil {
		t.Fatal(err)
	}
	if _, err := handler.Handle(t.Context(), "c", campaigns.Start{}); err != nil {
		t.Fatal(err)
	}
	started := deed.Recorded[campaigns.Event]{Record: deed.Record{Stream: "campaign-c", Version: 2, Position: 2}}
	if _, err := mail.Audience(db, view).React(t.Context(), started, "id"); !errors.Is(err, asked) {
		t.Errorf("got %v", err)
	}
}

// viewFunc is a view that answers with errors only.
type viewFunc func(ctx context.Context, where []deed.Where, page deed.Page, after deed.Position) error

func (f viewFunc) List(ctx context.Context, where []deed.Where, page deed.Page, after deed.Position) (deed.Rows[customers.Overview], error) {
	return deed.Rows[customers.Overview]{}, f(ctx, where, page, after)
}

func TestMailbox(t *testing.T) {
	var box mail.Mailbox
	if c := box.Contents(); len(c.Mails) != 0 || c.Mails == nil {
		t.Errorf("got %+v", c)
	}
	for i := range 1200 {
		m := tea
		m.ID = fmt.Sprint(i)
		for range 2 {
			if id, err := box.Send(t.Context(), m); err != nil || id != fmt.Sprintf("<%d@localhost>", i) {
				t.Fatal(id, err)
			}
		}
	}
	c := box.Contents()
	if len(c.Mails) != 1000 || c.Earlier != 200 || c.Mails[0].MessageID != "<1199@localhost>" || c.Mails[999].Taken != 2 || c.Mails[0].To != tea.To {
		t.Errorf("%d mails, %d earlier, the newest %+v", len(c.Mails), c.Earlier, c.Mails[0])
	}
}
