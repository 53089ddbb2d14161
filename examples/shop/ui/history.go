package ui

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/money"
)

// events is what happened to a thing, the newest first.
type events struct {
	All     []*happened
	Earlier bool   // there are more
	URL     string // all of them, for programs
}

// happened is an event as it is shown, or several of a kind: what happens again and again is said once.
type happened struct {
	Type  string
	Label string // the type, in words
	Actor string
	Times int
	// Of the first and the last of them.
	Began, Time time.Time
	From, To    deed.Version
	At          deed.Position // of the last
	Details     []string      // what they said, the oldest first
}

const (
	mostEvents = 200 // that are read
	mostShown  = 20
	mostSaid   = 4 // details of events of a kind
)

// events reads the newest events of a stream.
func (s *site) events(v *visit, stream deed.StreamID) (events, error) {
	shown := events{URL: "/api/streams/" + url.PathEscape(string(stream))}
	q := deed.Query{Stream: stream, Backward: true, Limit: mostEvents + 1}
	read := 0
	for r, err := range s.Service.Log().Read(v.Context(), q) {
		if err != nil {
			return shown, err
		}
		if read++; read > mostEvents || !shown.add(r) {
			shown.Earlier = true
			break
		}
	}
	return shown, nil
}

// add adds an event before those that are there; false: there are enough.
func (e *events) add(r deed.Record) bool {
	actor, detail := r.Meta().Actor, detail(r)
	for i := range slices.Backward(e.All) {
		h := e.All[i]
		if h.Type == r.Type && h.Actor == actor && (i == len(e.All)-1 || sameMinute(h.Began, r.Time)) {
			h.Times++
			h.Began, h.From = r.Time, r.Version
			h.say(detail)
			return true
		}
	}
	if len(e.All) == mostShown {
		return false
	}
	one := &happened{
		Type: r.Type, Label: label(r.Type), Actor: actor, Times: 1,
		Began: r.Time, Time: r.Time, From: r.Version, To: r.Version, At: r.Position,
	}
	one.say(detail)
	e.All = append(e.All, one)
	return true
}

// say adds what an event said that was before the others.
func (h *happened) say(detail string) {
	if detail != "" && len(h.Details) < mostSaid && !slices.Contains(h.Details[:min(len(h.Details), h.apart())], detail) {
		h.Details = append([]string{detail}, h.Details...)
	}
}

// apart is how many details after one are not the same: what a customer becomes may be what it was before.
func (h *happened) apart() int {
	if strings.HasPrefix(h.Type, "customer-") {
		return 1
	}
	return mostSaid
}

// Lasted tells whether the events took longer than what is shown of a time.
func (h *happened) Lasted() bool { return !sameMinute(h.Began, h.Time) }

// Detail is what the events said, one after the other.
func (h *happened) Detail() string {
	if h.apart() == 1 {
		return strings.Join(h.Details, " → ")
	}
	return strings.Join(h.Details, ", ")
}

func sameMinute(a, b time.Time) bool { return a.Truncate(time.Minute).Equal(b.Truncate(time.Minute)) }

// label is a type of events in words, without the thing that it is about: the page says that.
func label(kind string) string {
	if kind == "campaign-email-reacted" {
		return "Customer reacted"
	}
	_, rest, found := strings.Cut(kind, "-")
	if !found {
		rest = kind
	}
	words := strings.Split(rest, "-")
	for i, word := range words {
		switch word {
		case "usd":
			words[i] = "USD"
		case "email":
			words[i] = "e-mail"
		}
	}
	return strings.TrimSuffix(sentence(strings.Join(words, " ")), ".")
}

// detail is what an event says besides its type; empty where it says nothing, or what it says cannot be read any more.
func detail(r deed.Record) string {
	var said struct {
		Reason         string       `json:"reason"`
		Classification string       `json:"classification"`
		Value          money.Amount `json:"value"`
		Rate           string       `json:"rate"`
		RateDate       string       `json:"rateDate"`
		Allowed        bool         `json:"allowed"`
		Kind           string       `json:"kind"`
	}
	if json.Unmarshal(r.Data, &said) != nil {
		return ""
	}
	switch r.Type {
	case "order-cancelled", "campaign-email-failed", "campaign-email-skipped":
		return short(200, said.Reason)
	case "order-priced":
		return euros(said.Value)
	case "order-usd-value-added":
		return "at " + said.Rate + " USD for 1 EUR, the rate of " + said.RateDate
	case "customer-classified":
		return said.Classification
	case "customer-email-permission-set":
		if said.Allowed {
			return "wanted"
		}
		return "not wanted"
	case "campaign-email-reacted":
		return said.Kind
	}
	return ""
}
