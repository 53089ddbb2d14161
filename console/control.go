package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

// action is something that can be told to a part.
type action struct {
	name  string // in the address
	asks  string // the question, with the part, or the key, behind it
	yes   string // on the button
	means string // what comes of it
	risky bool
	part  func(deed.Control, context.Context, string) (deed.Receipt, error)
	key   func(deed.Control, context.Context, string, string) (deed.Receipt, error)
	view  func(deed.Control, context.Context, string, int) (deed.Receipt, error)
}

var actions = []action{
	{
		name: "pause", asks: "Pause", yes: "Pause it", part: deed.Control.Pause,
		means: "It handles nothing until it is resumed, also when the service is started anew. What reads from it gets older and older. Effects that are pending already are carried out.",
	},
	{
		name: "resume", asks: "Resume", yes: "Resume it", part: deed.Control.Resume,
		means: "It goes on where it was, and handles what has come meanwhile.",
	},
	{
		name: "rebuild", asks: "Rebuild", yes: "Rebuild it", part: deed.Control.Rebuild, risky: true,
		means: "Its rows are gone at once, and are made anew from the log's first event. Until it has come to the end of the log, reading from it shows less than there is.",
	},
	{
		name: "switch", asks: "Switch to another version of", yes: "Switch to it", view: deed.Control.Switch,
		means: "Whoever reads the view by its name gets the rows of that version from then on, on all nodes in one step. The version that was read is kept up to date as before, so that it can be switched back to.",
	},
	{
		name: "retry", asks: "Retry", yes: "Retry it", key: deed.Control.Retry,
		means: "What is held back is tried once more, in the order in which it came. What fails again stays parked.",
	},
	{
		name: "skip", asks: "Skip what failed of", yes: "Skip it", key: deed.Control.Skip, risky: true,
		means: "The record that failed is left out for good, or the effect that is held back is dropped, and what waits behind it goes on. The log keeps the record; only this part does without it.",
	},
}

// controls are the routes that change something, each with the page that asks first.
func (c *console) controls() []gateway.Route {
	var routes []gateway.Route
	for _, a := range actions {
		pattern, about := "/parts/{part}/"+a.name, "a part"
		if a.key != nil {
			pattern, about = "/parked/{part}/{key}/"+a.name, "what is parked of a key"
		}
		said := get(pattern, a.name+" "+about, func(call *gateway.Call) error { return c.say(call, a) })
		said.Method = http.MethodPost
		routes = append(routes, get(pattern, "asks before "+a.name+" of "+about, c.page("confirm", func(call *gateway.Call) (content, error) {
			return c.confirm(call, a)
		})), said)
	}
	return routes
}

// target is what an action is about.
type target struct {
	part    string
	key     string // as deed names it
	version string // of the view
	at      string // the position that is held back, as the page that asked has shown it
	effect  string // and the effect's id, where it is one
	id      string // of the command, so that it is done once however often it is sent
}

func targetOf(call *gateway.Call) target {
	values := call.Request.URL.Query()
	t := target{part: call.Request.PathValue("part"), key: call.Request.PathValue("key"), version: values.Get("version"), id: values.Get("id")}
	t.at, t.effect = values.Get("at"), values.Get("effect")
	if values.Get("unrouted") == "true" {
		t.key = "/" + t.key
	}
	return t
}

type confirmBody struct {
	Asks, Means, Yes string
	Part             part
	Key              string
	Unrouted         bool
	Parked           *deed.Parked
	Asked            asked  // what was said already, and has not been done yet
	Versions         []part // all that are meant, or that can be chosen from
	Choice           *choice
	Risky            bool
	Action           string // where it is sent to
	Back             string
}

// confirm is the page that asks.
func (c *console) confirm(call *gateway.Call, a action) (content, error) {
	t := targetOf(call)
	own, err := c.partNamed(call, t.part)
	if err != nil {
		return content{}, err
	}
	if err := a.suits(own); err != nil {
		return content{}, err
	}
	body := confirmBody{Asks: a.asks, Means: a.means, Yes: a.yes, Part: own, Risky: a.risky, Back: c.back(own, a)}
	to := url.Values{"id": {deed.NewID()}}
	if a.key != nil {
		if body.Parked, err = c.parkedKey(call, t.part, t.key); err != nil {
			return content{}, err
		}
		waiting, err := c.waiting(call.Context(), own)
		if err != nil {
			return content{}, err
		}
		body.Asked = waiting[t.key]
		body.Key, body.Unrouted = strings.CutPrefix(t.key, "/")
		to.Set("at", fmt.Sprint(body.Parked.Position))
		if body.Parked.Effect != "" {
			to.Set("effect", body.Parked.Effect)
		}
	}
	if a.view != nil {
		if body.Choice, err = c.choose(call, own, t.version); err != nil {
			return content{}, err
		}
		body.Asks = "Switch to version " + t.version + " of"
		to.Set("version", t.version)
	} else if own.Several && a.part != nil {
		body.Versions, err = c.versions(call, own.Name)
		if err != nil {
			return content{}, err
		}
	}
	if body.Unrouted {
		to.Set("unrouted", "true")
	}
	body.Action = call.Request.URL.EscapedPath() + encoded(to)
	return content{title: body.Asks + " " + t.part, area: areaOf(own, a), body: body}, nil
}

// suits refuses what a part cannot be told, before anybody is asked.
func (a action) suits(p part) error {
	switch {
	case a.name == "rebuild" && !p.Remade:
		return &failure{Status: http.StatusUnprocessableEntity, What: p.Name + " cannot be rebuilt", Do: "Views whose rows are stored can: the page Views lists them."}
	case (a.name == "pause" || a.name == "resume") && !p.Steers:
		return &failure{Status: http.StatusUnprocessableEntity, What: p.Name + " cannot be paused or resumed", Do: "It has no pace of its own. The overview lists all parts."}
	}
	return nil
}

func areaOf(p part, a action) string {
	switch {
	case a.key != nil:
		return "parked"
	case p.View():
		return "views"
	}
	return "processes"
}

// back is where one goes from what was said, or left unsaid.
func (c *console) back(p part, a action) string {
	switch {
	case a.key != nil:
		return link("parked")
	case p.View():
		return link("views") + "#" + p.Name
	case p.Kind == kindProcess || p.Kind == kindReactor:
		return link("processes", p.Name)
	}
	return link("processes")
}

// partNamed is how a part is doing; *missing if there is none of the name.
func (c *console) partNamed(call *gateway.Call, name string) (part, error) {
	parts, _, err := c.parts(call)
	if err != nil {
		return part{}, err
	}
	for _, p := range foremost(parts) {
		if p.Name == name {
			return p, nil
		}
	}
	return part{}, &missing{what: "There is no part " + cut(80, name), do: "The overview lists those that there are."}
}

// parkedKey is what is parked of a key; *missing if nothing is.
func (c *console) parkedKey(call *gateway.Call, name, key string) (*deed.Parked, error) {
	found, err := c.findParked(call.Context(), name, key)
	if err == nil && found == nil {
		err = c.notParked(call.Context(), name, key)
	}
	return found, err
}

// findParked finds what is parked of a key; nil if nothing is.
func (c *console) findParked(ctx context.Context, name, key string) (*deed.Parked, error) {
	for after := ""; ; {
		page, err := c.service.Control().Parked(ctx, name, after, parkedPage)
		if err != nil {
			return nil, err
		}
		for i := range page {
			if page[i].Key == key {
				return &page[i], nil
			}
			after = page[i].Key
		}
		if len(page) < parkedPage {
			return nil, nil
		}
	}
}

// say does what was confirmed, once however often it is sent, and goes back.
func (c *console) say(call *gateway.Call, a action) error {
	t := targetOf(call)
	meta := deed.MetaFrom(call.Context())
	if t.id == "" {
		return c.failed(call, &deed.InvalidError{Field: "id", Reason: "is missing: send this from the page that asks"})
	}
	meta.CommandID = deed.HashID("console", call.Actor(), a.name, t.part, t.key+t.version, t.id)
	ctx := deed.WithMeta(call.Context(), meta)
	own, err := c.partNamed(call, t.part)
	if err == nil {
		err = c.tell(ctx, call, a, t)
	}
	if err != nil {
		return c.failed(call, err)
	}
	c.meter.renew()
	to, place, placed := strings.Cut(c.back(own, a), "#")
	if to += query("said", a.name, "of", t.part); placed {
		to += "#" + place
	}
	return redirect(call, to)
}

// tell has the service be told.
func (c *console) tell(ctx context.Context, call *gateway.Call, a action, t target) (err error) {
	control := c.service.Control()
	switch {
	case a.key != nil:
		if again, err := c.saidSo(ctx, a, t); again || err != nil {
			return err
		}
		if _, err = a.key(control, ctx, t.part, t.key); errors.Is(err, deed.ErrNotFound) {
			err = c.notParked(call.Context(), t.part, t.key)
		}
	case a.view != nil:
		var version int
		if version, err = versionOf("version", t.version); err == nil {
			_, err = a.view(control, ctx, t.part, version)
			err = lagging(t, err)
		}
	default:
		_, err = a.part(control, ctx, t.part)
	}
	return err
}

// saidSo refuses to have something left out for good that nobody was asked about: what is held back now must be what the page that
// asked has shown. Where it is not, since the same was said before, that is true.
func (c *console) saidSo(ctx context.Context, a action, t target) (again bool, err error) {
	if !a.risky {
		return false, nil
	}
	held, err := c.findParked(ctx, t.part, t.key)
	if err != nil || held == nil || fmt.Sprint(held.Position) == t.at && held.Effect == t.effect {
		return false, err
	}
	q := deed.Query{
		Stream: deed.Stream("process", t.part), Backward: true, Limit: askedMost, Match: []deed.Match{{Types: []string{"part-skipped"}}},
	}
	for r, err := range c.service.Log().Read(ctx, q) {
		if err != nil {
			return false, err
		}
		if r.Meta().CommandID == deed.MetaFrom(ctx).CommandID {
			return true, nil
		}
	}
	return false, &failure{
		Status: http.StatusConflict, What: "Another record is held back now. Look at it first",
		Detail: "What was asked about is not what " + cut(80, t.part) + " holds back of this key any more: somebody was quicker.",
		Do:     "Nothing was changed. Ask again, and the page shows what is held back now.",
		To:     []place{{"What is parked", link("parked")}, {"Ask again", t.address(a)}},
	}
}

// address is where it is asked about an action.
func (t target) address(a action) string {
	key, unrouted := strings.CutPrefix(t.key, "/")
	if unrouted {
		return link("parked", t.part, key, a.name) + "?unrouted=true"
	}
	return link("parked", t.part, key, a.name)
}
