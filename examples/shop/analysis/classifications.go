package analysis

import (
	"slices"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
)

// Share is what one class makes up: how many customers, and how much their confirmed orders are worth, now and at the end
// of each day on which that changed.
type Share struct {
	Classification customers.Classification `json:"classification"`
	Customers      int                      `json:"customers"`
	Value          money.Amount             `json:"value"`
	Days           []Day                    `json:"days"`
	// Earlier is how many days before these are no longer kept.
	Earlier int `json:"earlier,omitempty"`
}

// Day is what a class made up at the end of a day, in UTC.
type Day struct {
	Day       string       `json:"day"` // 2006-01-02
	Customers int          `json:"customers"`
	Value     money.Amount `json:"value"`
}

// maxDays bounds the days of a row, which is written anew with each change.
const maxDays = 100

// ClassificationsView has a row for each class that a customer was ever in.
var ClassificationsView = deed.Projection[Share, customers.Event]{
	Name:   "classifications",
	Events: []customers.Event{customers.Classified{}, customers.Forgotten{}},
	Route: func(r deed.Recorded[customers.Event]) []deed.Target {
		var targets []deed.Target
		for _, class := range classes(r.Event) {
			targets = append(targets, deed.ToKey(string(class)))
		}
		return targets
	},
	Evolve: Share.Evolve,
}

// classes are the classes that an event changes, each once: the one joined, then the one left.
func classes(e customers.Event) []customers.Classification {
	joined, left := moves(e)
	var all []customers.Classification
	if joined.class != "" {
		all = append(all, joined.class)
	}
	if left.class != "" && left.class != joined.class {
		all = append(all, left.class)
	}
	return all
}

// move is a customer who joins or leaves a class, with all that the customer is worth.
type move struct {
	class customers.Classification
	value money.Amount
}

func moves(e customers.Event) (joined, left move) {
	switch e := e.(type) {
	case customers.Classified:
		return move{e.Classification, e.TotalValue}, move{e.PreviousClassification, e.PreviousValue}
	case customers.Forgotten:
		return move{}, move{e.Classification, e.TotalValue}
	}
	return move{}, move{}
}

// Evolve returns the share after r. A class has no row until somebody joins it.
func (v Share) Evolve(r deed.Recorded[customers.Event]) Share {
	joined, left := moves(r.Event)
	if v.Classification == "" {
		v.Classification = joined.class
	}
	if left.class == v.Classification && v.Customers > 0 {
		v.Customers, v.Value = v.Customers-1, v.Value.Sub(left.value)
	}
	if joined.class == v.Classification {
		v.Customers, v.Value = v.Customers+1, v.Value.Add(joined.value)
	}
	return v.note(r.Time)
}

// note keeps how the day stands.
func (v Share) note(at time.Time) Share {
	day := Day{Day: at.Format(time.DateOnly), Customers: v.Customers, Value: v.Value}
	v.Days = slices.Clone(v.Days)
	if last := len(v.Days) - 1; last >= 0 && v.Days[last].Day == day.Day {
		v.Days[last] = day
		return v
	}
	v.Days = append(v.Days, day)
	if extra := len(v.Days) - maxDays; extra > 0 {
		v.Days, v.Earlier = v.Days[extra:], v.Earlier+extra
	}
	return v
}
