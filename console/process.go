package console

import (
	"context"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

type processesBody struct {
	Parts   []processLine
	Tasks   []part
	Effects deed.EffectStatus
	Said    said
}

type processLine struct {
	part
	Pending int // effects on their way, as far as counted
	More    bool
	NextDue time.Time
}

const (
	effectsPage   = 100
	instancesPage = 100
	refusalsPage  = 20
)

// processes is the page of the processes and reactors.
func (c *console) processes(call *gateway.Call) (content, error) {
	parts, status, err := c.parts(call, kindProcess, kindReactor, kindTask)
	if err != nil {
		return content{}, err
	}
	body := processesBody{Effects: status.Effects, Said: c.saidOf(call)}
	for _, p := range parts {
		if p.Kind == kindTask {
			body.Tasks = append(body.Tasks, p)
			continue
		}
		pending, err := c.service.Processes().Effects(call.Context(), p.Name, "", nil, effectsPage+1)
		if err != nil {
			return content{}, err
		}
		line := processLine{part: p, Pending: min(len(pending), effectsPage), More: len(pending) > effectsPage}
		if len(pending) > 0 {
			line.NextDue = pending[0].Due
		}
		body.Parts = append(body.Parts, line)
	}
	return content{title: "Processes", area: "processes", body: body}, nil
}

type processBody struct {
	Part      part
	Find      string // what was looked for, and can be no key
	Instances []instanceLine
	Next      string
	Effects   []deed.PendingEffect
	More      bool // effects
	Refusals  []refusal
	Held      []deed.HeldEffect
	Said      said
	Now       time.Time
}

type instanceLine struct {
	Key      string
	Position deed.Position
	Preview  string
}

// refusal is a command of a process that was refused.
type refusal struct {
	Position deed.Position
	Time     time.Time
	Key      string
	Name     string        `json:"name"`
	Stream   deed.StreamID `json:"stream"`
	Command  string        `json:"command"`
	Code     string        `json:"code"`
	Text     string        `json:"text"`
}

func (c *console) processNamed(call *gateway.Call) (part, error) {
	own, err := c.partNamed(call, call.Request.PathValue("part"))
	if err == nil && own.Kind != kindProcess && own.Kind != kindReactor {
		err = &missing{what: own.Name + " is no process", do: "The page Processes lists those that there are."}
	}
	return own, err
}

// process is the page of a process or reactor.
func (c *console) process(call *gateway.Call) (content, error) {
	own, err := c.processNamed(call)
	if err != nil {
		return content{}, err
	}
	ctx, values := call.Context(), call.Request.URL.Query()
	find := strings.TrimSpace(values.Get("find"))
	if find != "" && deed.ValidID(find) == nil {
		return content{to: link("processes", own.Name, find)}, nil
	}
	after, err := clean("after", values.Get("after"))
	if err != nil {
		return content{}, err
	}
	body := processBody{Part: own, Find: find, Said: c.saidOf(call), Now: time.Now()}
	states, err := c.service.Processes().States(ctx, own.Name, after, instancesPage+1)
	if err != nil {
		return content{}, err
	}
	for _, s := range states[:min(len(states), instancesPage)] {
		body.Instances = append(body.Instances, instanceLine{s.Key, s.Position, preview(deed.Record{NewEvent: deed.NewEvent{Data: s.Data}})})
	}
	if len(states) > instancesPage {
		body.Next = link("processes", own.Name) + query("after", states[instancesPage-1].Key)
	}
	if body.Effects, body.More, err = c.pending(ctx, own.Name, ""); err != nil {
		return content{}, err
	}
	if body.Held, err = c.held(call, own.Name, ""); err != nil {
		return content{}, err
	}
	q := deed.Query{Category: "process", Match: []deed.Match{{Types: []string{"effect-refused"}}}, Backward: true, Limit: 2000}
	if body.Refusals, err = c.refusals(ctx, q, own.Name); err != nil {
		return content{}, err
	}
	return content{title: own.Name, area: "processes", body: body}, nil
}

func (c *console) pending(ctx context.Context, name, key string) (effects []deed.PendingEffect, more bool, err error) {
	effects, err = c.service.Processes().Effects(ctx, name, key, nil, effectsPage+1)
	return effects[:min(len(effects), effectsPage)], len(effects) > effectsPage, err
}

// held are the effects of a part that failed and are tried again.
func (c *console) held(call *gateway.Call, name, key string) (held []deed.HeldEffect, err error) {
	status, err := c.meter.status(call.Context(), c.service)
	for _, h := range status.Effects.Held {
		if h.Part == name && (key == "" || h.Key == key) {
			held = append(held, h)
		}
	}
	return held, err
}

// refusals are the newest of what a process was refused, in the streams of its instances.
func (c *console) refusals(ctx context.Context, q deed.Query, name string) (all []refusal, err error) {
	of := "process-" + name + ":"
	for r, err := range c.service.Log().Read(ctx, q) {
		if err != nil {
			return nil, err
		}
		key, own := strings.CutPrefix(string(r.Stream), of)
		if !own || r.Type != "effect-refused" {
			continue
		}
		one := refusal{}
		_ = json.Unmarshal(r.Data, &one) // what it does not say stays empty
		one.Position, one.Time, one.Key = r.Position, r.Time, key
		if all = append(all, one); len(all) == refusalsPage {
			break
		}
	}
	return all, nil
}

type instanceBody struct {
	Part     part
	Key      string
	There    bool // it has a state
	State    datum
	Position deed.Position
	Effects  []deed.PendingEffect
	More     bool
	Held     []deed.HeldEffect
	Own      []entry // its own stream: what woke it, and what was refused
	Stream   deed.StreamID
	Refusals []refusal
	Parked   *deed.Parked
	Now      time.Time
}

// instance is the page of an instance of a process.
func (c *console) instance(call *gateway.Call) (content, error) {
	own, err := c.processNamed(call)
	if err != nil {
		return content{}, err
	}
	ctx, key := call.Context(), call.Request.PathValue("key")
	body := instanceBody{Part: own, Key: key, Stream: deed.Stream("process", own.Name+":"+key), Now: time.Now()}
	if body.Parked, err = c.findParked(ctx, own.Name, key); err != nil {
		return content{}, err
	}
	state, err := c.stateOf(ctx, own.Name, key)
	if err != nil {
		return content{}, err
	}
	if state != nil {
		body.There, body.State, body.Position = true, datumOf(state.Data, "", ""), state.Position
	}
	if body.Effects, body.More, err = c.pending(ctx, own.Name, key); err != nil {
		return content{}, err
	}
	if body.Held, err = c.held(call, own.Name, key); err != nil {
		return content{}, err
	}
	q := deed.Query{Stream: body.Stream, Backward: true, Limit: logPage}
	if body.Refusals, err = c.refusals(ctx, q, own.Name); err != nil {
		return content{}, err
	}
	for r, err := range c.service.Log().Read(ctx, q) {
		if err != nil {
			return content{}, err
		}
		body.Own = append(body.Own, entryOf(r))
	}
	return content{title: own.Name + " / " + cut(80, key), area: "processes", body: body}, nil
}

// stateOf is the state of an instance; nil if it has none. States are listed in the order of their keys, so the one of a key
// is the first after what sorts just before it.
func (c *console) stateOf(ctx context.Context, name, key string) (*deed.StateChange, error) {
	if key == "" {
		return nil, nil
	}
	_, last := utf8.DecodeLastRuneInString(key)
	before := key[:len(key)-last] // whole characters: an engine may refuse others
	for {
		states, err := c.service.Processes().States(ctx, name, before, instancesPage)
		if err != nil {
			return nil, err
		}
		for i, s := range states {
			if s.Key == key {
				return &states[i], nil
			}
			if s.Key > key {
				return nil, nil
			}
			before = s.Key
		}
		if len(states) < instancesPage {
			return nil, nil
		}
	}
}
