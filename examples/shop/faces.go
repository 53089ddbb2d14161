package main

import (
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/analysis"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/mail"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/examples/shop/ui"
	"github.com/deed-es/deed/examples/shop/users"
	"github.com/deed-es/deed/gateway"
)

// faces are the shop's own routes, on top of those that every service has.
type faces struct {
	service  *deed.Service
	ordering *ordering
	mailbox  *mail.Mailbox // nil where mail goes to a mail server
	text     orders.Index
	views    deed.ViewStore
}

func (f faces) routes() []gateway.Route {
	return []gateway.Route{
		{
			Method: "POST", Pattern: "/v1/users", Summary: "creates a user", Query: []gateway.Parameter{},
			Body: userBody{}, Answers: map[int]any{201: userAnswer{}}, Handle: f.createUser,
		},
		{
			Method: "GET", Pattern: "/v1/users", Summary: "a page of the users", Query: gateway.ListQuery,
			Answers: map[int]any{200: users.Row{}}, Handle: func(c *gateway.Call) error { return c.List(users.View.Name) },
		},
		{
			Method: "GET", Pattern: "/v1/users/{userId}", Summary: "a user", Query: []gateway.Parameter{},
			Answers: map[int]any{200: users.Row{}},
			Handle:  func(c *gateway.Call) error { return c.Row(users.View.Name, c.Request.PathValue("userId")) },
		},
		{
			Method: "PUT", Pattern: "/v1/users/{userId}", Summary: "changes a user's names", Query: []gateway.Parameter{},
			Body: userChange{}, Answers: map[int]any{200: userAnswer{}}, Handle: f.updateUser,
		},
		{
			Method: "DELETE", Pattern: "/v1/users/{userId}", Summary: "deletes a user", Query: []gateway.Parameter{},
			Answers: map[int]any{204: nil}, Handle: f.deleteUser,
		},
		{
			Method: "GET", Pattern: "/customers", Summary: "a page of the customers", Query: gateway.ListQuery,
			Answers: map[int]any{200: customers.Overview{}},
			Handle:  func(c *gateway.Call) error { return c.List(customers.OverviewView.Name) },
		},
		{
			Method: "GET", Pattern: "/customers/{email}", Summary: "the customer with an e-mail address", Query: []gateway.Parameter{},
			Answers: map[int]any{200: customers.Overview{}},
			Handle:  func(c *gateway.Call) error { return f.customer(c, customers.OverviewView.Name) },
		},
		{
			Method: "GET", Pattern: "/customers/{email}/report", Summary: "what the customer with an e-mail address comes to",
			Query: []gateway.Parameter{}, Answers: map[int]any{200: analysis.Report{}},
			Handle: func(c *gateway.Call) error { return f.customer(c, analysis.ReportView.Name) },
		},
		{
			Method: "POST", Pattern: "/orders", Summary: "places an order, and registers the customer if need be", Query: []gateway.Parameter{},
			Body: NewOrder{}, Answers: map[int]any{201: orderAnswer{}}, Handle: f.placeOrder,
		},
		{
			Method: "GET", Pattern: "/orders", Summary: "a page of the orders", Query: gateway.ListQuery,
			Answers: map[int]any{200: orders.Row{}}, Handle: func(c *gateway.Call) error { return c.List(orders.View.Name) },
		},
		{
			Method: "GET", Pattern: "/orders/search", Summary: "the orders that have all of the words, in their description or in the customer's name",
			Query: []gateway.Parameter{
				{Name: "q", Summary: "words, or what words begin with"},
				{Name: "limit", Summary: "at most so many orders; 100 without"},
			},
			Answers: map[int]any{200: foundOrders{}}, Reaches: true, Handle: f.searchOrders,
		},
		{
			Method: "GET", Pattern: "/orders/{id}", Summary: "an order", Query: []gateway.Parameter{},
			Answers: map[int]any{200: orders.Row{}},
			Handle:  func(c *gateway.Call) error { return c.Row(orders.View.Name, c.Request.PathValue("id")) },
		},
		{
			Method: "POST", Pattern: "/campaigns", Summary: "creates a campaign", Query: []gateway.Parameter{},
			Body: campaigns.Create{}, Answers: map[int]any{201: campaignAnswer{}}, Handle: f.createCampaign,
		},
		{
			Method: "POST", Pattern: "/campaigns/{id}/start", Summary: "starts a campaign", Query: []gateway.Parameter{},
			Answers: map[int]any{200: campaignAnswer{}}, Handle: f.startCampaign,
		},
		{
			Method: "GET", Pattern: "/campaigns", Summary: "a page of the campaigns", Query: gateway.ListQuery,
			Answers: map[int]any{200: campaigns.Row{}}, Handle: func(c *gateway.Call) error { return c.List(campaigns.View.Name) },
		},
		{
			Method: "GET", Pattern: "/campaigns/{id}", Summary: "a campaign", Query: []gateway.Parameter{},
			Answers: map[int]any{200: campaigns.Row{}},
			Handle:  func(c *gateway.Call) error { return c.Row(campaigns.View.Name, c.Request.PathValue("id")) },
		},
		{
			Method: "GET", Pattern: "/mailbox", Summary: "the mails that were sent, where no mail server takes them", Query: []gateway.Parameter{},
			Answers: map[int]any{200: mail.Contents{}}, Handle: f.mails,
		},
	}
}

// userBody is a new user. An id in it is passed over: ids are made here.
type userBody struct {
	ID        json.RawMessage `json:"id,omitempty"`
	FirstName string          `json:"firstName"`
	LastName  string          `json:"lastName"`
}

// userChange is what changes of a user. An id in it is passed over: the path says which user is meant.
type userChange struct {
	ID        json.RawMessage `json:"id,omitempty"`
	FirstName *string         `json:"firstName,omitempty"`
	LastName  *string         `json:"lastName,omitempty"`
}

type userAnswer struct {
	ID      string       `json:"id"`
	Version deed.Version `json:"version"`
}

type campaignAnswer struct {
	ID      string       `json:"id"`
	Version deed.Version `json:"version"`
}

type orderAnswer struct {
	ID string `json:"id"`
}

func (f faces) createUser(c *gateway.Call) error {
	var body userBody
	if err := c.Decode(&body); err != nil {
		return err
	}
	id := c.NewID()
	cmd := users.Create{FirstName: body.FirstName, LastName: body.LastName}
	receipt, err := send(c.Command("create"), f.service, users.Decider.Send(id, cmd))
	if err != nil {
		return err
	}
	c.Writer.Header().Set("Location", "/v1/users/"+id)
	return c.Reply(http.StatusCreated, userAnswer{ID: id, Version: receipt.Version()}, receipt)
}

func (f faces) updateUser(c *gateway.Call) error {
	id, err := c.PathID("userId")
	if err != nil {
		return err
	}
	var body userChange
	if err := c.Decode(&body); err != nil {
		return err
	}
	cmd := users.Update{FirstName: body.FirstName, LastName: body.LastName}
	receipt, err := send(c.Command("update"), f.service, users.Decider.Send(id, cmd))
	if err != nil {
		return err
	}
	return c.Reply(http.StatusOK, userAnswer{ID: id, Version: receipt.Version()}, receipt)
}

func (f faces) deleteUser(c *gateway.Call) error {
	id, err := c.PathID("userId")
	if err != nil {
		return err
	}
	receipt, err := send(c.Command("delete"), f.service, users.Decider.Send(id, users.Delete{}))
	if err != nil {
		return err
	}
	return c.Reply(http.StatusNoContent, nil, receipt)
}

// customer asks the log whose the address is, and a view what is known of the owner.
func (f faces) customer(c *gateway.Call, view string) error {
	owner, err := f.ordering.owner(c.Context(), c.Request.PathValue("email"))
	if err != nil {
		return err
	}
	if owner == "" {
		return customers.ErrNone
	}
	return c.Row(view, owner)
}

func (f faces) placeOrder(c *gateway.Call) error {
	var body NewOrder
	if err := c.Decode(&body); err != nil {
		return err
	}
	id, receipt, err := f.ordering.place(c, body)
	if err != nil {
		return err
	}
	c.Writer.Header().Set("Location", "/orders/"+id)
	return c.Reply(http.StatusCreated, orderAnswer{ID: id}, receipt)
}

func (f faces) createCampaign(c *gateway.Call) error {
	var body campaigns.Create
	if err := c.Decode(&body); err != nil {
		return err
	}
	id := c.NewID()
	receipt, err := send(c.Command("create"), f.service, campaigns.Decider.Send(id, body))
	if err != nil {
		return err
	}
	c.Writer.Header().Set("Location", "/campaigns/"+id)
	return c.Reply(http.StatusCreated, campaignAnswer{ID: id, Version: receipt.Version()}, receipt)
}

func (f faces) startCampaign(c *gateway.Call) error {
	id, err := c.PathID("id")
	if err != nil {
		return err
	}
	receipt, err := send(c.Command("start"), f.service, campaigns.Decider.Send(id, campaigns.Start{}))
	if err != nil {
		return err
	}
	return c.Reply(http.StatusOK, campaignAnswer{ID: id, Version: receipt.Version()}, receipt)
}

// mails shows the mailbox. What a mail server took is not here.
func (f faces) mails(c *gateway.Call) error {
	if f.mailbox == nil {
		return &gateway.Problem{Status: http.StatusNotFound, Code: "no-mailbox", Detail: "mail goes to a mail server, and is not kept here"}
	}
	return c.Reply(http.StatusOK, f.mailbox.Contents())
}

// pages are the routes of the pages for people.
func (f faces) pages(logger *slog.Logger) []gateway.Route {
	place := func(c ui.Caller, o ui.Order) (string, deed.Receipt, error) { return f.ordering.place(c, NewOrder(o)) }
	return ui.Routes(ui.Shop{Service: f.service, Place: place, Text: &ui.Text{Index: f.text, View: f.text.View(f.views)}, Mailbox: f.mailbox, Logger: logger})
}

// index says what the shop answers to; browsers are led to the pages.
func index(gw *gateway.Gateway) gateway.Route {
	return gateway.Route{
		Method: "GET", Pattern: "/{$}", Summary: "what there is", Query: []gateway.Parameter{}, Answers: map[int]any{200: indexAnswer{}, 303: nil},
		Handle: func(c *gateway.Call) error {
			c.Writer.Header().Set("Vary", "Accept")
			if ui.WantsPage(c.Request) {
				c.Writer.Header().Set("Location", ui.Home)
				return c.Reply(http.StatusSeeOther, nil)
			}
			answer := indexAnswer{Name: "deed shop"}
			for _, r := range gw.Routes() {
				if r.Page {
					continue
				}
				answer.Routes = append(answer.Routes, indexRoute{Method: r.Method, Path: r.Pattern, Summary: r.Summary})
			}
			return c.Reply(http.StatusOK, answer)
		},
	}
}

type indexAnswer struct {
	Name   string       `json:"name"`
	Routes []indexRoute `json:"routes"`
}

type indexRoute struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	Summary string `json:"summary"`
}
