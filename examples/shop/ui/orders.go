package ui

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/money"
	"github.com/deed-es/deed/examples/shop/orders"
)

var orderList = &list{
	name: "orders", view: orders.View.Name, title: "Orders", order: "-placedAt", searched: true,
	filters: []filter{
		{param: "status", field: "status", label: "Status", options: []option{
			{Label: "All"},
			{Value: string(orders.StatusNew), Label: "New"},
			{Value: string(orders.StatusUnconfirmed), Label: "Unconfirmed"},
			{Value: string(orders.StatusConfirmed), Label: "Confirmed"},
			{Value: string(orders.StatusCancelled), Label: "Cancelled"},
		}},
		{param: "customer", field: "customerId", label: "one customer", called: (*site).customerName},
	},
	decode: decoder(func(r orders.Row) string { return r.PlacedAt }, func(r orders.Row) map[string]string {
		return map[string]string{"status": string(r.Status), "customerId": r.CustomerID}
	}),
	forms: func(v *visit) []*form { return []*form{v.form(placeForm())} },
}

var requestList = &list{
	name: "confirmations", view: orders.RequestView.Name, title: "Confirmation requests", order: "-placedAt",
	filters: []filter{{param: "customer", field: "customerId", label: "one customer", called: (*site).customerName}},
	decode: decoder(func(r orders.Request) string { return r.PlacedAt }, func(r orders.Request) map[string]string {
		return map[string]string{"customerId": r.CustomerID}
	}),
	rowForm: func(v *visit, r *row) []*form {
		request, _ := r.Value.(orders.Request)
		forms := decideForms(v, request.ID, request.Status, request.Value)
		for _, f := range forms {
			f.About = "order of " + orSomebody(request.CustomerName)
		}
		return forms
	},
}

// decideForms are what can be decided about an order that stands here.
func decideForms(v *visit, id string, status orders.Status, value money.Amount) []*form {
	var all []*form
	waits := status == orders.StatusUnconfirmed
	if value.IsZero() && waits {
		all = append(all, v.form(priceForm(id)))
	}
	if !value.IsZero() && (waits || status == orders.StatusNew) {
		all = append(all, v.form(confirmForm(id)))
	}
	if waits || status == orders.StatusNew {
		all = append(all, v.form(cancelForm(id)))
	}
	return all
}

func placeForm() form {
	return form{
		ID: "place-order", Action: path("orders"), Submit: "Place the order", Title: "New order",
		Fields: []field{
			{Name: "email", Label: "E-mail address", Kind: "email", Autocomplete: "email", Hint: "Who has ordered before is known by it."},
			{Name: "firstName", Label: "First name", Kind: "text", Autocomplete: "given-name", Optional: true, Hint: "For who is new here."},
			{Name: "lastName", Label: "Last name", Kind: "text", Autocomplete: "family-name", Optional: true, Hint: "For who is new here."},
			{Name: "quantity", Label: "Quantity", Kind: "text", InputMode: "numeric", Value: "1", Was: "1", Hint: "1 to 1,000,000."},
			{Name: "value", Label: "Value in EUR", Kind: "text", InputMode: "decimal", Optional: true, Hint: "Empty: to be priced. Above 1,000 it waits for confirmation."},
			{Name: "description", Label: "Description", Kind: "area"},
		},
	}
}

func priceForm(id string) form {
	return form{
		ID: "price-" + element(id), Action: path("orders", id, "price"), Submit: "Set the value", Title: "Set a value",
		Fields: []field{{Name: "value", Label: "Value in EUR", Kind: "text", InputMode: "decimal"}},
	}
}

func confirmForm(id string) form {
	return form{ID: "confirm-" + element(id), Action: path("orders", id, "confirm"), Submit: "Confirm"}
}

func cancelForm(id string) form {
	return form{
		ID: "cancel-" + element(id), Action: path("orders", id, "cancel"), Submit: "Cancel the order", Title: "Cancel", Kind: "danger",
		Fields: []field{{Name: "reason", Label: "Reason", Kind: "text"}},
	}
}

func (s *site) ordersPage(v *visit) error { return s.listPage(v, orderList) }

func (s *site) placeOrder(v *visit) error {
	f, err := v.fill(placeForm())
	if err != nil {
		return err
	}
	return v.submit(f, s.ordersPage, func(c Caller) (done, error) {
		order, err := orderOf(f)
		if err != nil {
			return done{}, err
		}
		id, receipt, err := s.Place(c, order)
		return done{what: "placed", of: id, receipt: receipt}, err
	})
}

// orderOf is the order that somebody has typed in.
func orderOf(f form) (Order, error) {
	o := Order{Description: f.value("description"), Email: f.value("email"), FirstName: f.value("firstName"), LastName: f.value("lastName")}
	var err error
	if o.Quantity, err = strconv.Atoi(ungrouped(f.value("quantity"))); err != nil {
		return o, &deed.InvalidError{Field: "quantity", Reason: "must be a whole number, such as 2"}
	}
	if value := ungrouped(f.value("value")); value != "" {
		o.Value, err = money.Parse(value)
	}
	return o, err
}

func (s *site) priceOrder(v *visit) error {
	return s.decide(v, priceForm, "priced", func(f form) (orders.Command, error) {
		value, err := money.Parse(ungrouped(f.value("value")))
		return orders.Price{Value: value}, err
	})
}

func (s *site) confirmOrder(v *visit) error {
	return s.decide(v, confirmForm, "confirmed", func(form) (orders.Command, error) { return orders.Confirm{}, nil })
}

func (s *site) cancelOrder(v *visit) error {
	return s.decide(v, cancelForm, "cancelled", func(f form) (orders.Command, error) { return orders.Cancel{Reason: f.value("reason")}, nil })
}

// decide has a command about an order handled.
func (s *site) decide(v *visit, make func(id string) form, what string, command func(form) (orders.Command, error)) error {
	id, err := v.pathID()
	if err != nil {
		return err
	}
	f, err := v.fill(make(id))
	if err != nil {
		return err
	}
	return v.submit(f, s.order, func(c Caller) (done, error) {
		cmd, err := command(f)
		if err != nil {
			return done{}, err
		}
		receipt, err := s.send(c.Command(what), orders.Decider.Send(id, cmd))
		return done{what: what, of: id, receipt: receipt}, err
	})
}

// orderPage is what there is to say of an order.
type orderPage struct {
	orders.Row
	Parked deed.Position
	Lag    lag
	Forms  []*form
	Events events
}

func (s *site) order(v *visit) error {
	id, err := v.pathID()
	if err != nil {
		return err
	}
	p := orderPage{}
	if p.Lag, p.Parked, err = s.thing(v, orders.View.Name, id, &p.Row, "order"); err != nil {
		return err
	}
	p.Forms = decideForms(v, id, p.Status, p.Value)
	if p.Events, err = s.events(v, deed.Stream("order", id)); err != nil {
		return err
	}
	return v.show(page{Title: "Order of " + orSomebody(p.CustomerName), Section: "orders", Content: "order", View: orders.View.Name, Key: id, Data: p})
}

func orSomebody(name string) string {
	if strings.TrimSpace(name) == "" {
		return "a forgotten customer"
	}
	return name
}

// thing reads a row into what value points to, for a page of its own.
func (s *site) thing(v *visit, view, id string, value any, what string) (lag, deed.Position, error) {
	if v.refused == nil { // an answer to a form may stand under any query
		if err := v.only(); err != nil {
			return lag{}, 0, err
		}
	}
	behind, err := v.reach(view)
	if err != nil {
		return behind, 0, err
	}
	r, _, err := s.Service.Views().Get(v.Context(), view, id, 0)
	if errors.Is(err, deed.ErrNotFound) {
		detail := "there is no such " + what
		if behind.Events > 0 {
			detail += " yet: what is shown here is behind the log; load the page again in a moment"
		}
		return behind, 0, missing(detail)
	}
	if err != nil {
		return behind, 0, err
	}
	return behind, r.Parked, json.Unmarshal(r.Row, value)
}
