package campaigns

import (
	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/customers"
)

// Event is what can happen to a campaign. Those of one customer's mail are tagged with the mail and the customer, the others
// with the campaign.
type Event interface {
	deed.Event
	campaignEvent()
}

type (
	// Created makes a campaign for the customers of a class.
	Created struct {
		CampaignID     string                   `json:"campaignId"`
		Name           string                   `json:"name"`
		Classification customers.Classification `json:"classification"`
		Subject        string                   `json:"subject"`
		Body           string                   `json:"body"`
	}
	// Started sets a campaign going.
	Started struct {
		CampaignID string `json:"campaignId"`
	}
	// EmailRequested asks for a mail to a customer.
	EmailRequested struct {
		CampaignID string `json:"campaignId"`
		CustomerID string `json:"customerId"`
	}
	// EmailSent tells that the mail was handed over under a Message-ID.
	EmailSent struct {
		CampaignID string `json:"campaignId"`
		CustomerID string `json:"customerId"`
		MessageID  string `json:"messageId"`
	}
	// EmailFailed tells that nobody takes the mail, and why.
	EmailFailed struct {
		CampaignID string `json:"campaignId"`
		CustomerID string `json:"customerId"`
		Reason     string `json:"reason"`
	}
	// EmailSkipped tells that the mail was not to be sent when its turn came, and why.
	EmailSkipped struct {
		CampaignID string `json:"campaignId"`
		CustomerID string `json:"customerId"`
		Reason     string `json:"reason"`
	}
	// EmailReacted tells what a customer did with a mail. First marks the first reaction to it.
	EmailReacted struct {
		CampaignID string `json:"campaignId"`
		CustomerID string `json:"customerId"`
		Kind       string `json:"kind"`
		First      bool   `json:"first,omitempty"`
	}
)

// EventType is the name that campaigns are created under in the log.
func (Created) EventType() string { return "campaign-created" }

// EventType is the name that starts are stored under.
func (Started) EventType() string { return "campaign-started" }

// EventType is the name that requested mails are stored under.
func (EmailRequested) EventType() string { return "campaign-email-requested" }

// EventType is the name that sent mails are stored under.
func (EmailSent) EventType() string { return "campaign-email-sent" }

// EventType is the name that failed mails are stored under.
func (EmailFailed) EventType() string { return "campaign-email-failed" }

// EventType is the name that skipped mails are stored under.
func (EmailSkipped) EventType() string { return "campaign-email-skipped" }

// EventType is the name that reactions are stored under.
func (EmailReacted) EventType() string { return "campaign-email-reacted" }

// EventTags is the campaign.
func (e Created) EventTags() []string { return []string{Tag(e.CampaignID)} }

// EventTags is the campaign.
func (e Started) EventTags() []string { return []string{Tag(e.CampaignID)} }

// EventTags are the mail and the customer.
func (e EmailRequested) EventTags() []string { return mailTags(e.CampaignID, e.CustomerID) }

// EventTags are the mail and the customer.
func (e EmailSent) EventTags() []string { return mailTags(e.CampaignID, e.CustomerID) }

// EventTags are the mail and the customer.
func (e EmailFailed) EventTags() []string { return mailTags(e.CampaignID, e.CustomerID) }

// EventTags are the mail and the customer.
func (e EmailSkipped) EventTags() []string { return mailTags(e.CampaignID, e.CustomerID) }

// EventTags are the mail and the customer.
func (e EmailReacted) EventTags() []string { return mailTags(e.CampaignID, e.CustomerID) }

func (Created) campaignEvent()        {}
func (Started) campaignEvent()        {}
func (EmailRequested) campaignEvent() {}
func (EmailSent) campaignEvent()      {}
func (EmailFailed) campaignEvent()    {}
func (EmailSkipped) campaignEvent()   {}
func (EmailReacted) campaignEvent()   {}

// Events is every member of Event.
var Events = []Event{Created{}, Started{}, EmailRequested{}, EmailSent{}, EmailFailed{}, EmailSkipped{}, EmailReacted{}}

const (
	tagged = "campaign:"
	// maxID is how long an id may be to fit into a tag, which has at most 255 bytes.
	maxID = 240
)

// Tag is the tag of what concerns a campaign as a whole.
func Tag(campaignID string) string { return tagged + campaignID }

// MailTag is the tag of a campaign's mail to a customer. Two ids do not fit into a tag: hence the hash.
func MailTag(campaignID, customerID string) string {
	return "mail:" + deed.HashID("mail", campaignID, customerID)
}

func mailTags(campaignID, customerID string) []string {
	return []string{MailTag(campaignID, customerID), customers.Tag(customerID)}
}
