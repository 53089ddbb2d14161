package console_test

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// What is left out for good is what the page that asked has shown: who was slower looks at what is held back now.
func TestASkipIsOfWhatWasShown(t *testing.T) {
	s, _ := carts(t, nil)
	s.Send(cart.Decider.Send("1", cart.AddItem{SKU: "broken"}))
	s.settle()
	const path = "/console/parked/sums/sum:1/skip"
	slow, quick := s.confirmed(path), s.confirmed(path)
	if p := s.ask("POST", quick); p.StatusCode != 303 {
		t.Fatalf("%d %s", p.StatusCode, body(p.text))
	}
	s.settle()
	for _, late := range []string{slow, path + "?id=unsaid"} {
		p := s.ask("POST", late)
		if p.StatusCode != 409 {
			t.Errorf("%s is answered with %d, and it is about another record", late, p.StatusCode)
		}
		p.has(t, "Another record is held back now. Look at it first", `href="`+path+`"`)
	}
	if p := s.ask("POST", quick); p.StatusCode != 303 { // it was sent before
		t.Errorf("again: %d %s", p.StatusCode, body(p.text))
	}
	s.settle()
	if types, _ := s.said("sums"); !slices.Equal(types, []string{"part-skipped"}) {
		t.Errorf("said: %q", types)
	}
	s.get(200, "/console/parked").has(t, "sum:1")
	if p := s.ask("POST", s.confirmed(path)); p.StatusCode != 303 {
		t.Errorf("asked again: %d %s", p.StatusCode, body(p.text))
	}
	s.settle()
	s.get(200, "/console/parked").has(t, "Nothing is parked")
}

// A key leads to its row, and is no condition beside others.
func TestAKeyLeadsToItsRow(t *testing.T) {
	s, _ := carts(t, nil)
	p := s.ask("GET", "/console/views/sums?key=sum:1&where.items=99")
	if p.StatusCode != 303 || p.Header.Get("Location") != "/console/views/sums/sum:1" {
		t.Errorf("%d %q", p.StatusCode, p.Header.Get("Location"))
	}
	forms := regexp.MustCompile(`(?s)<form method="get".*?</form>`).FindAllString(s.get(200, "/console/views/sums").text, -1)
	for _, form := range forms {
		if strings.Contains(form, `name="key"`) && strings.Contains(form, `name="where.`) {
			t.Errorf("a key and conditions are asked for together: %s", form)
		}
	}
	if len(forms) != 2 {
		t.Errorf("%d forms", len(forms))
	}
}

// Tags may have blanks in them, and a record's own links lead to it.
func TestTagsWithBlanks(t *testing.T) {
	s := open(t, nil, cart.Decider)
	tags := []string{"place:New York", "size: very  large"}
	for i, has := range [][]string{tags, tags[:1], nil} {
		e := deed.NewEvent{ID: fmt.Sprint("tagged-", i), Type: "tagged", Tags: has}
		if _, err := s.DB.Append(s.Context(), deed.Batch{Writes: []deed.Write{{Stream: "cart-1", Version: deed.Any, Events: []deed.NewEvent{e}}}}); err != nil {
			t.Fatal(err)
		}
	}
	found := func(path string) int { return strings.Count(s.get(200, path).text, "<tr data-position") }
	for tag, want := range map[string]int{tags[0]: 2, tags[1]: 1} {
		to := "/console/log?tag=" + url.QueryEscape(tag)
		if record := s.get(200, "/console/log/1"); !strings.Contains(html.UnescapeString(record.text), `href="`+to+`"`) {
			t.Errorf("the record does not lead to %s", to)
		}
		if n := found(to); n != want {
			t.Errorf("%s: %d records, want %d", to, n, want)
		}
	}
	both := "/console/log?tag=" + url.QueryEscape(tags[0]) + "&tag=" + url.QueryEscape(tags[1]) + "&tag=+"
	if n := found(both); n != 1 {
		t.Errorf("%d records have both", n)
	}
	s.get(200, both).has(t, `id="tag-0" name="tag" value="place:New York"`, `id="tag-1" name="tag" value="size: very  large"`, `id="tag" name="tag" autocomplete`)
}

// An address that somebody has made up says nothing that was not said.
func TestNoticesAreNotMadeUp(t *testing.T) {
	s, _ := carts(t, nil)
	for _, path := range []string{"/views", "/parked", "/processes", "/processes/gift"} {
		s.get(200, "/console"+path+"?said=pause&of=sums").has(t, "Said: pause")
		for _, made := range []string{"said=deleted+everything&of=now", "said=pause&of=now", "said=paused&of=sums", "said=&of=sums", "said=pause"} {
			s.get(200, "/console"+path+"?"+made).hasNot(t, "Said:", `id="said"`)
		}
	}
}

// What a part cannot do it is not asked about.
func TestAskingWhatCannotBe(t *testing.T) {
	live := cart.Summaries
	live.Name, live.Mode = "live-carts", deed.Live
	s := open(t, nil, cart.Decider, live, cart.Summaries, gift, cart.Reminders)
	for _, path := range []string{"gift/rebuild", "cart-reminders/rebuild", "live-carts/rebuild", "live-carts/pause", "live-carts/resume"} {
		s.get(422, "/console/parts/"+path).hasNot(t, `id="confirm"`)
	}
	for _, path := range []string{"cart-summaries/rebuild", "cart-summaries/pause", "gift/resume"} {
		s.get(200, "/console/parts/"+path).has(t, `id="confirm"`)
	}
}

// Small things: what is zero is not left out of an address, metadata is shown whatever it is, one event is no events, and nothing
// leads to what is not there.
func TestWhatIsSmall(t *testing.T) {
	s := open(t, nil, cart.Decider, cart.Summaries)
	for i, metadata := range []string{`{"correlation":"0"}`, `<b>no JSON`} {
		e := deed.NewEvent{ID: fmt.Sprint("odd-", i), Type: "odd", Metadata: []byte(metadata)}
		if _, err := s.DB.Append(s.Context(), deed.Batch{Writes: []deed.Write{{Stream: "cart-1", Version: deed.Any, Events: []deed.NewEvent{e}}}}); err != nil {
			t.Fatal(err)
		}
	}
	s.get(200, "/console/log/1").has(t, `href="/console/log?text=0"`)
	s.get(200, "/console/log/2").has(t, "This says that it is JSON, and is not", "&lt;b&gt;no JSON")
	s.settle()
	s.get(200, "/console").has(t, `<a data-to="/console/parked#part-cart-summaries" class="nothing"`)
	s.get(200, "/console").hasNot(t, `href="/console/parked#part-`)
	s.comesToHave("/console/views", `<span data-live="lag">0</span> <span data-live="unit">events</span>`)
	broken, _ := carts(t, nil)
	broken.get(200, "/console").has(t, `href="/console/parked#part-sums"`)
}

// A page that is open can say that it is cut off, and has no place for what nothing writes.
func TestPagesCanSayThatTheyAreCutOff(t *testing.T) {
	s, _ := carts(t, nil)
	for _, path := range everyPage {
		s.get(200, "/console"+path).has(t, `<p class="note bad" id="lost" role="status" hidden></p>`)
	}
	s.get(200, "/console/map").hasNot(t, "rates-state")
}

// All that is parked can be come to, page by page.
func TestParkedInPages(t *testing.T) {
	s, _ := on(t, deed.Config{MaxParked: 1000}, cart.Decider, deed.Projection[sum, cart.Event]{
		Name: "sums", Events: cart.Events, Key: func(r deed.Recorded[cart.Event]) string { return "sum:" + r.Stream.ID() },
		Evolve: func(sum, deed.Recorded[cart.Event]) sum { panic("cannot") },
	})
	const all = 230
	for i := range all {
		s.send(cart.Decider.Send(fmt.Sprintf("%03d", i), cart.Open{Owner: "x"}))
	}
	s.settle()
	found, pages := map[string]bool{}, 0
	for path := "/console/parked"; path != ""; pages++ {
		p := s.get(200, path)
		for _, m := range regexp.MustCompile(`<li data-key="([^"]+)"`).FindAllStringSubmatch(p.text, -1) {
			found[m[1]] = true
		}
		next := regexp.MustCompile(`class="next" href="([^"]+)"`).FindStringSubmatch(p.text)
		if path = ""; next != nil {
			path = strings.ReplaceAll(next[1], "&amp;", "&")
		}
	}
	if len(found) != all || pages != 3 {
		t.Errorf("%d keys in %d pages", len(found), pages)
	}
	s.get(200, "/console/parked?part=sums&after=z").has(t, "Nothing is parked behind that key")
}

// The store's page tells how many streams each category has, and counts no further than it has to.
func TestStreamsAreCounted(t *testing.T) {
	s := open(t, nil, cart.Decider)
	for category, streams := range map[string]int{"many": 1001, "few": 2, "full": 1000} {
		for i := range streams {
			e := deed.NewEvent{ID: fmt.Sprint(category, i), Type: "counted"}
			if _, err := s.DB.Append(s.Context(), deed.Batch{Writes: []deed.Write{{Stream: deed.Stream(category, fmt.Sprint(i)), Version: deed.Any, Events: []deed.NewEvent{e}}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.get(200, "/console/store").has(t, "1,001 events in more than 1,000 streams", "2 events in 2 streams", "1,000 events in 1,000 streams")
}
