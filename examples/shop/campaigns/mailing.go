package campaigns

import (
	"fmt"
	"slices"

	"github.com/deed-es/deed"
)

// Why a mail says no.
var (
	ErrNotStarted   = deed.Reject("not-started", "the campaign is not started")
	ErrRequested    = deed.Reject("mail-requested", "the mail to this customer is requested already")
	ErrNotRequested = deed.Reject("mail-not-requested", "no mail to this customer was requested")
	ErrSettled      = deed.Reject("mail-settled", "it is known already what became of the mail to this customer")
	ErrNotSent      = deed.Reject("mail-not-sent", "no mail was sent to this customer")
)

// Step is where a mail stands: none, the zero value, then requested, then sent, failed or skipped.
type Step string

// The steps of a mail.
const (
	StepRequested Step = "requested"
	StepSent      Step = "sent"
	StepFailed    Step = "failed"
	StepSkipped   Step = "skipped"
)

// Mail is what a decision about one customer's mail depends on: the campaign, and what became of the mail so far.
type Mail struct {
	Campaign  Status   `json:"campaign"`
	Step      Step     `json:"step"`
	Reactions []string `json:"reactions,omitempty"` // kinds
}

// Mailing is the decision about one customer's mail. It reads what concerns the mail and not all the mails of the campaign,
// so that it costs the same with a million customers.
var Mailing = deed.Decision[Mail, MailCommand, Event]{
	Category:   "campaign",
	Commands:   MailCommands,
	Events:     Events,
	Query:      mailQuery,
	DecideWith: Mail.Decide,
	Evolve:     Mail.Evolve,
}

func mailQuery(id string, cmd MailCommand) []deed.Match {
	matches := []deed.Match{{Tags: []string{MailTag(id, cmd.Recipient())}}}
	if len(id) <= maxID { // no campaign has a longer one
		whole := deed.Match{Types: []string{Created{}.EventType(), Started{}.EventType()}, Tags: []string{Tag(id)}}
		matches = append(matches, whole)
	}
	return matches
}

// Evolve returns the mail after e.
func (m Mail) Evolve(e Event) Mail {
	switch e := e.(type) {
	case Created:
		m.Campaign = StatusCreated
	case Started:
		m.Campaign = StatusStarted
	case EmailRequested:
		m.Step = StepRequested
	case EmailSent:
		m.Step = StepSent
	case EmailFailed:
		m.Step = StepFailed
	case EmailSkipped:
		m.Step = StepSkipped
	case EmailReacted:
		m.Reactions = append(slices.Clip(m.Reactions), e.Kind)
	}
	return m
}

// Decide returns what happens when cmd is asked of the campaign that meta names.
func (m Mail) Decide(cmd MailCommand, meta deed.Meta) ([]Event, error) {
	id, customer := meta.Stream.ID(), cmd.Recipient()
	if err := checkID("customerId", customer); err != nil {
		return nil, err
	}
	if m.Campaign == "" {
		return nil, ErrNone
	}
	switch cmd := cmd.(type) {
	case RequestMail:
		switch {
		case m.Campaign != StatusStarted:
			return nil, ErrNotStarted
		case m.Step != "":
			return nil, ErrRequested
		}
		return []Event{EmailRequested{CampaignID: id, CustomerID: customer}}, nil
	case RecordSent:
		return m.settle(EmailSent{CampaignID: id, CustomerID: customer, MessageID: cmd.MessageID}, "messageId", cmd.MessageID)
	case RecordFailed:
		return m.settle(EmailFailed{CampaignID: id, CustomerID: customer, Reason: cmd.Reason}, "reason", cmd.Reason)
	case RecordSkipped:
		return m.settle(EmailSkipped{CampaignID: id, CustomerID: customer, Reason: cmd.Reason}, "reason", cmd.Reason)
	case RecordReaction:
		return m.react(EmailReacted{CampaignID: id, CustomerID: customer, Kind: cmd.Kind, First: len(m.Reactions) == 0})
	}
	return nil, fmt.Errorf("unknown command %T", cmd)
}

const (
	maxText      = 500 // characters of a reason or a Message-ID
	maxKind      = 50  // characters
	maxReactions = 20  // kinds
)

// settle says what became of a mail, once.
func (m Mail) settle(e Event, field, text string) ([]Event, error) {
	if err := checkLine(field, text, maxText); err != nil {
		return nil, err
	}
	switch m.Step {
	case StepRequested:
		return []Event{e}, nil
	case StepSent, StepFailed, StepSkipped:
		return nil, ErrSettled
	}
	return nil, ErrNotRequested
}

// react takes note of a reaction, once of each kind.
func (m Mail) react(e EmailReacted) ([]Event, error) {
	if err := checkLine("kind", e.Kind, maxKind); err != nil {
		return nil, err
	}
	switch {
	case m.Step != StepSent:
		return nil, ErrNotSent
	case slices.Contains(m.Reactions, e.Kind):
		return nil, nil
	case len(m.Reactions) == maxReactions:
		return nil, &deed.InvalidError{Field: "kind", Reason: fmt.Sprintf("is one more than the %d kinds that a mail may have", maxReactions)}
	}
	return []Event{e}, nil
}
