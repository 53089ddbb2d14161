package browser_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

func TestTheLogIsFollowed(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	b := visit(t, s)
	b.open("/console/log")
	b.has("#tail-state", "live")
	id := s.place(tea)
	b.has(`#entries tr[data-type=order-confirmed]`, "order-"+id)

	b.click("#pause")
	b.has("#tail-state", "paused")
	other := visit(t, s) // in a tab before it, the first would not be seen, and would rest
	other.open("/console/log")
	other.has("#tail-state", "live")
	second := s.place(numbered(2))
	other.has(`#entries tr[data-type=order-confirmed]`, "order-"+second)
	if value[bool](b, `document.querySelector("#entries").textContent.includes(`+js(second)+`)`) {
		t.Error("the log goes on while it is paused")
	}
	b.click("#pause")
	b.has(`#entries tr[data-type=order-confirmed]`, "order-"+second)
	b.await(`(all => all.length === new Set(all).size)([...document.querySelectorAll("#entries tr")].map(e => e.dataset.position))`)
	other.inPositions(s)
	b.inPositions(s)
}

// inPositions waits until a tab shows the whole log, the newest first, without a gap. The log may go on meanwhile.
func (b *tab) inPositions(s *shop) {
	b.t.Helper()
	b.await(fmt.Sprintf(`(all => all.every((p, i) => p === all.length - i) && all.length >= Number(%s))(
		[...document.querySelectorAll("#entries tr")].map(e => Number(e.dataset.position)))`, js(s.head())))
}

func TestTheLogIsFiltered(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	id := s.place(tea)
	s.place(numbered(2))
	b := visit(t, s)
	b.open("/console/log")
	b.has(`#entries tr[data-type=order-confirmed]`, "order-"+id)
	b.fill("#type", "order-placed")
	b.elsewhere(func() { b.click("#filter button") })
	b.await(`location.search.includes("order-placed")`)
	b.ready("/console/log")
	b.count("#entries tr", 2)
	b.has("#tail-state", "live")
	s.place(numbered(3))
	b.count("#entries tr", 3)
	b.await(`[...document.querySelectorAll("#entries tr")].every(e => e.dataset.type === "order-placed")`)
	for _, c := range []struct{ field, text, all string }{
		{"text", "number 2", `e.textContent.includes("order number 2")`},
		{"tag", "order:" + id, `e.textContent.includes(` + js("order-"+id) + `)`},
	} {
		b.open("/console/log")
		b.fill("#"+c.field, c.text)
		b.elsewhere(func() { b.click("#filter button") })
		b.await(`new URLSearchParams(location.search).get(` + js(c.field) + `) === ` + js(c.text))
		b.ready("/console/log")
		b.await(`(all => all.length > 0 && all.every(e => ` + c.all + `))([...document.querySelectorAll("#entries tr")])`)
	}
	b.open("/console/log?category=customer")
	b.await(`(all => all.length > 0 && all.every(e => e.dataset.type.startsWith("customer-")))([...document.querySelectorAll("#entries tr")])`)
}

func TestTimeTravel(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	chest := tea
	chest.Value = "2000"
	id := s.place(chest)
	b := visit(t, s)
	b.open("/ui/orders/" + id)
	b.has("#facts [data-cell=status]", "unconfirmed")
	b.has(`#events [title=order-usd-value-added]`, "")
	s.do("POST", "/api/commands/order/"+id+"/confirm", "{}", http.StatusOK)
	b.has("#facts [data-cell=status]", "confirmed")
	b.has("#events", "version 4")

	b.open("/console/streams/order-" + id)
	b.has("#travel-title", "version 4 of 4")
	b.has("#changes", "confirmed")
	b.has("#then", "order-confirmed")
	same := b.unreloaded()
	b.click("#version")
	b.press(kb.Home)
	b.has("#travel-title", "version 1 of 4")
	b.has("#then", "order-placed")
	b.has("#state", "new")
	b.press(kb.ArrowRight)
	b.has("#travel-title", "version 2 of 4")
	b.await(`location.search === "?version=2"`)
	b.shoot("console-stream-travelled")
	first := value[string](b, `document.querySelector("#then").textContent`)
	b.click("#next")
	b.has("#travel-title", "version 3 of 4")
	if value[string](b, `document.querySelector("#then").textContent`) == first {
		t.Error("another version shows the same")
	}
	b.click("#last")
	b.has("#travel-title", "version 4 of 4")
	b.has("#changes", "confirmed")
	same()
	b.open("/console/streams/order-" + id + "?version=1") // a link to it leads to it
	b.has("#travel-title", "version 1 of 4")
}

func TestWhatCausedWhat(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	id := s.place(tea)
	b := visit(t, s)
	b.open("/ui/orders/" + id)
	b.has("#facts [data-cell=status]", "confirmed")
	b.has(`#events [title=order-usd-value-added]`, "")
	at := s.position("order-"+id, "order-placed")
	b.open(fmt.Sprintf("/console/log/%d", at))
	b.has("#data", tea.Description)
	b.follow("#causes", fmt.Sprintf("/console/log/%d/causes", at))
	confirmed := fmt.Sprintf(`li.event[data-position="%d"] li.event[data-position="%d"]`, at, s.position("order-"+id, "order-confirmed"))
	b.has(confirmed, "order-confirmed")
	b.has(`#tree li.event[aria-current=true] li.command`, "confirmation")
	b.has(`#tree li.event[aria-current=true]`, "order-usd-value-added")
	b.follow(confirmed+" a.type", "/console/log/")
	b.has("h1", "order-confirmed")
	b.open(fmt.Sprintf("/console/log/%d/causes", s.position("order-"+id, "order-confirmed")))
	b.has(`#tree > li li.event`, "order-placed") // from below one sees the same tree
}

func TestBothSides(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	id := s.place(tea)
	b := visit(t, s)
	b.open("/ui/orders/" + id)
	b.has("#facts [data-cell=status]", "confirmed")
	b.open("/console/streams/order-" + id)
	b.follow("#sides", "/console/streams/order-"+id+"/rows")
	b.has("#written-events", "order-placed")
	b.has("#written-events", "order-confirmed")
	b.has(`[data-view=orders] [data-key="`+id+`"]`, "confirmed")
	b.follow(`[data-view=orders] [data-key="`+id+`"] a`, "/console/views/orders/"+id)
	b.has("#row", tea.Description)
}

func TestAViewIsSteered(t *testing.T) {
	t.Parallel()
	s := openShop(t, "-seed", "50")
	b, guest := visit(t, s), visit(t, s)
	guest.open("/ui/orders")
	guest.count("#table-orders tbody tr", 50)
	b.open("/console/views")
	card := `#orders[data-part=orders]`
	b.has(card+" [data-live=state]", "live")

	// It asks first, and may be left.
	b.follow(card+" [data-action=rebuild]", "/console/parts/orders/rebuild")
	b.follow("main form a", "/console/views")
	if n := len(s.said("orders")); n != 0 {
		t.Errorf("%d things were said to the view by who left it", n)
	}
	b.follow(card+" [data-action=rebuild]", "/console/parts/orders/rebuild")
	b.follow("#confirm button", "/console/views")
	b.has(card+" [data-live=state]", "live")
	b.await(`document.querySelector(` + js(card+" [data-live=lag]") + `).textContent === "0"`)
	guest.count("#table-orders tbody tr", 50)
	guest.inOrderOf(50)

	b.follow(card+" [data-action=pause]", "/console/parts/orders/pause")
	b.follow("#confirm button", "/console/views")
	b.has(card+" [data-live=state]", "paused")
	s.place(numbered(1))
	b.await(`document.querySelector(` + js(card+" [data-live=lag]") + `).textContent !== "0"`)
	guest.open("/ui/orders")
	guest.await(`document.querySelector("[data-behind=orders]").checkVisibility()`)
	guest.has("[data-behind=orders]", "behind")
	guest.shoot("shop-orders-behind")
	b.shoot("console-views-paused")
	b.follow(card+" [data-action=resume]", "/console/parts/orders/resume")
	b.follow("#confirm button", "/console/views")
	b.has(card+" [data-live=state]", "live")
	guest.has("#table-orders tbody tr", numbered(1).Description)
	guest.none("[data-behind=orders]")
	if n := len(s.said("orders")); n != 3 {
		t.Errorf("%d things were said to the view, want a rebuild, a pause and a resumption", n)
	}
}

// inOrderOf waits until a list has so many rows that are all different.
func (b *tab) inOrderOf(n int) {
	b.t.Helper()
	b.await(fmt.Sprintf(`new Set([...document.querySelectorAll("#table-orders tbody tr")].map(e => e.dataset.key)).size === %d`, n))
}

func TestWhatIsParkedIsRetriedAndSkipped(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.place(tea)
	s.stop()
	s.past("order-broken", broken)
	s.again()
	b := visit(t, s)
	b.open("/console/parked")
	held := `#part-orders li[data-key="/order-broken"]`
	b.reloadUntil(`document.querySelector(` + js(held) + `)`) // it takes a moment to fail
	b.has(held, "order-placed")
	b.shoot("console-parked-keys")
	guest := visit(t, s)
	guest.open("/ui/orders")
	guest.has("#table-orders tbody tr", tea.Description) // what is about others goes on

	b.follow(held+" [data-action=retry]", "/console/parked/orders/")
	b.follow("#confirm button", "/console/parked")
	b.has("#said", "retry")
	b.reloadUntil(`document.querySelector(` + js(held) + `)`) // in vain
	s.settled()                                               // what fails has failed with every part
	for range 30 {
		b.open("/console/parked")
		link := take[string](b, `document.querySelector("#none") ? "" : document.querySelector("[data-action=skip]").getAttribute("href")`)
		if link == "" {
			break
		}
		b.follow("[data-action=skip]", "/console/parked/")
		b.follow("#confirm button", "/console/parked")
		b.has("#said", "skip")
		b.reloadUntil(`![...document.querySelectorAll("[data-action=skip]")].some(e => e.getAttribute("href") === ` + js(link) + `)`)
	}
	b.has("#none", "Nothing is parked")
	b.open("/console")
	b.reloadUntil(`[...document.querySelectorAll("#parts [data-label=parked]")].every(e => e.textContent === "0")`)
}
