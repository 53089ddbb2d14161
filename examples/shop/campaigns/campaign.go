// Package campaigns is the context of mail to many: a campaign is created for a class of customers and started; then a mail
// to each of them is requested, and sent, failed or skipped.
package campaigns

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/customers"
)

// Why a campaign says no.
var (
	ErrNone    = fmt.Errorf("campaign %w", deed.ErrNotFound)
	ErrExists  = deed.Reject("campaign-exists", "there is a campaign with this id")
	ErrStarted = deed.Reject("already-started", "the campaign is started")
)

// Status is where a campaign stands: none, the zero value, then created, then started.
type Status string

// The states of a campaign.
const (
	StatusCreated Status = "created"
	StatusStarted Status = "started"
)

// JSONSchema is for the service's documentation.
func (Status) JSONSchema() map[string]any {
	return map[string]any{"type": "string", "enum": []any{string(StatusCreated), string(StatusStarted)}}
}

// Campaign is the state that decisions need, and what its mails say; the zero Campaign is none. What became of each mail is
// not in it: see Mailing.
type Campaign struct {
	Status         Status                   `json:"status"`
	Name           string                   `json:"name"`
	Classification customers.Classification `json:"classification"`
	Subject        string                   `json:"subject"`
	Body           string                   `json:"body"`
}

// Decider is the write side of campaigns as a whole.
var Decider = deed.Decider[Campaign, Command, Event]{
	Category:   "campaign",
	Commands:   Commands,
	Events:     Events,
	DecideWith: Campaign.Decide,
	Evolve:     Campaign.Evolve,
}

// Evolve returns the campaign after e.
func (c Campaign) Evolve(e Event) Campaign {
	switch e := e.(type) {
	case Created:
		c = Campaign{Status: StatusCreated, Name: e.Name, Classification: e.Classification, Subject: e.Subject, Body: e.Body}
	case Started:
		c.Status = StatusStarted
	case EmailRequested, EmailSent, EmailFailed, EmailSkipped, EmailReacted: // of one customer's mail
	}
	return c
}

// Decide returns what happens when cmd is asked of the campaign that m names.
func (c Campaign) Decide(cmd Command, m deed.Meta) ([]Event, error) {
	id := m.Stream.ID()
	switch cmd := cmd.(type) {
	case Create:
		if c.Status != "" {
			return nil, ErrExists
		}
		if err := cmd.check(id); err != nil {
			return nil, err
		}
		return []Event{Created{CampaignID: id, Name: cmd.Name, Classification: cmd.Classification, Subject: cmd.Subject, Body: cmd.Body}}, nil
	case Start:
		switch c.Status {
		case StatusCreated:
			return []Event{Started{CampaignID: id}}, nil
		case StatusStarted:
			return nil, ErrStarted
		}
		return nil, ErrNone
	}
	return nil, fmt.Errorf("unknown command %T", cmd)
}

const (
	maxName    = 100    // characters
	maxSubject = 200    // characters
	maxBody    = 20_000 // bytes
)

func (c Create) check(id string) error {
	if err := checkID("id", id); err != nil {
		return err
	}
	if err := checkLine("name", c.Name, maxName); err != nil {
		return err
	}
	switch c.Classification {
	case customers.Bronze, customers.Silver, customers.Gold:
	default:
		return &deed.InvalidError{Field: "classification", Reason: "must be bronze, silver or gold"}
	}
	if err := checkLine("subject", c.Subject, maxSubject); err != nil {
		return err
	}
	if n := len(c.Body); strings.TrimSpace(c.Body) == "" || n > maxBody {
		return &deed.InvalidError{Field: "body", Reason: fmt.Sprintf("must have 1 to %d bytes", maxBody)}
	}
	return nil
}

// checkLine refuses what is no line of text: empty, too long, or with control characters, which headers of mails cannot have.
func checkLine(field, text string, most int) error {
	switch {
	case strings.TrimSpace(text) == "":
		return &deed.InvalidError{Field: field, Reason: "is required"}
	case utf8.RuneCountInString(text) > most:
		return &deed.InvalidError{Field: field, Reason: fmt.Sprintf("has more than %d characters", most)}
	case strings.ContainsFunc(text, unicode.IsControl):
		return &deed.InvalidError{Field: field, Reason: "must be one line"}
	}
	return nil
}

func checkID(field, id string) error {
	if deed.ValidID(id) != nil || len(id) > maxID {
		return &deed.InvalidError{Field: field, Reason: fmt.Sprintf("must be an id of 1 to %d bytes", maxID)}
	}
	return nil
}
