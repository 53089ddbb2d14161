package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

// versions are how the versions of a part are doing, the newest first.
func (c *console) versions(call *gateway.Call, name string) ([]part, error) {
	parts, _, err := c.parts(call)
	return versionsOf(parts, name), err
}

func versionOf(field, text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return 0, &deed.InvalidError{Field: field, Reason: "must be a version, a whole number from 1"}
	}
	return int(n), nil
}

// choice is what is asked before another version of a view is read.
type choice struct {
	To      part
	Read    int // the version that is read now
	Already bool
	Compare string // address of the two side by side; empty: the one that is read is not this service's
}

// choose finds the version that is to be read.
func (c *console) choose(call *gateway.Call, own part, text string) (*choice, error) {
	version, err := versionOf("version", text)
	if err != nil {
		return nil, err
	}
	if own.Kind != kindProjection {
		return nil, &missing{what: own.Name + " has no versions to choose from", do: "Projections have."}
	}
	all, err := c.versions(call, own.Name)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if p.Version != version {
			continue
		}
		chosen := &choice{To: p, Read: p.Reading.Version, Already: p.Read}
		if own.Read && !p.Read {
			chosen.Read, chosen.Compare = own.Version, comparison(own.Name, own.Version, version)
		}
		return chosen, nil
	}
	return nil, &missing{
		what: "This service keeps no version " + strconv.Itoa(version) + " of " + own.Name,
		do:   "A version that is to be read has to be among its parts. The page Views lists those that are.",
	}
}

// comparison is the address of the page that compares two versions.
func comparison(view string, left, right int) string {
	return link("parts", view, "compare") + query("left", left, "right", right)
}

// lagging explains a switch that was refused since the version lags; other errors it returns as they are.
func lagging(t target, err error) error {
	var behind *deed.BehindError
	if !errors.As(err, &behind) {
		return err
	}
	return &failure{
		Status: http.StatusConflict, What: "Version " + t.version + " of " + t.part + " lags, and is not switched to",
		Detail: "It has come to position " + num(behind.Reached) + ", and the log had come to " + num(behind.Want) + ".",
		Do:     "Nothing was changed: what was read is read on. Ask again once its lag is gone; the views' page shows it.",
		To: []place{
			{"The versions of " + t.part, link("views") + "#" + t.part},
			{"Ask again", link("parts", t.part, "switch") + query("version", t.version)},
		},
	}
}

type compareBody struct {
	View     part
	Versions []part
	Left     int
	Right    int
	Pair     []part
	Alone    bool // there is nothing to compare with
	Found    deed.Comparison
	Differ   int // rows
	Samples  []compared
	More     string // address of the page that shows more rows; empty: all are shown, or as many as there can be
	To       int    // the version that can be switched to; 0: none
}

// compared is a row that is not the same in two versions.
type compared struct {
	Key    string
	Left   *node // nil: there is no such row
	Right  *node
	Places []string // that differ, the first of them
	Other  int      // further such places
}

const (
	compareFew  = 20
	compareMany = 500
	placesShown = 12

	answerTimeout = 2 * time.Minute // for a client to read the page, as it has for others
)

// compare is the page of two versions of a view side by side.
func (c *console) compare(call *gateway.Call) (content, error) {
	own, err := c.viewNamed(call, call.Request.PathValue("part"))
	if err != nil {
		return content{}, err
	}
	if own.Kind != kindProjection {
		return content{}, &missing{what: own.Name + " has no rows to be compared", do: "It writes tables of its own, in SQL."}
	}
	body := compareBody{View: own}
	if body.Versions, err = c.versions(call, own.Name); err != nil {
		return content{}, err
	}
	title := content{title: own.Name + ", compared", area: "views"}
	values := call.Request.URL.Query()
	if body.Alone = len(body.Versions) < 2 && !values.Has("left") && !values.Has("right"); body.Alone {
		title.body = body
		return title, nil
	}
	if err := body.choose(values); err != nil {
		return content{}, err
	}
	samples := compareFew
	if values.Get("rows") == "many" {
		samples = compareMany
	}
	control := http.NewResponseController(call.Writer)
	_ = control.SetWriteDeadline(time.Time{}) // Options.Timeout of the gateway may be longer than the server's; a recorder has none
	body.Found, err = c.service.Views().Compare(call.Context(), own.Name, body.Left, body.Right, samples)
	_ = control.SetWriteDeadline(time.Now().Add(answerTimeout))
	if errors.Is(call.Context().Err(), context.DeadlineExceeded) {
		return content{}, tooLarge(own.Name, body.Left, body.Right)
	}
	if err != nil {
		return content{}, err
	}
	body.show(samples)
	title.body = body
	return title, nil
}

// tooLarge says how else versions are compared that take longer than a page may.
func tooLarge(view string, left, right int) error {
	pair := query("left", left, "right", right)
	return &failure{
		Status: http.StatusServiceUnavailable, What: "Versions " + strconv.Itoa(left) + " and " + strconv.Itoa(right) + " of " + view + " have too many rows to be compared for a page",
		Do: "GET /api/parts/" + view + "/compare" + pair + " takes as long as it has to.", To: []place{{"The versions of " + view, link("views") + "#" + view}},
	}
}

// choose finds out which versions are meant: those that the address says, else the one that is read and the newest other one.
func (b *compareBody) choose(values url.Values) (err error) {
	b.Left, b.Right = b.View.Version, b.View.Newest
	for _, p := range b.Versions {
		if b.Right == b.Left && p.Version != b.Left {
			b.Right = p.Version
		}
	}
	for name, into := range map[string]*int{"left": &b.Left, "right": &b.Right} {
		if values.Has(name) {
			if *into, err = versionOf(name, values.Get(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// show makes what was found fit to be seen.
func (b *compareBody) show(samples int) {
	b.Differ = b.Found.Different + b.Found.OnlyLeft + b.Found.OnlyRight
	for _, d := range b.Found.Samples {
		b.Samples = append(b.Samples, comparedOf(d))
	}
	if len(b.Samples) < b.Differ && samples == compareFew {
		b.More = comparison(b.View.Name, b.Left, b.Right) + "&rows=many"
	}
	for i, version := range []int{b.Left, b.Right} {
		for _, p := range b.Versions {
			if p.Version != version || i > 0 && b.Left == b.Right {
				continue
			}
			b.Pair = append(b.Pair, p)
			if !p.Read && p.Several {
				b.To = p.Version
			}
		}
	}
}

func comparedOf(d deed.Difference) compared {
	shown := compared{Key: d.Key}
	if d.Left != nil {
		shown.Left = nodeOf(d.Left)
	}
	if d.Right != nil {
		shown.Right = nodeOf(d.Right)
	}
	if d.Left == nil || d.Right == nil {
		return shown
	}
	for i, place := range diff(decoded(d.Left), decoded(d.Right)) {
		if place.kind != diffAdded {
			shown.Left.mark(place.path, place.kind)
		}
		if place.kind != diffRemoved {
			shown.Right.mark(place.path, place.kind)
		}
		if i < placesShown {
			shown.Places = append(shown.Places, cut(shownValue, pathText(place.path)))
		} else {
			shown.Other++
		}
	}
	return shown
}
