package console

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/deed-es/deed"
)

// asked is what somebody has said is to become of what a part holds back of a key.
type asked struct {
	Action   string // retry or skip
	Position deed.Position
	Time     time.Time
	Actor    string
}

// askedMost bounds how far back is looked for what was said to a part.
const askedMost = 1000

// asked returns, by key, what was last said to a part after a position.
func (c *console) asked(ctx context.Context, name string, after deed.Position) (map[string]asked, error) {
	q := deed.Query{
		Stream: deed.Stream("process", name), After: after, Backward: true, Limit: askedMost,
		Match: []deed.Match{{Types: []string{"part-retried", "part-skipped"}}},
	}
	all := map[string]asked{}
	for r, err := range c.service.Log().Read(ctx, q) {
		if err != nil {
			return nil, err
		}
		var said struct{ Key string }
		if json.Unmarshal(r.Data, &said) != nil {
			continue
		}
		if _, newer := all[said.Key]; newer {
			continue
		}
		one := asked{Action: "retry", Position: r.Position, Time: r.Time, Actor: r.Meta().Actor}
		if r.Type == "part-skipped" {
			one.Action = "skip"
		}
		all[said.Key] = one
	}
	return all, nil
}

// waiting returns, by key, what was said to a part that the part has not come to yet.
func (c *console) waiting(ctx context.Context, p part) (map[string]asked, error) {
	if p.Furthest == 0 {
		return nil, nil
	}
	return c.asked(ctx, p.Name, p.Least)
}

// notParked explains that nothing is parked of a key, with what became of it where that was said.
func (c *console) notParked(ctx context.Context, name, key string) error {
	shown, _ := strings.CutPrefix(key, "/")
	gone := &missing{
		what: "Nothing is parked of " + cut(80, shown) + " in " + cut(80, name),
		do:   "What was parked has been handled or left out by now, or never was. The page Parked lists what there is.",
		to:   []place{{"What is parked", link("parked")}},
	}
	said, err := c.asked(ctx, name, 0)
	if err != nil {
		return err
	}
	last, found := said[key]
	if !found {
		return gone
	}
	who := ""
	if last.Actor != "" {
		who = " by " + cut(80, last.Actor)
	}
	gone.do = "A retry" + who + " was asked for at " + clock(last.Time) + " UTC, and it went well: the part has handled what it held back. There is nothing left to do."
	if last.Action == "skip" {
		gone.do = "A skip" + who + " was asked for at " + clock(last.Time) + " UTC, and the part has done it: it goes on without what failed. There is nothing left to do."
	}
	gone.to = append(gone.to, place{"What was said", link("log", last.Position)})
	return gone
}
