package mail

import (
	"context"
	"errors"
	"fmt"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
)

// Why a mail is not sent when its turn comes.
const (
	notPermitted = "the customer does not permit mail"
	forgotten    = "the customer is forgotten"
	unknown      = "there is no such customer"
)

// Sending sends each mail that is requested, unless the customer does not permit it any more. Whether that is so, and where
// the customer is reached, is read from the log at that moment and never from a view. Each mail is handed over at least once,
// always under the same Message-ID; what became of it stands in the log once. While nobody takes mail it tries again with
// growing pauses, and the mails behind it wait.
func Sending(log deed.Store, mailer Mailer) deed.Reactor[campaigns.Event] {
	s := sending{
		mailer:   mailer,
		campaign: campaigns.Decider.Handler(log).Load,
		customer: customers.Decider.Handler(log).Load,
	}
	return deed.Reactor[campaigns.Event]{
		Name:   "mailer",
		Events: []campaigns.Event{campaigns.EmailRequested{}},
		React:  s.react,
		From:   deed.FromNow(), // as Audience
	}
}

type sending struct {
	mailer   Mailer
	campaign func(ctx context.Context, id string) (campaigns.Campaign, deed.Version, error)
	customer func(ctx context.Context, id string) (customers.Customer, deed.Version, error)
}

func (s sending) react(ctx context.Context, r deed.Recorded[campaigns.Event], id string) ([]deed.Effect, error) {
	requested, ok := r.Event.(campaigns.EmailRequested)
	if !ok {
		return nil, nil
	}
	outcome, err := s.outcome(ctx, r.Record, requested, id)
	if err != nil {
		return nil, err
	}
	return []deed.Effect{campaigns.Mailing.Send(r.Stream.ID(), outcome)}, nil
}

// outcome sends a mail, if it is to be sent, and returns the command that says what became of it.
func (s sending) outcome(ctx context.Context, r deed.Record, e campaigns.EmailRequested, id string) (campaigns.MailCommand, error) {
	campaign, _, err := s.campaign(ctx, r.Stream.ID())
	if err != nil {
		return nil, err
	}
	customer, _, err := s.customer(ctx, e.CustomerID)
	if err != nil {
		return nil, err
	}
	if reason := whyNot(customer); reason != "" {
		return campaigns.RecordSkipped{CustomerID: e.CustomerID, Reason: reason}, nil
	}
	messageID, err := s.mailer.Send(ctx, Mail{
		ID: id, Time: r.Time, To: customer.Email, Name: customers.FullName(customer.FirstName, customer.LastName),
		Subject: campaign.Subject, Body: campaign.Body,
	})
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		return campaigns.RecordFailed{CustomerID: e.CustomerID, Reason: line(refused.Error())}, nil
	case err != nil:
		return nil, fmt.Errorf("hand over the mail to customer %s: %w", e.CustomerID, err)
	}
	return campaigns.RecordSent{CustomerID: e.CustomerID, MessageID: messageID}, nil
}

// whyNot says why a customer gets no mail; empty: the customer does.
func whyNot(c customers.Customer) string {
	switch {
	case c.Status == customers.Lost:
		return forgotten
	case c.Status != customers.Known:
		return unknown
	case !c.EmailAllowed:
		return notPermitted
	}
	return ""
}
