package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/gateway"
)

// NewOrder is an order as somebody types it in: the customer is known by the e-mail address, and introduced by names.
type NewOrder struct {
	Description string       `json:"description"`
	Quantity    int          `json:"quantity"`
	Email       string       `json:"email"`
	FirstName   string       `json:"firstName,omitempty"`
	LastName    string       `json:"lastName,omitempty"`
	Value       money.Amount `json:"value,omitzero"` // 0, or left out: to be priced
}

// ordering turns new orders into two commands: it registers the customer where the e-mail address is nobody's yet, and
// places the order of the address's owner. All that it knows it reads from the log, never from a view.
type ordering struct {
	service *deed.Service
	owners  *deed.DecisionHandler[customers.Addresses, customers.AddressCommand, customers.Event]
	placing *deed.DecisionHandler[orders.Placing, orders.Place, deed.Event]
}

func newOrdering(service *deed.Service, log deed.Store) *ordering {
	return &ordering{service: service, owners: customers.Addressing.Handler(log), placing: orders.Placement.Handler(log)}
}

// caller is who orders: a *gateway.Call, or the sample data. A repetition of a call makes the same ids and command ids.
type caller interface {
	Context() context.Context
	Command(name string) context.Context
	NewID() string
}

// errNobody is about an order of somebody who is not known and does not say who it is.
var errNobody = &gateway.Problem{
	Status: 422, Code: "customer-incomplete", Field: "email",
	Detail: "Email for customer does not exist nor is full customer information provided",
}

// mostRaces bounds how often an order is tried again because somebody else was faster.
const mostRaces = 20

// place places an order and returns its id. Each of the two commands is safe to repeat, and so is the whole: a repetition
// of the call finds the order that it placed, whatever the customer is called by now.
func (o *ordering) place(c caller, n NewOrder) (id string, _ deed.Receipt, err error) {
	id = c.NewID()
	if err := n.check(); err != nil {
		return id, deed.Receipt{}, err
	}
	digest, err := n.digest()
	if err != nil {
		return id, deed.Receipt{}, err
	}
	ctx := c.Command("place " + digest)
	for range mostRaces {
		if receipt, found, err := o.placed(ctx, id); found || err != nil {
			return id, receipt, err
		}
		receipt, err := o.try(c, ctx, id, n, digest)
		if !lostRace(err) {
			return id, receipt, err
		}
	}
	return id, deed.Receipt{}, fmt.Errorf("place order %s: %w", id, deed.ErrConflict)
}

// check refuses what can be refused before anybody is registered.
func (n NewOrder) check() error {
	if err := (orders.Place{Description: n.Description, Quantity: n.Quantity, Value: n.Value}).CheckTerms(); err != nil {
		return err
	}
	return customers.CheckEmail(n.Email)
}

// digest tells orders apart that are sent under one Idempotency-Key.
func (n NewOrder) digest() (string, error) {
	body, err := deed.EncodeJSON(n)
	return deed.HashID("order", string(body)), err
}

// placed returns where the order stands that an earlier run of the same call has placed. An order that another call has
// placed under this id is deed.ErrReused: ids repeat only with an Idempotency-Key.
func (o *ordering) placed(ctx context.Context, id string) (deed.Receipt, bool, error) {
	command := deed.MetaFrom(ctx).CommandID
	if command == "" { // the id is new
		return deed.Receipt{}, false, nil
	}
	for r, err := range o.service.Log().Read(ctx, deed.Query{Stream: deed.Stream(orders.Placement.Category, id), Limit: 1}) {
		if err != nil {
			return deed.Receipt{}, false, err
		}
		if r.Meta().CommandID != command {
			return deed.Receipt{}, false, fmt.Errorf("order %s: %w", id, deed.ErrReused)
		}
		return deed.Receipt{Position: r.Position, Streams: []deed.StreamVersion{{Stream: r.Stream, Version: r.Version}}, Again: true}, true, nil
	}
	return deed.Receipt{}, false, nil
}

// try places the order of whoever has the address now.
func (o *ordering) try(c caller, ctx context.Context, id string, n NewOrder, digest string) (deed.Receipt, error) {
	owner, err := o.owner(ctx, n.Email)
	if err != nil {
		return deed.Receipt{}, err
	}
	if owner == "" {
		if owner, err = o.register(c, n, digest); err != nil {
			return deed.Receipt{}, err
		}
	}
	cmd := orders.Place{CustomerID: owner, Description: n.Description, Quantity: n.Quantity, Value: n.Value}
	customer, _, err := o.placing.Load(ctx, id, cmd)
	if err != nil {
		return deed.Receipt{}, err
	}
	if !customer.Known {
		return deed.Receipt{}, orders.ErrCustomerUnknown
	}
	cmd.CustomerName = customer.Name
	return send(ctx, o.service, orders.Placement.Send(id, cmd))
}

// owner returns the id of the customer that an address belongs to; empty if it is nobody's.
func (o *ordering) owner(ctx context.Context, email string) (string, error) {
	addresses, _, err := o.owners.Load(ctx, "nobody", customers.ChangeEmail{Email: email})
	return addresses.Owner(email), err
}

func (o *ordering) register(c caller, n NewOrder, digest string) (string, error) {
	if strings.TrimSpace(n.FirstName) == "" || strings.TrimSpace(n.LastName) == "" {
		return "", errNobody
	}
	id := c.NewID()
	_, err := send(c.Command("register "+digest+" "+id), o.service, customers.Addressing.Send(id, customers.Register{
		Email: n.Email, FirstName: n.FirstName, LastName: n.LastName,
	}))
	return id, err
}

// lostRace tells whether somebody else was faster, so that it is worth reading again.
func lostRace(err error) bool {
	for _, race := range []error{
		customers.ErrEmailTaken, customers.ErrExists, customers.ErrForgotten,
		orders.ErrCustomerUnknown, orders.ErrCustomerChanged, orders.ErrExists, deed.ErrReused,
	} {
		if errors.Is(err, race) {
			return true
		}
	}
	return false
}

// send sends a command as everybody else does: by its name and its JSON form.
func send(ctx context.Context, service *deed.Service, command deed.Effect) (deed.Receipt, error) {
	body, err := deed.EncodeJSON(command.Command())
	if err != nil {
		return deed.Receipt{}, err
	}
	return service.Dispatch(ctx, command.Stream(), command.Command().CommandType(), body)
}
