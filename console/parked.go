package console

import (
	"strings"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

const parkedPage = 100

type parkedBody struct {
	Parts []parkedPart
	Said  said
	Total int
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
}

// parked is the page of what parts hold back.
func (c *console) parked(call *gateway.Call) (content, error) {
	parts, _, err := c.parts(call)
	if err != nil {
		return content{}, err
	}
	body := parkedBody{Said: saidOf(call)}
	for _, p := range parts {
		if p.Kind == kindTask {
			continue
		}
		found, err := c.service.Control().Parked(call.Context(), p.Name, "", parkedPage+1)
		if err != nil {
			return content{}, err
		}
		if len(found) == 0 {
			continue
		}
		own := parkedPart{Part: p, More: len(found) > parkedPage}
		for _, k := range found[:min(len(found), parkedPage)] {
			line := parkedLine{Parked: k, Since: k.Time}
			line.Name, line.Unrouted = strings.CutPrefix(k.Key, "/")
			own.Keys = append(own.Keys, line)
		}
		body.Total += len(own.Keys)
		body.Parts = append(body.Parts, own)
	}
	return content{title: "Parked", area: "parked", body: body}, nil
}
