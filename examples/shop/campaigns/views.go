package campaigns

import (
	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/customers"
)

// Row is a campaign as lists show it. Its totals add up: Requested is Pending, Sent, Failed and Skipped together.
type Row struct {
	ID             string                   `json:"id"`
	Name           string                   `json:"name"`
	Classification customers.Classification `json:"classification"`
	Subject        string                   `json:"subject"`
	Status         Status                   `json:"status"`
	Requested      int                      `json:"requested"`
	Pending        int                      `json:"pending"`
	Sent           int                      `json:"sent"`
	Failed         int                      `json:"failed"`
	Skipped        int                      `json:"skipped"`
	Reacted        int                      `json:"reacted"` // customers, of those that a mail was sent to
	CreatedAt      string                   `json:"createdAt"`
	StartedAt      string                   `json:"startedAt,omitempty"`
}

// View is the list of campaigns.
var View = deed.Projection[Row, Event]{
	Name:   "campaigns",
	Events: Events,
	Key:    func(r deed.Recorded[Event]) string { return r.Stream.ID() },
	Index:  []string{"name", "classification", "status", "createdAt"},
	Evolve: Row.Evolve,
}

// sortable is a time as text that sorts like the time.
const sortable = "2006-01-02T15:04:05.000000Z07:00"

// Evolve returns the row after r.
func (v Row) Evolve(r deed.Recorded[Event]) Row {
	switch e := r.Event.(type) {
	case Created:
		v = Row{
			ID: e.CampaignID, Name: e.Name, Classification: e.Classification, Subject: e.Subject, Status: StatusCreated,
			CreatedAt: r.Time.Format(sortable),
		}
	case Started:
		v.Status, v.StartedAt = StatusStarted, r.Time.Format(sortable)
	case EmailRequested:
		v.Requested++
	case EmailSent:
		v.Sent++
	case EmailFailed:
		v.Failed++
	case EmailSkipped:
		v.Skipped++
	case EmailReacted:
		if e.First {
			v.Reacted++
		}
	}
	v.Pending = v.Requested - v.Sent - v.Failed - v.Skipped
	return v
}
