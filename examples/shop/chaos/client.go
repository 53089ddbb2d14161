package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/drive"
)

// client sends one request after the other, through any node. What is not answered it sends again, before anything else and through
// whichever node is there.
type client struct {
	n       int
	random  *rand.Rand
	nodes   []*node
	web     *http.Client
	gap     time.Duration // between two requests, on average
	made    int
	pending *request
	fault   error
	faults  chan error // the same, for others

	answered     *atomic.Int64 // acknowledged or refused, by all clients
	acknowledged []*request
	refused      []*request
	tried        int // requests sent, repetitions included
	retried      int // requests that were sent more than once
	found        int // those of them that an earlier try had done
	reading

	users     []string                 // that are there, and this client's own
	names     map[string]string        // what this client's users and customers are called
	waiting   []string                 // orders that wait for confirmation, and this client's own
	customers []string                 // that only this client knows
	asked     map[string]bool          // customer and address
	created   []string                 // campaigns that are not started
	campaigns int                      // made
	seen      map[string]deed.Position // where a row was when it was read last
}

// request is something that a client wants.
type request struct {
	drive.Request
	by *node // who answered
}

func newClient(n int, seed uint64, nodes []*node, answered *atomic.Int64, gap time.Duration) *client {
	return &client{
		n: n, random: rand.New(rand.NewPCG(seed, uint64(n)+1)), nodes: nodes, answered: answered, gap: gap, web: &http.Client{Timeout: answerWithin, Transport: &http.Transport{}},
		names: map[string]string{}, asked: map[string]bool{}, seen: map[string]deed.Position{}, faults: make(chan error, 1),
	}
}

const (
	answerWithin = 2500 * time.Millisecond
	againAfter   = 30 * time.Millisecond
	repeats      = 10 // one answered request in so many is sent again all the same
)

// work sends requests until ctx is done or an answer is wrong.
func (c *client) work(ctx context.Context) {
	for ctx.Err() == nil && c.fault == nil {
		if c.pending == nil {
			c.pending = c.next()
		}
		if !c.try(ctx) {
			_ = drive.Pause(ctx, againAfter)
			continue
		}
		_ = drive.Pause(ctx, time.Duration(c.random.Int64N(int64(2*c.gap)+1)))
	}
}

// catchUp sends what is not answered until it is.
func (c *client) catchUp(ctx context.Context) error {
	for c.pending != nil && c.fault == nil {
		if !c.try(ctx) && drive.Pause(ctx, againAfter) != nil {
			return fmt.Errorf("client %d: %s %s is not answered: %w", c.n, c.pending.Method, c.pending.Path, ctx.Err())
		}
	}
	c.web.CloseIdleConnections()
	return c.fault
}

// somewhere is a node that is up, and not this one; nil if there is none.
func (c *client) somewhere(but *node) *node {
	first := c.random.IntN(len(c.nodes))
	for i := range c.nodes {
		if n := c.nodes[(first+i)%len(c.nodes)]; n != but && n.where() != "" {
			return n
		}
	}
	return nil
}

// try sends the pending request once; it returns false if that is to be done again.
func (c *client) try(ctx context.Context) bool {
	r, n := c.pending, c.somewhere(nil)
	if n == nil {
		return false
	}
	c.tried++
	err := r.Send(ctx, c.web, n.where())
	switch {
	case c.isFault(err):
		c.fail("client %d at %s: %w", c.n, n.name, err)
		return false
	case errors.Is(err, drive.ErrUnanswered):
		return false
	case err != nil:
		c.fail("client %d at %s: %w", c.n, n.name, err)
		return false
	}
	c.pending, r.by = nil, n
	c.answered.Add(1)
	if r.Sent > 1 {
		c.retried++
	}
	if r.Refused {
		c.refused = append(c.refused, r)
		return true
	}
	c.settle(r)
	if c.random.IntN(repeats) == 0 { // an answer that got lost on its way
		c.repeat(ctx, r)
	}
	c.readOwn(ctx, r)
	return true
}

// isFault tells whether an answer says that something went wrong that nobody has foreseen, whatever is done to shops and server.
func (c *client) isFault(err error) bool { return errors.Is(err, drive.ErrInternal) }

// fail ends the client's work.
func (c *client) fail(format string, args ...any) {
	if c.fault == nil {
		c.fault = fmt.Errorf(format, args...)
		c.faults <- c.fault
	}
}

// repeat sends an answered request again, elsewhere if it can: nothing may come of it, and the answer has to be the same.
func (c *client) repeat(ctx context.Context, r *request) {
	n := c.somewhere(r.by)
	if n == nil {
		return
	}
	copied := *r
	c.tried++
	err := copied.Send(ctx, c.web, n.where())
	switch {
	case c.isFault(err):
		c.fail("client %d at %s: a repetition: %w", c.n, n.name, err)
	case errors.Is(err, drive.ErrUnanswered):
	case err != nil:
		c.fail("client %d at %s: a repetition: %w", c.n, n.name, err)
	case !copied.Again:
		c.fail("client %d at %s: %s %s under the key %s was done again", c.n, n.name, r.Method, r.Path, r.Key)
	}
}

// settle takes note of an answer.
func (c *client) settle(r *request) {
	c.acknowledged = append(c.acknowledged, r)
	c.token = max(c.token, r.Position)
	if r.Sent > 1 && r.Again {
		c.found++
	}
	switch r.Event {
	case "user-created":
		c.users = append(c.users, r.ID)
		c.names[r.ID] = "Chaos"
	case "user-updated", "customer-updated":
		c.names[r.ID] = r.Marker
	case "order-placed":
		if r.Waits {
			c.waiting = append(c.waiting, r.ID)
		}
	case "campaign-created":
		c.created = append(c.created, r.ID)
	}
}

const (
	sharedCustomers = 60 // about so many share the orders of all clients
	ownCustomers    = 12 // and so many those of each
	contested       = 40 // addresses that customers of all clients want
	mostCampaigns   = 2  // of each client
	waitingValue    = "1000.01"
)

// values are what orders are worth; 0 has to be priced first, which nobody does.
var values = []string{"1", "12.50", "999.99", "1000", waitingValue, "0"}

// next makes up a request.
func (c *client) next() *request {
	c.made++
	marker := fmt.Sprintf("c%dr%dx", c.n, c.made) // none is how another begins
	r := &request{Request: drive.Request{Key: "key-" + marker, Method: http.MethodPost, Marker: marker}}
	for _, make := range []func(*request, int) bool{c.ofUser, c.ofCustomer, c.ofCampaign, c.confirm} {
		if make(r, c.random.IntN(100)) {
			return r
		}
	}
	c.order(r)
	return r
}

// ofUser makes r a request about a user in some cases.
func (c *client) ofUser(r *request, chance int) bool {
	r.Category = "user"
	switch {
	case chance < 16 || chance < 30 && len(c.users) == 0:
		r.Path, r.Event = "/v1/users", "user-created"
		r.Body = fmt.Sprintf(`{"firstName":%q,"lastName":"Chaos"}`, r.Marker)
	case chance < 24:
		r.ID = c.users[c.random.IntN(len(c.users))]
		r.Method, r.Path, r.Event = http.MethodPut, "/v1/users/"+r.ID, "user-updated"
		r.Body = fmt.Sprintf(`{"lastName":%q}`, r.Marker)
	case chance < 30:
		r.ID = take(c, &c.users)
		r.Method, r.Path, r.Event, r.Marker = http.MethodDelete, "/v1/users/"+r.ID, "user-deleted", ""
	default:
		return false
	}
	return true
}

// ofCustomer makes r a request about a customer in some cases.
func (c *client) ofCustomer(r *request, chance int) bool {
	if chance >= 30 || len(c.customers) == 0 {
		return false
	}
	r.Category, r.ID = "customer", c.customers[c.random.IntN(len(c.customers))]
	r.Path = "/api/commands/customer/" + r.ID
	switch {
	case chance < 12:
		r.Path, r.Event, r.Body = r.Path+"/update", "customer-updated", fmt.Sprintf(`{"lastName":%q}`, r.Marker)
	case chance < 18:
		r.Path, r.Marker, r.Body = r.Path+"/permit-email", "", `{"allowed":true}`
	default:
		r.Address = fmt.Sprintf("wanted%d@example.org", c.random.IntN(contested))
		if c.asked[r.ID+" "+r.Address] {
			return false
		}
		c.asked[r.ID+" "+r.Address] = true
		r.Path, r.Marker, r.Refusal, r.Body = r.Path+"/change-email", "", "email-taken", fmt.Sprintf(`{"email":%q}`, r.Address)
	}
	return true
}

// ofCampaign makes r a request about a campaign in some cases.
func (c *client) ofCampaign(r *request, chance int) bool {
	r.Category = "campaign"
	switch {
	case chance >= 4 || len(c.customers) < ownCustomers/2:
		return false
	case len(c.created) > 0:
		r.ID = take(c, &c.created)
		r.Path, r.Event, r.Marker = "/campaigns/"+r.ID+"/start", "campaign-started", ""
	case c.campaigns < mostCampaigns:
		c.campaigns++
		r.Path, r.Event = "/campaigns", "campaign-created"
		r.Body = fmt.Sprintf(`{"name":%q,"classification":"bronze","subject":"Chaos","body":"Chaos."}`, r.Marker)
	default:
		return false
	}
	return true
}

// confirm makes r the confirmation of an order in some cases.
func (c *client) confirm(r *request, chance int) bool {
	if chance >= 25 || len(c.waiting) == 0 {
		return false
	}
	r.Category, r.ID = "order", take(c, &c.waiting)
	r.Path, r.Body, r.Event, r.Marker = "/api/commands/order/"+r.ID+"/confirm", "{}", "order-confirmed", ""
	return true
}

// order makes r a new order, of a customer that only this client knows or of one that all know.
func (c *client) order(r *request) {
	value, email := values[c.random.IntN(len(values))], fmt.Sprintf("shared%d@example.org", c.random.IntN(sharedCustomers))
	if c.random.IntN(10) < 6 {
		email = fmt.Sprintf("own%d-%d@example.org", c.n, c.random.IntN(ownCustomers))
		r.Address = email
	}
	r.Path, r.Category, r.Event, r.Waits, r.ID = "/orders", "order", "order-placed", value == waitingValue, ""
	r.Body = fmt.Sprintf(`{"description":%q,"quantity":1,"email":%q,"firstName":"C","lastName":"Haos","value":%q}`, r.Marker, email, value)
}

// take takes one of a list.
func take(c *client, from *[]string) string {
	i := c.random.IntN(len(*from))
	taken := (*from)[i]
	*from = append((*from)[:i], (*from)[i+1:]...)
	return taken
}
