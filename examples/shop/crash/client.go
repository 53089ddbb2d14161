package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/deed-es/deed/examples/shop/drive"
)

// client sends one request after the other. What is not answered it sends again, before anything else, to whichever process
// is there next.
type client struct {
	n      int
	random *rand.Rand
	made   int // requests

	pending      *drive.Request
	acknowledged []*drive.Request
	unanswered   int // requests that were sent more than once
	found        int // those of them that an earlier try had done
	fault        error

	users     []string        // that are there, and this client's own
	waiting   []string        // orders that wait for confirmation, and this client's own
	customers []string        // of this client's orders
	created   []string        // campaigns that are not started
	started   []string        // campaigns that are
	mails     map[string]bool // campaign and customer
}

func newClient(n int, seed uint64) *client {
	return &client{n: n, mails: map[string]bool{}, random: rand.New(rand.NewPCG(seed, uint64(n)+1))}
}

const answerWithin = 20 * time.Second

// work sends requests until ctx is done, the shop is gone, or an answer is wrong.
func (c *client) work(ctx context.Context, url string) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	web := &http.Client{Transport: transport, Timeout: answerWithin}
	for ctx.Err() == nil && c.fault == nil {
		if c.pending == nil {
			c.pending = c.next()
		}
		if !c.try(ctx, web, url) {
			return
		}
	}
}

// catchUp sends what is not answered until it is.
func (c *client) catchUp(ctx context.Context, url string) error {
	web := &http.Client{Timeout: answerWithin}
	defer web.CloseIdleConnections()
	for c.pending != nil && c.fault == nil {
		if !c.try(ctx, web, url) {
			return fmt.Errorf("client %d: %s %s is not answered", c.n, c.pending.Method, c.pending.Path)
		}
	}
	return c.fault
}

// try sends the pending request once; it returns false if the shop is gone.
func (c *client) try(ctx context.Context, web *http.Client, url string) bool {
	r := c.pending
	err := r.Send(ctx, web, url)
	switch {
	case errors.Is(err, drive.ErrUnanswered) && !errors.Is(err, drive.ErrInternal):
		return false
	case err != nil:
		c.fault = fmt.Errorf("client %d: %w", c.n, err)
		return false
	}
	c.pending = nil
	c.settle(r)
	if c.random.IntN(repeats) == 0 { // an answer that got lost on its way
		c.repeat(ctx, web, url, r)
	}
	if r.Event == "order-placed" && c.random.IntN(looks) == 0 {
		c.look(ctx, web, url, r)
	}
	return true
}

const (
	repeats = 10 // one answered request in so many is sent again all the same
	looks   = 5  // one order in so many is looked at once it is placed
)

// repeat sends an answered request again: nothing may come of it, and the answer has to be the same.
func (c *client) repeat(ctx context.Context, web *http.Client, url string, r *drive.Request) {
	copied := *r
	err := copied.Send(ctx, web, url)
	switch {
	case errors.Is(err, drive.ErrUnanswered) && !errors.Is(err, drive.ErrInternal):
	case err != nil:
		c.fault = fmt.Errorf("client %d: a repetition: %w", c.n, err)
	case !copied.Again:
		c.fault = fmt.Errorf("client %d: %s %s was done again", c.n, r.Method, r.Path)
	}
}

// look reads an order that was placed: it has to be there at once.
func (c *client) look(ctx context.Context, web *http.Client, url string, r *drive.Request) {
	customer, err := read(ctx, r, web, url)
	switch {
	case errors.Is(err, drive.ErrUnanswered):
	case err != nil:
		c.fault = fmt.Errorf("client %d: %w", c.n, err)
	default:
		c.customers = append(c.customers, customer)
	}
}

// read reads the order that the request has placed, and returns whose it is.
func read(ctx context.Context, r *drive.Request, client *http.Client, url string) (customer string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/orders/"+r.ID, http.NoBody)
	if err != nil {
		return "", err
	}
	request.Header.Set("Deed-Position", strconv.FormatInt(int64(r.Position), 10))
	request.Header.Set("Prefer", "wait=15")
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("%w: %w", drive.ErrUnanswered, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode == http.StatusServiceUnavailable {
		return "", fmt.Errorf("%w: %s %w", drive.ErrUnanswered, response.Status, err)
	}
	var row struct{ Description, CustomerID string }
	if err := json.Unmarshal(body, &row); err != nil || response.StatusCode != http.StatusOK || row.Description != r.Marker {
		return "", fmt.Errorf("order %s, placed at position %d, is read as %s %s", r.ID, r.Position, response.Status, body)
	}
	return row.CustomerID, nil
}

// settle takes note of an answer.
func (c *client) settle(r *drive.Request) {
	c.acknowledged = append(c.acknowledged, r)
	if r.Sent > 1 {
		c.unanswered++
		if r.Again {
			c.found++
		}
	}
	switch r.Event {
	case "user-created":
		c.users = append(c.users, r.ID)
	case "order-placed":
		if r.Waits {
			c.waiting = append(c.waiting, r.ID)
		}
	case "campaign-created":
		c.created = append(c.created, r.ID)
	case "campaign-started":
		c.started = append(c.started, r.ID)
	}
}

// next makes up a request.
func (c *client) next() *drive.Request {
	c.made++
	marker := fmt.Sprintf("c%dr%d", c.n, c.made)
	r := &drive.Request{Key: "key-" + marker, Method: http.MethodPost, Marker: marker}
	switch kind := c.random.IntN(12); {
	case kind < 2:
		r.Path, r.Category, r.Event = "/v1/users", "user", "user-created"
		r.Body = fmt.Sprintf(`{"firstName":%q,"lastName":"Crash"}`, marker)
	case kind == 2 && len(c.users) > 0:
		id := c.users[c.random.IntN(len(c.users))]
		r.Method, r.Path, r.Category, r.Event, r.ID = "PUT", "/v1/users/"+id, "user", "user-updated", id
		r.Body = fmt.Sprintf(`{"lastName":%q}`, marker)
	case kind == 3 && len(c.users) > 0:
		i := c.random.IntN(len(c.users))
		id := c.users[i]
		c.users = append(c.users[:i], c.users[i+1:]...)
		r.Method, r.Path, r.Category, r.Event, r.ID, r.Marker = "DELETE", "/v1/users/"+id, "user", "user-deleted", id, ""
	case kind == 4 && len(c.waiting) > 0:
		i := c.random.IntN(len(c.waiting))
		id := c.waiting[i]
		c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
		r.Path, r.Body = "/api/commands/order/"+id+"/confirm", "{}"
		r.Category, r.Event, r.ID, r.Marker = "order", "order-confirmed", id, ""
	case kind == 5 && len(c.customers) > 0:
		id := c.customers[c.random.IntN(len(c.customers))]
		r.Path, r.Body = "/api/commands/customer/"+id+"/update", fmt.Sprintf(`{"lastName":%q}`, marker)
		r.Category, r.Event, r.ID = "customer", "customer-updated", id
	case kind == 6 && len(c.created) == 0:
		r.Path, r.Category, r.Event = "/campaigns", "campaign", "campaign-created"
		r.Body = fmt.Sprintf(`{"name":%q,"classification":"bronze","subject":"Crash","body":"Crash."}`, marker)
	case kind == 6:
		id := c.created[0]
		c.created = c.created[1:]
		r.Path, r.Category, r.Event, r.ID, r.Marker = "/campaigns/"+id+"/start", "campaign", "campaign-started", id, ""
	case kind == 7 && c.mail(r):
	default:
		value := values[c.random.IntN(len(values))]
		r.Path, r.Category, r.Event, r.Waits = "/orders", "order", "order-placed", value == waitingValue
		r.Body = fmt.Sprintf(`{"description":%q,"quantity":1,"email":"crash%d@example.org","firstName":"C","lastName":"Rash","value":%q}`,
			marker, c.random.IntN(manyCustomers), value)
	}
	return r
}

// mail makes r the request for a mail that was not asked for before, if there is one to be had. Nobody permits mail, so that
// what becomes of it is that it is skipped.
func (c *client) mail(r *drive.Request) bool {
	if len(c.started) == 0 || len(c.customers) == 0 {
		return false
	}
	id, customer := c.started[c.random.IntN(len(c.started))], c.customers[c.random.IntN(len(c.customers))]
	if c.mails[id+" "+customer] {
		return false
	}
	c.mails[id+" "+customer] = true
	r.Path, r.Body = "/api/commands/campaign/"+id+"/request-mail", fmt.Sprintf(`{"customerId":%q}`, customer)
	r.Category, r.Event, r.ID, r.Marker = "campaign", "campaign-email-requested", id, ""
	return true
}

const (
	manyCustomers = 200       // about so many share the orders
	waitingValue  = "1000.01" // waits until somebody confirms it
)

// values are what orders are worth; 0 has to be priced first, which nobody does.
var values = []string{"1", "12.50", "999.99", "1000", waitingValue, "0"}
