package console

import (
	"net/http"

	"github.com/deed-es/deed/gateway"
)

// livePart is how a part is doing, as a page that is open is told.
type livePart struct {
	Name     string `json:"name"`
	Key      string `json:"key"` // it and its version
	State    string `json:"state"`
	Position string `json:"position"`
	Lag      string `json:"lag"`
	Unit     string `json:"unit"` // of the lag
	Behind   string `json:"behind"`
	Done     int    `json:"done"`
	Chart    string `json:"chart"`
	Most     string `json:"most"`
	Far      bool   `json:"far"`
	Going    string `json:"going"`
	Means    string `json:"means"`
	Error    string `json:"error"`
	Tries    string `json:"tries"`
	Record   string `json:"record"` // where the record stands that the error is about; empty: it is about none
	Address  string `json:"address"`
	Parked   string `json:"parked"`
	Held     string `json:"held"`
	Node     string `json:"node"`
	On       string `json:"on"`
	Reads    string `json:"reads"`
	Instead  string `json:"instead"`

	Partitions []livePartition `json:"partitions,omitempty"`
}

type livePartition struct {
	Index    int    `json:"index"`
	State    string `json:"state"`
	Node     string `json:"node"`
	Position string `json:"position"`
	Lag      string `json:"lag"`
}

func livePartOf(p part) livePart {
	l := livePart{
		Name: p.Name, Key: p.Key(), State: p.State, Position: num(p.Position), Lag: num(p.Lag), Unit: p.Unit(), Behind: lasting(p.Behind), Done: p.Done, Chart: p.Chart, Most: num(p.Seen.Most),
		Far: p.Far(), Going: p.Going(), Means: p.Means(), Error: cut(errorShown, p.Error), Tries: p.Tries(), Parked: num(p.Parked), Held: p.Held(),
		Node: p.By(), On: p.On(), Reads: p.Reads(), Instead: p.Instead(),
	}
	if p.Record != nil {
		l.Record, l.Address = num(p.Record.Position), link("log", p.Record.Position)
	}
	for _, s := range p.Slices() {
		l.Partitions = append(l.Partitions, livePartition{s.Index, s.State, s.By, num(s.Position), num(s.Lag)})
	}
	return l
}

// errorShown is how much of an error is shown beside a part.
const errorShown = 400

// partsJSON answers with how the parts are doing, for pages that are open.
func (c *console) partsJSON(call *gateway.Call) error {
	parts, status, err := c.parts(call)
	if err != nil {
		return err
	}
	answer := struct {
		Head   string     `json:"head"`
		Alerts string     `json:"alerts"` // empty: nothing wants to be looked at
		Parts  []livePart `json:"parts"`
	}{Head: num(status.Head), Alerts: alertsText(alerts(status, c.meter.inFleet()))}
	for _, p := range parts {
		answer.Parts = append(answer.Parts, livePartOf(p))
	}
	call.Writer.Header().Set("Cache-Control", "no-store")
	return call.Reply(http.StatusOK, answer)
}

// alertsText says how much wants to be looked at; empty: nothing does.
func alertsText(n int) string {
	if n == 0 {
		return ""
	}
	return plural(n, "thing wants", "things want") + " to be looked at"
}
