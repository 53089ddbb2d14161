package ui

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/analysis"
	"github.com/deed-es/deed/examples/shop/customers"
)

// classOptions are the classes of customers, as a filter or a field has them.
func classOptions(none string) []option {
	return []option{
		{Label: none},
		{Value: string(customers.Bronze), Label: "Bronze"},
		{Value: string(customers.Silver), Label: "Silver"},
		{Value: string(customers.Gold), Label: "Gold"},
	}
}

var customerList = &list{
	name: "customers", view: customers.OverviewView.Name, title: "Customers", order: "-registeredAt",
	filters: []filter{
		{param: "class", field: "classification", label: "Class", options: classOptions("All")},
		{param: "mail", field: "emailAllowed", label: "Mail", options: []option{
			{Label: "All"}, {Value: "true", Label: "Wanted"}, {Value: "false", Label: "Not wanted"},
		}},
	},
	decode: decoder(func(r customers.Overview) string { return r.RegisteredAt }, func(r customers.Overview) map[string]string {
		return map[string]string{"classification": string(r.Classification), "emailAllowed": strconv.FormatBool(r.EmailAllowed)}
	}),
	rowForm: func(v *visit, r *row) []*form {
		customer, _ := r.Value.(customers.Overview)
		f := v.form(permitForm(customer.ID, !customer.EmailAllowed))
		f.About = "customer " + customers.FullName(customer.FirstName, customer.LastName)
		return []*form{f}
	},
}

func permitForm(id string, allow bool) form {
	f := form{
		ID: "permit-" + element(id), Action: path("customers", id, "permit"), Submit: "Permit mail", Kind: "quiet",
		Fields: []field{{Name: "allowed", Kind: "hidden", Value: strconv.FormatBool(allow), Was: strconv.FormatBool(allow)}},
	}
	if !allow {
		f.Submit = "Withdraw"
	}
	return f
}

func renameForm(c customers.Overview) form {
	return form{
		ID: "rename-customer", Action: path("customers", c.ID, "rename"), Submit: "Save",
		Fields: []field{
			{Name: "firstName", Label: "First name", Kind: "text", Autocomplete: "off", Value: c.FirstName, Was: c.FirstName, Tracks: true},
			{Name: "lastName", Label: "Last name", Kind: "text", Autocomplete: "off", Value: c.LastName, Was: c.LastName, Tracks: true},
			{Name: "location", Label: "Location", Kind: "text", Autocomplete: "off", Value: c.Location, Was: c.Location, Optional: true, Tracks: true},
		},
	}
}

// customerPage is what there is to say of a customer.
type customerPage struct {
	customers.Overview
	Report analysis.Report
	Parked deed.Position
	Lag    lag
	Rename *form
	Permit *form
	Events events
	Orders string // where they are listed
}

func (s *site) customer(v *visit) error {
	id, err := v.pathID()
	if err != nil {
		return err
	}
	p := customerPage{Orders: path("orders") + "?" + with(nil, "customer", id).Encode()}
	if p.Lag, p.Parked, err = s.thing(v, customers.OverviewView.Name, id, &p.Overview, "customer"); err != nil {
		return err
	}
	if p.Report, err = s.report(v, id); err != nil {
		return err
	}
	p.Rename, p.Permit = v.form(renameForm(p.Overview)), v.form(permitForm(id, !p.EmailAllowed))
	if p.Events, err = s.events(v, deed.Stream("customer", id)); err != nil {
		return err
	}
	return v.show(page{Title: customers.FullName(p.FirstName, p.LastName), Section: "customers", Content: "customer", View: customers.OverviewView.Name, Key: id, Data: p})
}

// customerName is what a customer is called; empty where nobody knows.
func (s *site) customerName(v *visit, id string) string {
	r, _, err := s.Service.Views().Get(v.Context(), customers.OverviewView.Name, id, 0)
	var customer customers.Overview
	if err != nil || json.Unmarshal(r.Row, &customer) != nil {
		return ""
	}
	return customers.FullName(customer.FirstName, customer.LastName)
}

// report is what a customer comes to; the zero report where nobody knows yet.
func (s *site) report(v *visit, id string) (analysis.Report, error) {
	var report analysis.Report
	if _, err := v.position(analysis.ReportView.Name, v.want, patience); err != nil {
		return report, err
	}
	r, _, err := s.Service.Views().Get(v.Context(), analysis.ReportView.Name, id, 0)
	if errors.Is(err, deed.ErrNotFound) {
		return report, nil
	}
	if err == nil {
		err = json.Unmarshal(r.Row, &report)
	}
	return report, err
}

func (s *site) renameCustomer(v *visit) error {
	id, err := v.pathID()
	if err != nil {
		return err
	}
	f, err := v.fill(renameForm(customers.Overview{ID: id}))
	if err != nil {
		return err
	}
	return v.submit(f, s.customer, func(c Caller) (done, error) {
		cmd := customers.Update{FirstName: f.changed("firstName"), LastName: f.changed("lastName"), Location: f.changed("location")}
		receipt, err := s.send(c.Command("rename"), customers.Decider.Send(id, cmd))
		return done{what: "renamed", of: id, receipt: receipt}, err
	})
}

func (s *site) permitMail(v *visit) error {
	id, err := v.pathID()
	if err != nil {
		return err
	}
	f, err := v.fill(permitForm(id, false))
	if err != nil {
		return err
	}
	return v.submit(f, s.customer, func(c Caller) (done, error) {
		allowed, err := strconv.ParseBool(strings.TrimSpace(f.value("allowed")))
		if err != nil {
			return done{}, &deed.InvalidError{Field: "allowed", Reason: "must be true or false"}
		}
		receipt, err := s.send(c.Command("permit"), customers.Decider.Send(id, customers.PermitEmail{Allowed: allowed}))
		return done{what: "permission", of: id, receipt: receipt}, err
	})
}
