package console

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

const parkedPage = 100

type parkedBody struct {
	Parts   []parkedPart
	Said    said
	Waiting bool // something was said that has not been done yet
	After   bool // these are what follows a key
}

// said is what was told to a part just now.
type said struct{ Action, Part string }

// saidOf reads what was told from the address: nothing, unless there is such an action and such a part, since anybody can make an
// address.
func (c *console) saidOf(call *gateway.Call) said {
	values := call.Request.URL.Query()
	one := said{values.Get("said"), values.Get("of")}
	if !slices.ContainsFunc(actions, func(a action) bool { return a.name == one.Action }) || !slices.Contains(partNames(c.service.Model()), one.Part) {
		return said{}
	}
	return one
}

func partNames(m deed.Model) (names []string) {
	for _, p := range m.Projections {
		names = append(names, p.Name)
	}
	for _, parts := range [][]deed.PartModel{m.Tables, m.Processes, m.Reactors} {
		for _, p := range parts {
			names = append(names, p.Name)
		}
	}
	return names
}

type parkedPart struct {
	Part  part
	Keys  []parkedLine
	Next  string // address of the page of what follows; empty: there is nothing
	First string // address of the page of all parts; empty: it is this one
}

type parkedLine struct {
	deed.Parked
	Name     string // the key without what marks it as a stream's
	Unrouted bool
	Since    time.Time
	Asked    asked // what was said, and has not been done yet
	At       deed.Position
	State    string // of the part
}

// parked is the page of what parts hold back.
func (c *console) parked(call *gateway.Call) (content, error) {
	c.meter.renew() // what was said before now and is done must not be shown as if it waited
	parts, _, err := c.parts(call)
	if err != nil {
		return content{}, err
	}
	values := call.Request.URL.Query()
	after, err := clean("after", values.Get("after"))
	if err != nil {
		return content{}, err
	}
	body := parkedBody{Said: c.saidOf(call), After: after != ""}
	for _, p := range foremost(parts) {
		if after != "" && p.Name != values.Get("part") {
			continue
		}
		own, err := c.parkedBy(call.Context(), p, after)
		if err != nil {
			return content{}, err
		}
		if len(own.Keys) > 0 {
			body.Parts = append(body.Parts, own)
		}
		body.Waiting = body.Waiting || slices.ContainsFunc(own.Keys, func(k parkedLine) bool { return k.Asked.Action != "" })
	}
	return content{title: "Parked", area: "parked", body: body}, nil
}

// parkedBy is what a part holds back, after a key.
func (c *console) parkedBy(ctx context.Context, p part, after string) (parkedPart, error) {
	own := parkedPart{Part: p}
	if p.Kind == kindTask {
		return own, nil
	}
	found, err := c.service.Control().Parked(ctx, p.Name, after, parkedPage+1)
	if err != nil || len(found) == 0 {
		return own, err
	}
	waiting, err := c.waiting(ctx, p)
	if err != nil {
		return own, err
	}
	if len(found) > parkedPage {
		own.Next = link("parked") + query("part", p.Name, "after", found[parkedPage-1].Key)
	}
	if after != "" {
		own.First = link("parked")
	}
	for _, k := range found[:min(len(found), parkedPage)] {
		line := parkedLine{Parked: k, Since: k.Time, Asked: waiting[k.Key], At: p.Least, State: p.State}
		line.Name, line.Unrouted = strings.CutPrefix(k.Key, "/")
		own.Keys = append(own.Keys, line)
	}
	return own, nil
}
