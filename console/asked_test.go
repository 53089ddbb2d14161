package console_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/gateway"
)

// post sends what a page that asks would send, as somebody.
func (s *site) post(path, who string) {
	s.t.Helper()
	if p := s.ask("POST", s.confirmed(path), "X-Who", who); p.StatusCode != 303 {
		s.t.Fatalf("%s: %d %s", path, p.StatusCode, body(p.text))
	}
}

func position(p deed.Position) string { return fmt.Sprint(int64(p)) }

// at is where a stream begins.
func (s *site) at(stream deed.StreamID) string {
	s.t.Helper()
	for r, err := range s.Log().Read(s.Context(), deed.Query{Stream: stream, Limit: 1}) {
		if err != nil {
			s.t.Fatal(err)
		}
		return position(r.Position)
	}
	s.t.Fatalf("there is no stream %s", stream)
	return ""
}

// What was said about a parked key is shown until the part has come there; afterwards, who follows an old link is told what
// became of it.
func TestWhatWasAskedForWaits(t *testing.T) {
	for _, c := range []struct{ action, title, then string }{
		{"skip", "Skip asked for", "goes on without what failed"}, {"retry", "Retry asked for", "it went well"},
	} {
		t.Run(c.action, func(t *testing.T) {
			s, broken := carts(t, &gateway.Options{Authorizer: &door{}})
			s.get(200, "/console/parked").hasNot(t, "asked for", "data-renew")
			broken.Store(false)
			s.post("/console/parts/sums/pause", "ann")
			said := "/console/parked/sums/sum:1/" + c.action
			s.post(said, "bob")
			p := s.get(200, "/console/parked")
			p.has(t, `data-key="sum:1"`, c.title, "by <bdi>bob</bdi>", "does it once it is resumed", `data-renew="yes"`, `data-asked="`+c.action+`"`)
			p.hasNot(t, `class="button" data-action="`+c.action+`"`)
			s.get(200, said).has(t, c.title, "by <bdi>bob</bdi>")
			s.post("/console/parts/sums/resume", "ann")
			s.settle()
			s.get(200, "/console/parked").has(t, "Nothing is parked")
			s.get(404, said).has(t, "Nothing is parked of sum:1 in sums", "A "+c.action+" by bob was asked for", c.then, "There is nothing left to do", "What was said")
			late := s.ask("POST", said+"?id=late", "X-Who", "bob")
			if late.StatusCode != 404 {
				t.Errorf("said once more: %d", late.StatusCode)
			}
			late.has(t, "A "+c.action+" by bob was asked for")
			other := s.get(404, strings.Replace(said, "sum:1", "sum:9", 1))
			other.has(t, "Nothing is parked of sum:9 in sums", "or never was")
			other.hasNot(t, "asked for")
		})
	}
}

// A view that is paused says so wherever it is read, and a record who has not come to it yet.
func TestAPausedViewHidesNothing(t *testing.T) {
	s, _ := carts(t, nil)
	s.post("/console/parts/cart-summaries/pause", "")
	s.Send(cart.Decider.Send("3", cart.Open{Owner: "x"}))
	s.Send(cart.Decider.Send("1", cart.AddItem{SKU: "tea"}))
	s.settle()
	for _, path := range []string{"/console/views", "/console/views/cart-summaries", "/console/views/cart-summaries/1"} {
		p := s.get(200, path)
		p.has(t, "It is paused", "What is read from it is as of position")
		p.hasNot(t, "to go, ")
	}
	s.get(200, "/console/streams/cart-1/rows").has(t, "word-paused", "The view has come to position")
	at := s.at("cart-3")
	s.get(200, "/console/log/"+at).has(t, "not yet: paused at")
	s.post("/console/parts/cart-summaries/rebuild", "")
	s.get(200, "/console/views/cart-summaries").has(t, "It is paused", "Its rows are gone, and are made anew once it goes on", "There is no such row")
	s.post("/console/parts/cart-summaries/resume", "")
	s.settle()
	s.get(200, "/console/log/"+at).hasNot(t, "not yet")
	s.get(200, "/console/views/cart-summaries/1").hasNot(t, "It is paused", "It is being made anew")
}

// A record on which a part failed says that the part holds it back.
func TestAParkedRecordSaysSo(t *testing.T) {
	s, _ := carts(t, nil)
	parked, err := s.Control().Parked(s.Context(), "sums", "", 1)
	if err != nil || len(parked) != 1 {
		t.Fatalf("%v, %v", parked, err)
	}
	s.get(200, "/console/log/"+position(parked[0].Position)).has(t, `href="/console/parked#part-sums">parked</a>`)
	s.get(200, "/console").has(t, `id="attention" aria-labelledby="attention-title">`, "1 key is parked")
}

// The page of an instance says that its process is paused, and what is parked of it.
func TestAnInstanceHidesNothing(t *testing.T) {
	counts := deed.Process[int, cart.Event]{
		Name: "counts", Events: cart.Events,
		Key: func(r deed.Recorded[cart.Event]) string { return r.Stream.ID() },
		Evolve: func(n int, r deed.Recorded[cart.Event]) int {
			if _, added := r.Event.(cart.ItemAdded); added {
				panic("cannot count")
			}
			return n + 1
		},
		React: func(int, deed.Recorded[cart.Event]) []deed.Effect { return nil },
	}
	s := open(t, nil, cart.Decider, counts)
	s.Send(cart.Decider.Send("1", cart.Open{Owner: "x"}))
	s.settle()
	s.get(200, "/console/processes/counts/1").hasNot(t, "held back", "It is paused")
	s.Send(cart.Decider.Send("1", cart.AddItem{SKU: "tea"}))
	s.settle()
	s.get(200, "/console/processes/counts/1").has(t, "What comes of this instance is held back since", "cannot count", `href="/console/parked#part-counts"`)
	s.post("/console/parts/counts/pause", "")
	s.Send(cart.Decider.Send("1", cart.AddItem{SKU: "tea"}))
	s.settle()
	s.get(200, "/console/processes/counts/1").has(t, "It is paused", "The last position that it has handled is ")
}

// An empty log is no table with nothing in it, and says what to do; so is a selection that nothing is like.
func TestEmptyLog(t *testing.T) {
	s := open(t, nil, cart.Decider)
	empty := s.get(200, "/console/log")
	empty.has(t, "The log is empty", "Send a command", `href="/console/map"`, `id="records" tabindex="0" role="region" aria-label="Records" hidden`)
	s.Send(cart.Decider.Send("1", cart.Open{Owner: "x"}))
	s.get(200, "/console/log").hasNot(t, "The log is empty", `aria-label="Records" hidden`)
	s.get(200, "/console/log?text=nothing-like-it").has(t, "No record is like that", "show all", `aria-label="Records" hidden`)
}

// Who sent a command is said as far as it is known, and no further.
func TestWhoSentACommand(t *testing.T) {
	other := gift
	other.Name = "welcome-gift"
	s := open(t, nil, cart.Decider, gift, other)
	s.Send(cart.Decider.Send("1", cart.Open{Owner: "x"}))
	s.settle()
	p := s.get(200, "/console/log/1/causes")
	p.has(t, "asked for, without a name", `sent by one of <a href="/console/processes/gift">gift</a>, <a href="/console/processes/welcome-gift">welcome-gift</a>`,
		"the log does not tell which one it was")
	if n := strings.Count(p.text, "sent by one of"); n != 2 {
		t.Errorf("%d commands are said to be sent, want 2", n)
	}
	one := open(t, nil, cart.Decider, gift)
	one.Send(cart.Decider.Send("1", cart.Open{Owner: "x"}))
	one.settle()
	p = one.get(200, "/console/log/1/causes")
	p.has(t, `sent by <a href="/console/processes/gift">gift</a>`)
	p.hasNot(t, "one of", "does not tell")
}

// A command that an event caused to which nothing reacts any more was not asked for by anybody.
func TestWhoSentACommandIsGone(t *testing.T) {
	s := open(t, nil, cart.Decider)
	for i, e := range []deed.NewEvent{{ID: "a", Type: "cart-opened"}, {ID: "b", Type: "cart-item-added", Metadata: []byte(`{"causation":"a","command":"c"}`)}} {
		stream := deed.Stream("cart", position(deed.Position(i)))
		if _, err := s.DB.Append(s.Context(), deed.Batch{Writes: []deed.Write{{Stream: stream, Version: deed.Any, Events: []deed.NewEvent{e}}}}); err != nil {
			t.Fatal(err)
		}
	}
	p := s.get(200, "/console/log/2/causes")
	p.has(t, "to which no part of the service reacts now")
	if n := strings.Count(p.text, "asked for"); n != 1 {
		t.Errorf("%d commands are said to be asked for, want 1", n)
	}
}
