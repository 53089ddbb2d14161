package gateway

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/deed-es/deed"
)

// parkedName is the header that says of rows that they lack something.
const parkedName = "Deed-Parked"

type (
	parkedAnswer struct {
		Parked []parkedKey `json:"parked"`
		Next   string      `json:"next,omitempty"`
	}
	parkedKey struct {
		Part     string        `json:"part"`
		Kind     string        `json:"kind"`
		Key      string        `json:"key"`
		Unrouted bool          `json:"unrouted,omitempty"`
		Position deed.Position `json:"position"`
		Stream   deed.StreamID `json:"stream,omitempty"`
		Type     string        `json:"type,omitempty"`
		Error    string        `json:"error"`
		Time     time.Time     `json:"time,omitzero"`
		Records  int           `json:"records"`
		Effect   string        `json:"effect,omitempty"`
	}
)

// controlRoutes are the routes by which parts are told how to go on.
func (g *Gateway) controlRoutes() []Route {
	unrouted := []Parameter{{Name: "unrouted", Summary: "the key is a stream whose events' own keys are not known", Schema: flagSchema}}
	retry := Route{
		Method: http.MethodPost, Pattern: "/api/parked/{part}/{key}/retry", kind: kindControl,
		Summary: "what is parked of a key is tried again", Query: unrouted,
		Answers: map[int]any{200: commandAnswer{}}, Handle: func(c *Call) error { return c.control(deed.Control.Retry) },
	}
	skip := retry
	skip.Pattern, skip.Summary = "/api/parked/{part}/{key}/skip", "what failed of a key is left out, and what follows is tried again"
	skip.Handle = func(c *Call) error { return c.control(deed.Control.Skip) }
	list := Route{
		Method: http.MethodGet, Pattern: "/api/parked", kind: kindControl, Summary: "the keys that parts hold back, and why",
		Query: []Parameter{
			{Name: "part", Summary: "only those of this part"},
			{Name: "limit", Summary: "at most so many keys; 100 without"},
			{Name: "cursor", Summary: "next of the page before"},
		},
		Answers: map[int]any{200: parkedAnswer{}}, Handle: g.parked,
	}
	steer := func(name, summary string, say func(deed.Control, context.Context, string) (deed.Receipt, error)) Route {
		return Route{
			Method: http.MethodPost, Pattern: "/api/parts/{part}/" + name, kind: kindControl, Summary: summary, Query: []Parameter{},
			Answers: map[int]any{200: commandAnswer{}}, Handle: func(c *Call) error { return c.steer(say) },
		}
	}
	return []Route{
		list, retry, skip,
		steer("pause", "a part waits until it is resumed", deed.Control.Pause),
		steer("resume", "a part that waits goes on", deed.Control.Resume),
		steer("rebuild", "a view is made anew from the log's start; its rows are gone at once", deed.Control.Rebuild),
		{
			Method: http.MethodPost, Pattern: "/api/parts/{part}/switch", kind: kindControl, Query: []Parameter{},
			Summary: "another version of a view is read, which has caught up", Body: switched{}, Answers: map[int]any{200: commandAnswer{}},
			Problems: map[int][]string{http.StatusGatewayTimeout: {"behind"}}, Handle: (*Call).switchTo,
		},
		{
			Method: http.MethodGet, Pattern: "/api/parts/{part}/compare", kind: kindControl,
			Summary: "the rows of two versions of a view, compared while both go on",
			Query: []Parameter{
				{Name: "left", Summary: "a version that is kept", Schema: versionSchema},
				{Name: "right", Summary: "another, or the same", Schema: versionSchema},
				{Name: "samples", Summary: "at most so many rows that differ; 10 without", Schema: map[string]any{"type": "integer", "minimum": 0, "maximum": maxSamples}},
			},
			Answers: map[int]any{200: comparedAnswer{}}, Handle: (*Call).compare,
		},
	}
}

// parked answers GET /api/parked.
func (g *Gateway) parked(c *Call) error {
	limit, err := c.pageLimit()
	if err != nil {
		return err
	}
	parts, after, err := c.parkedFrom()
	if err != nil {
		return err
	}
	answer := parkedAnswer{Parked: []parkedKey{}}
	for _, part := range parts {
		found, err := g.service.Control().Parked(c.Context(), part, after, limit+1-len(answer.Parked))
		if err != nil {
			return err
		}
		after = ""
		for _, p := range found {
			if len(answer.Parked) == limit {
				last := answer.Parked[limit-1]
				answer.Next = last.Part + "/" + last.keyName()
				break
			}
			answer.Parked = append(answer.Parked, parkedOf(p))
		}
	}
	c.Writer.Header()["Cache-Control"] = noStore
	return c.Reply(http.StatusOK, answer)
}

// parkedFrom reads which parts are asked about, and behind which key of the first of them.
func (c *Call) parkedFrom() (parts []string, after string, err error) {
	parts = partNames(c.gateway.service.Model())
	if part := c.query.Get("part"); part != "" {
		parts = []string{part}
	}
	if !c.query.Has("cursor") {
		return parts, "", nil
	}
	part, after, ok := strings.Cut(c.query.Get("cursor"), "/")
	i := slices.Index(parts, part)
	if !ok || i < 0 || hasControl(after) {
		return nil, "", deed.ErrCursor
	}
	return parts[i:], after, nil
}

func partNames(m deed.Model) []string {
	var names []string
	for _, v := range m.Projections {
		names = append(names, v.Name)
	}
	for _, parts := range [][]deed.PartModel{m.Tables, m.Processes, m.Reactors} {
		for _, p := range parts {
			names = append(names, p.Name)
		}
	}
	return names
}

func parkedOf(p deed.Parked) parkedKey {
	key, unrouted := strings.CutPrefix(p.Key, "/")
	return parkedKey{
		Part: p.Part, Kind: p.Kind, Key: key, Unrouted: unrouted, Position: p.Position, Stream: p.Stream, Type: p.Type,
		Error: p.Error, Time: p.Time, Records: p.Records, Effect: p.Effect,
	}
}

// keyName is how deed names the key.
func (p parkedKey) keyName() string {
	if p.Unrouted {
		return "/" + p.Key
	}
	return p.Key
}

// control answers POST /api/parked/{part}/{key}/retry and /skip.
func (c *Call) control(say func(deed.Control, context.Context, string, string) (deed.Receipt, error)) error {
	key, err := c.PathID("key")
	if err != nil {
		return err
	}
	unrouted, err := c.flag("unrouted", false)
	if err != nil {
		return err
	}
	if unrouted {
		key = "/" + key
	}
	receipt, err := say(c.gateway.service.Control(), c.Command("control"), c.Request.PathValue("part"), key)
	if err != nil {
		return err
	}
	return c.saidSo(receipt)
}

// steer answers POST /api/parts/{part}/pause, /resume and /rebuild.
func (c *Call) steer(say func(deed.Control, context.Context, string) (deed.Receipt, error)) error {
	receipt, err := say(c.gateway.service.Control(), c.Command("control"), c.Request.PathValue("part"))
	if err != nil {
		return err
	}
	return c.saidSo(receipt)
}

// saidSo answers with where it is stored what was said.
func (c *Call) saidSo(receipt deed.Receipt) error {
	written := receipt.Streams[0]
	return c.Reply(http.StatusOK, commandAnswer{Stream: written.Stream, Version: written.Version, Position: receipt.Position}, receipt)
}

// switched says which version of a view is to be read.
type switched struct {
	Version int `json:"version"`
}

// switchTo answers POST /api/parts/{part}/switch.
func (c *Call) switchTo() error {
	var to switched
	if err := c.Decode(&to); err != nil {
		return err
	}
	receipt, err := c.gateway.service.Control().Switch(c.Command("control"), c.Request.PathValue("part"), to.Version)
	if err != nil {
		return err
	}
	return c.saidSo(receipt)
}

type (
	comparedAnswer struct {
		Left      int                `json:"left"`
		Right     int                `json:"right"`
		Same      int                `json:"same"`
		Different int                `json:"different"`
		OnlyLeft  int                `json:"onlyLeft"`
		OnlyRight int                `json:"onlyRight"`
		Moving    int                `json:"moving"`
		Samples   []differenceAnswer `json:"samples"`
	}
	differenceAnswer struct {
		Key   string `json:"key"`
		Left  any    `json:"left,omitempty"`
		Right any    `json:"right,omitempty"`
	}
)

const (
	defaultSamples = 10
	maxSamples     = 1000
)

var versionSchema = map[string]any{"type": "integer", "minimum": 1}

// compare answers GET /api/parts/{part}/compare.
func (c *Call) compare() error {
	part := c.Request.PathValue("part")
	if _, err := c.gateway.version(c.Context(), part); err != nil {
		return err
	}
	var numbers [3]int
	for i, name := range []string{"left", "right", "samples"} {
		n, ok := parseNumber(c.query.Get(name))
		if name == "samples" && !c.query.Has(name) {
			n, ok = defaultSamples, true
		}
		if !ok || n > math.MaxInt32 {
			return badQuery(name, "must be a number")
		}
		numbers[i] = int(n)
	}
	ctx, cancel := c.gateway.untilStop(c.Request.Context()) // it may take longer than other answers
	defer cancel()
	c.answerWithin(0)
	compared, err := c.gateway.service.Views().Compare(ctx, part, numbers[0], numbers[1], numbers[2])
	c.answerWithin(answerTimeout)
	var fault *deed.InvalidError
	if errors.As(err, &fault) {
		return badQuery(fault.Field, fault.Reason)
	}
	if err != nil {
		return err
	}
	answer := comparedAnswer{
		Left: compared.Left, Right: compared.Right, Same: compared.Same, Different: compared.Different,
		OnlyLeft: compared.OnlyLeft, OnlyRight: compared.OnlyRight, Moving: compared.Moving, Samples: []differenceAnswer{},
	}
	for _, d := range compared.Samples {
		difference := differenceAnswer{Key: d.Key}
		if d.Left != nil {
			difference.Left = d.Left
		}
		if d.Right != nil {
			difference.Right = d.Right
		}
		answer.Samples = append(answer.Samples, difference)
	}
	c.Writer.Header()["Cache-Control"] = noStore
	return c.Reply(http.StatusOK, answer)
}
