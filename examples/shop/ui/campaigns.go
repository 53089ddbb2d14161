package ui

import (
	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
)

var campaignList = &list{
	name: "campaigns", view: campaigns.View.Name, title: "Campaigns", order: "-createdAt",
	filters: []filter{
		{param: "status", field: "status", label: "Status", options: []option{
			{Label: "All"}, {Value: string(campaigns.StatusCreated), Label: "Created"}, {Value: string(campaigns.StatusStarted), Label: "Started"},
		}},
		{param: "class", field: "classification", label: "Class", options: classOptions("All")},
	},
	decode: decoder(func(r campaigns.Row) string { return r.CreatedAt }, func(r campaigns.Row) map[string]string {
		return map[string]string{"status": string(r.Status), "classification": string(r.Classification)}
	}),
	forms: func(v *visit) []*form { return []*form{v.form(newCampaignForm())} },
	rowForm: func(v *visit, r *row) []*form {
		campaign, _ := r.Value.(campaigns.Row)
		if campaign.Status != campaigns.StatusCreated {
			return nil
		}
		f := v.form(startForm(campaign.ID))
		f.About = "campaign " + campaign.Name
		return []*form{f}
	},
}

func newCampaignForm() form {
	return form{
		ID: "create-campaign", Action: path("campaigns"), Submit: "Create the campaign", Title: "New campaign",
		Fields: []field{
			{Name: "name", Label: "Name", Kind: "text", Autocomplete: "off", Hint: "Customers do not see it."},
			{Name: "classification", Label: "Class of customers", Kind: "select", Options: classOptions("Choose one")},
			{Name: "subject", Label: "Subject", Kind: "text", Autocomplete: "off"},
			{Name: "body", Label: "Text of the mail", Kind: "area"},
		},
	}
}

func startForm(id string) form {
	return form{ID: "start-" + element(id), Action: path("campaigns", id, "start"), Submit: "Start"}
}

// campaignPage is what there is to say of a campaign.
type campaignPage struct {
	campaigns.Row
	Body   string
	Parked deed.Position
	Lag    lag
	Start  *form
	Events events
}

func (s *site) campaign(v *visit) error {
	id, err := v.pathID()
	if err != nil {
		return err
	}
	p := campaignPage{}
	if p.Lag, p.Parked, err = s.thing(v, campaigns.View.Name, id, &p.Row, "campaign"); err != nil {
		return err
	}
	stream := deed.Stream("campaign", id)
	state, err := s.Service.Load(v.Context(), stream)
	if err != nil {
		return err
	}
	if campaign, ok := state.State.(campaigns.Campaign); ok {
		p.Body = campaign.Body
	}
	if p.Status == campaigns.StatusCreated {
		p.Start = v.form(startForm(id))
	}
	if p.Events, err = s.events(v, stream); err != nil {
		return err
	}
	return v.show(page{Title: p.Name, Section: "campaigns", Content: "campaign", Data: p})
}

func (s *site) campaignsPage(v *visit) error { return s.listPage(v, campaignList) }

func (s *site) createCampaign(v *visit) error {
	f, err := v.fill(newCampaignForm())
	if err != nil {
		return err
	}
	return v.submit(f, s.campaignsPage, func(c Caller) (done, error) {
		id := c.NewID()
		cmd := campaigns.Create{
			Name: f.value("name"), Classification: customers.Classification(f.value("classification")), Subject: f.value("subject"), Body: f.value("body"),
		}
		receipt, err := s.send(c.Command("create"), campaigns.Decider.Send(id, cmd))
		return done{what: "campaign", of: id, receipt: receipt}, err
	})
}

func (s *site) startCampaign(v *visit) error {
	id, err := v.pathID()
	if err != nil {
		return err
	}
	f, err := v.fill(startForm(id))
	if err != nil {
		return err
	}
	return v.submit(f, s.campaign, func(c Caller) (done, error) {
		receipt, err := s.send(c.Command("start"), campaigns.Decider.Send(id, campaigns.Start{}))
		return done{what: "started", of: id, receipt: receipt}, err
	})
}
