package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/examples/shop/analysis"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/mail"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/examples/shop/rates"
	"github.com/deed-es/deed/examples/shop/shoptest"
	"github.com/deed-es/deed/examples/shop/users"
	"github.com/deed-es/deed/gateway"
	"github.com/deed-es/deed/sqlite"
)

// walk is a shop that several people take through a random history.
type walk struct {
	t        *testing.T
	seed     uint64
	clock    *deedtest.Clock
	store    *sqlite.DB
	service  *deed.Service
	ordering *ordering
	post     *post
}

// newWalk puts the shop together in memory, with mail and rates that fail now and then.
func newWalk(t *testing.T, seed uint64) *walk {
	t.Helper()
	clock := deedtest.NewClock(deedtest.Start)
	db, err := sqlite.OpenMemory(&sqlite.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	w := &walk{t: t, seed: seed, clock: clock, store: db, post: &post{t: t, log: db, taken: map[string]int{}, tries: map[string]int{}}}
	w.service, err = deed.NewService(deed.Config{Store: db, Views: db},
		users.Decider, users.View, users.HistoryView, users.Welcoming(users.WelcomeDelay),
		customers.Decider, customers.Addressing, customers.OverviewView, customers.FormView,
		orders.Decider, orders.Placement, orders.View, orders.RequestView, orders.Text, orders.Confirmation,
		rates.Reactor(&market{}),
		analysis.Classification, analysis.ClassificationsView, analysis.ReportView,
		campaigns.Decider, campaigns.Mailing, campaigns.View,
		mail.Audience(db, customers.OverviewView.View(db)), w.post.guarded(mail.Sending(db, w.post)),
	)
	if err != nil {
		t.Fatal(err)
	}
	w.ordering = newOrdering(w.service, db)
	return w
}

// runs keeps the service going until stop is called, which closes the store too.
func (w *walk) runs() (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.service.Run(ctx) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() {
			cancel()
			err = errors.Join(<-ended, w.store.Close())
		})
		return err
	}
	w.t.Cleanup(func() { _ = stop() })
	return stop
}

// through is the history: in each round a few people ask for this and that at once; then a while passes, and sometimes all
// settles.
func (w *walk) through(rounds int) {
	w.t.Helper()
	w.t.Logf("go test ./examples/shop -run '%s' -walks 1 -random %d", w.t.Name(), w.seed)
	dice := shoptest.Seeded(w.seed, 0)
	people := []*person{{walk: w, n: 1}, {walk: w, n: 2}, {walk: w, n: 3}}
	for _, p := range people {
		p.Dice = shoptest.Seeded(w.seed, uint64(p.n))
	}
	for range rounds {
		var together sync.WaitGroup
		for _, p := range people {
			together.Go(func() {
				for range 15 {
					p.ask()
				}
			})
		}
		together.Wait()
		if dice.Chance(50) {
			w.wait()
		}
		w.clock.Advance(shoptest.Pick(dice, time.Microsecond, time.Millisecond, users.WelcomeDelay, 26*time.Hour))
	}
}

// wait waits until nothing is left to do but what fails.
func (w *walk) wait() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := w.service.Settle(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// settle waits until nothing is left to do at all.
func (w *walk) settle() {
	w.t.Helper()
	w.clock.Advance(users.WelcomeDelay)
	var left string
	for range 1000 {
		w.wait()
		status, err := w.service.Status(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		left = ""
		for _, part := range status.Parts {
			left += part.Error
		}
		for _, held := range status.Effects.Held {
			left += held.Error
		}
		if left == "" {
			return
		}
	}
	w.t.Fatalf("this goes on failing: %s", left)
}

// person asks for one thing after the other.
type person struct {
	*walk
	*shoptest.Dice
	n, asked int
	last     func(ctx context.Context) error
}

// ask asks for something, or once more for what was asked last.
func (p *person) ask() {
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if p.last == nil || !p.Chance(10) {
		p.asked++
		id := ""
		if p.Chance(50) {
			id = fmt.Sprint("command ", p.n, " ", p.asked)
		}
		ask := p.something(id)
		p.last = func(ctx context.Context) error {
			return ask(deed.WithMeta(ctx, deed.Meta{CommandID: id, Actor: fmt.Sprint("person ", p.n)}))
		}
	}
	if err := p.last(ctx); !refusal(err) {
		p.t.Errorf("person %d asked for something: %v", p.n, err)
	}
}

// something is what is asked for next.
func (p *person) something(id string) func(context.Context) error {
	if p.Chance(5) {
		n := NewOrder{Description: "tea", Quantity: 1, Email: p.Email(), Value: p.Price()}
		if p.Chance(80) {
			n.FirstName, n.LastName = "Ann", "Lee"
		}
		return func(ctx context.Context) error {
			_, _, err := p.ordering.place(&call{ctx: ctx, id: id}, n)
			return err
		}
	}
	command := p.command()
	return func(ctx context.Context) error {
		body, err := deed.EncodeJSON(command.Command())
		if err != nil {
			return err
		}
		_, err = p.service.Dispatch(ctx, command.Stream(), command.Command().CommandType(), body)
		return err
	}
}

// command is one of those that people send: not those that analysis and the mailer send.
func (p *person) command() deed.Effect {
	switch campaign, order, customer := p.ID(4*shoptest.Campaigns), p.ID(2*shoptest.Orders), p.ID(2*shoptest.Customers); p.IntN(24) {
	case 0, 1:
		return users.Decider.Send(p.ID(shoptest.Users), p.User())
	case 2, 3, 4, 5, 6, 7, 8, 9:
		return p.Customer(customer)
	case 10, 11, 12:
		return orders.Placement.Send(order, p.Place(p.Price()))
	case 13:
		return orders.Placement.Send(order, p.Place(p.Amount()))
	case 14, 15, 16, 17, 18:
		return orders.Decider.Send(order, p.Order(p.Price()))
	case 19, 20:
		return campaigns.Decider.Send(campaign, p.Campaign())
	case 21:
		return campaigns.Mailing.Send(campaign, campaigns.RequestMail{CustomerID: customer})
	default:
		return campaigns.Mailing.Send(campaign, p.Reaction(customer))
	}
}

// refusal tells whether err is an answer that a person can do something about.
func refusal(err error) bool {
	return err == nil || errors.As(err, new(*deed.RejectedError)) || errors.As(err, new(*deed.InvalidError)) || errors.As(err, new(*deed.MalformedError)) ||
		errors.As(err, new(*gateway.Problem)) || errors.Is(err, deed.ErrConflict) || errors.Is(err, deed.ErrReused) || errors.Is(err, deed.ErrNotFound)
}

// call is a caller of ordering. What has an id makes the same ids when it is repeated.
type call struct {
	ctx context.Context
	id  string
	ids int
}

func (c *call) Context() context.Context { return c.ctx }

func (c *call) Command(name string) context.Context {
	m := deed.MetaFrom(c.ctx)
	if m.CommandID = ""; c.id != "" {
		m.CommandID = deed.HashID(c.id, name)
	}
	return deed.WithMeta(c.ctx, m)
}

func (c *call) NewID() string {
	if c.id == "" {
		return deed.NewID()
	}
	c.ids++
	return deed.HashID(c.id, fmt.Sprint(c.ids))
}

// records is the log.
func (w *walk) records() []deed.Record {
	w.t.Helper()
	var all []deed.Record
	for r, err := range w.service.Log().Read(w.t.Context(), deed.Query{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// keptRow is a row as it is stored.
type keptRow struct {
	position deed.Position
	data     string
}

// rows are the rows of all views, by view and key. Each list is read by each of its orders too: what is found is the same.
func (w *walk) rows() map[string]map[string]keptRow {
	w.t.Helper()
	all := map[string]map[string]keptRow{}
	for _, view := range w.service.Model().Projections {
		all[view.Name] = map[string]keptRow{}
		for i, order := range append([]string{""}, view.Index...) {
			rows, err := w.service.Views().List(w.t.Context(), view.Name, nil, deed.Page{Order: order, Limit: 1000}, 0)
			if err != nil || rows.Next != "" {
				w.t.Fatal(view.Name, rows.Next, err)
			}
			for _, r := range rows.Rows {
				row := keptRow{r.Position, string(r.Row)}
				if i > 0 && all[view.Name][r.Key] != row {
					w.t.Errorf("view %s by %s: the row %s is %+v, and by key %+v", view.Name, order, r.Key, row, all[view.Name][r.Key])
				}
				all[view.Name][r.Key] = row
			}
		}
	}
	return all
}

// decodeAs makes an event of its stored form.
func decodeAs[E deed.Event](t *testing.T, r deed.Record) E {
	t.Helper()
	var e E
	if err := json.Unmarshal(r.Data, &e); err != nil {
		t.Fatalf("%s at position %d: %v", r.Type, r.Position, err)
	}
	return e
}
