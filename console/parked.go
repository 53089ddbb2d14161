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
}

// said is what was told to a part just now.
type said struct{ Action, Part string }

func saidOf(call *gateway.Call) said {
	values := call.Request.URL.Query()
	return said{cut(40, values.Get("said")), cut(80, values.Get("of"))}
}

type parkedPart struct {
	Part part
	Keys []parkedLine
	More bool
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
	body := parkedBody{Said: saidOf(call)}
	for _, p := range foremost(parts) {
		own, err := c.parkedBy(call.Context(), p)
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

// parkedBy is what a part holds back.
func (c *console) parkedBy(ctx context.Context, p part) (parkedPart, error) {
	own := parkedPart{Part: p}
	if p.Kind == kindTask {
		return own, nil
	}
	found, err := c.service.Control().Parked(ctx, p.Name, "", parkedPage+1)
	if err != nil || len(found) == 0 {
		return own, err
	}
	waiting, err := c.waiting(ctx, p)
	if err != nil {
		return own, err
	}
	own.More = len(found) > parkedPage
	for _, k := range found[:min(len(found), parkedPage)] {
		line := parkedLine{Parked: k, Since: k.Time, Asked: waiting[k.Key], At: p.Least, State: p.State}
		line.Name, line.Unrouted = strings.CutPrefix(k.Key, "/")
		own.Keys = append(own.Keys, line)
	}
	return own, nil
}
