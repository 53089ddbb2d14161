package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

// mapNode is a part, an event or a command on the map.
type mapNode struct {
	ID         string // unique on the page
	Kind       string // command, decider, decision, event, projection, tables, process, reactor or target
	Name       string
	Shown      string // the name as far as it fits
	Link       string
	X, Y       int
	Wide, High int
	TextX      int // of its text, and of its rate
	TextY      int
	RateX      int
	column     int
	about      string // its category, where it has one
}

// mapLine is what goes from one to another.
type mapLine struct {
	From, To string // ids
	Path     string
	Seen     bool // it is known from the log, and not from the model
}

type mapBody struct {
	Nodes      []*mapNode
	Lines      []*mapLine
	Wide, High int
	Columns    []mapColumn
	Events     []mapEvent // the same as a list
	Empty      bool
}

type mapColumn struct {
	Name string
	X    int
}

// mapEvent is a line of the list: who records an event, and who handles it.
type mapEvent struct {
	Type      string
	Deciders  []string
	Followers []follower
}

// drawMap is the page of the map.
func (c *console) drawMap(call *gateway.Call) (content, error) {
	model := c.service.Model()
	recent, err := c.recently(call.Context())
	if err != nil {
		return content{}, err
	}
	d := drawing{model: model, nodes: map[string]*mapNode{}}
	d.deciders()
	d.handlers()
	d.targets(recent)
	body := d.layOut()
	body.Events = listed(model)
	body.Empty = len(body.Nodes) == 0
	return content{title: "Map", area: "map", body: body}, nil
}

// listed is the map in words.
func listed(m deed.Model) []mapEvent {
	by := map[string]*mapEvent{}
	var order []string
	for _, d := range m.Deciders {
		for _, e := range d.Events {
			if by[e.Name] == nil {
				by[e.Name] = &mapEvent{Type: e.Name, Followers: followersOf(m, e.Name)}
				order = append(order, e.Name)
			}
			by[e.Name].Deciders = append(by[e.Name].Deciders, d.Category)
		}
	}
	all := make([]mapEvent, len(order))
	for i, name := range order {
		all[i] = *by[name]
		slices.Sort(all[i].Deciders)
		all[i].Deciders = slices.Compact(all[i].Deciders)
	}
	return all
}

const recentRecords = 3000

// recently reads the last records, the newest first.
func (c *console) recently(ctx context.Context) ([]deed.Record, error) {
	var all []deed.Record
	for r, err := range c.service.Log().Read(ctx, deed.Query{Backward: true, Limit: recentRecords}) {
		if err != nil {
			return nil, err
		}
		r.Tags = nil
		if r.Type != "effect-refused" {
			r.Data = nil
		}
		all = append(all, r)
	}
	return all, nil
}

// sentTo tells, from what happened, to which categories processes and reactors send commands. Where several react to an event,
// which of them has sent what came of it is not known, and is left out.
func sentTo(m deed.Model, recent []deed.Record) map[string][]string {
	types := map[string]string{}
	for _, r := range recent {
		types[r.ID] = r.Type
	}
	to := map[string][]string{}
	add := func(part, category string) {
		if category != "" && !slices.Contains(to[part], category) {
			to[part] = append(to[part], category)
			slices.Sort(to[part])
		}
	}
	for _, r := range recent {
		if r.Type == "effect-refused" {
			var said struct{ Stream deed.StreamID }
			part, _, _ := strings.Cut(strings.TrimPrefix(string(r.Stream), "process-"), ":")
			if json.Unmarshal(r.Data, &said) == nil {
				add(part, said.Stream.Category())
			}
		}
		cause, known := types[r.Meta().Causation]
		if !known || r.Stream.Category() == "process" {
			continue
		}
		if by := sendersOf(m, cause, happened{entry: entry{Stream: r.Stream}}); len(by) == 1 {
			add(by[0].Name, r.Stream.Category())
		}
	}
	return to
}

// rates remembers how many events of each type came in a second.
type rates struct {
	mu sync.Mutex
	at time.Time
	of map[string]float64
}

const (
	ratesFresh   = time.Second
	ratesWindow  = time.Minute
	ratesRecords = 5000
)

// get counts the events of the last minute, or the last ones where they are many.
func (r *rates) get(ctx context.Context, log deed.Reader) (map[string]float64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.of != nil && now.Sub(r.at) < ratesFresh {
		return r.of, nil
	}
	counts, span, n := map[string]float64{}, ratesWindow, 0
	var newest time.Time
	for record, err := range log.Read(ctx, deed.Query{Backward: true, Limit: ratesRecords}) {
		if err != nil {
			return nil, err
		}
		age := now.Sub(record.Time)
		if age > ratesWindow {
			break
		}
		counts[record.Type]++
		if n++; n == 1 {
			newest = record.Time
		}
		if n == ratesRecords {
			span = age
			if now.Sub(newest) < ratesFresh { // they come without a pause, and reading takes its time
				span = newest.Sub(record.Time)
			}
			span = max(span, 10*time.Millisecond)
		}
	}
	for name := range counts {
		counts[name] /= span.Seconds()
	}
	r.of, r.at = counts, now
	return counts, nil
}

// mapRates answers with the rates that the map shows.
func (c *console) mapRates(call *gateway.Call) error {
	of, err := c.rates.get(call.Context(), c.service.Log())
	if err != nil {
		return err
	}
	shown := map[string]string{}
	for name, rate := range of {
		shown[name] = rateText(rate)
	}
	call.Writer.Header().Set("Cache-Control", "no-store")
	return call.Reply(http.StatusOK, map[string]any{"events": shown})
}

func rateText(rate float64) string {
	switch {
	case rate >= 10:
		return num(int64(rate+0.5)) + "/s"
	case rate >= 0.95:
		return fmt.Sprintf("%.1f/s", rate)
	}
	return fmt.Sprintf("%.0f/min", max(rate*60, 1))
}
