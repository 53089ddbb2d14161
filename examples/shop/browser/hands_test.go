package browser_test

import (
	"fmt"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// aim finds where to click on an element that can be seen, with nothing above it. A live page may move between that and the
// click: what does not come to the element then comes to nobody, and landed says so.
const aim = `((find, hold) => {
	const e = find()
	if (!e) return null
	e.scrollIntoView({ block: 'center', behavior: 'instant' })
	const r = e.getClientRects()[0]
	const x = r.x + r.width / 2, y = r.y + r.height / 2
	const meets = other => e.contains(other) || other.contains(e)
	const top = document.elementFromPoint(x, y)
	if (!top || !meets(top)) return null
	hold(find)
	return [x, y]
})(
	() => [...document.querySelectorAll(%s)].find(e => e.checkVisibility()),
	find => {
		removeEventListener('click', window.held, true)
		window.landed = 'aimed'
		window.held = event => {
			removeEventListener('click', window.held, true)
			const e = find()
			window.landed = Boolean(e && (e.contains(event.target) || event.target.contains(e)))
			if (window.landed) return
			event.preventDefault()
			event.stopImmediatePropagation()
		}
		addEventListener('click', window.held, true)
	})`

// click clicks on an element once it can be seen, and nothing lies above it.
func (b *tab) click(selector string) {
	b.t.Helper()
	for until := timeout(b.t); ; {
		at := take[[]float64](b, fmt.Sprintf(aim, js(selector)))
		must(b, chromedp.MouseClickXY(at[0], at[1]))
		if b.plain { // nothing moves there
			return
		}
		landed, err := run(b, chromedp.Evaluate[string]("String(window.landed)"))
		if err != nil || landed == "true" || landed == "undefined" { // the page is another by now
			return
		}
		if until.Err() != nil {
			b.t.Fatalf("%s does not stand still; %s", selector, b.screen())
		}
	}
}

// elsewhere does what leads to another page, and waits until that is all there.
func (b *tab) elsewhere(lead func()) {
	b.t.Helper()
	from := take[float64](b, "performance.timeOrigin")
	lead()
	b.await(`performance.timeOrigin !== ` + js(from) + ` && document.readyState === "complete"`)
}

// follow clicks on something that leads to another page, and waits for that.
func (b *tab) follow(selector, path string) {
	b.t.Helper()
	b.elsewhere(func() { b.click(selector) })
	b.await("location.pathname.startsWith(" + js(path) + ")")
	b.ready(path)
}

// submit clicks on what sends a form of the shop, and waits for the answer: on the same page, or, without scripts, on another.
func (b *tab) submit(selector string) {
	b.t.Helper()
	if b.plain {
		b.elsewhere(func() { b.click(selector) })
		return
	}
	b.click(selector)
	b.await(`!document.querySelector("form[data-busy]")`)
}

// fill puts a text in the place of what a field holds.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.click(selector)
	b.await(fmt.Sprintf(`(() => { const e = document.querySelector(%s); e.select(); return document.activeElement === e })()`, js(selector)))
	if text == "" {
		must(b, chromedp.KeyEvent("\b"))
		return
	}
	b.insert(text)
}

// insert puts a text where the cursor is, as pasting does.
func (b *tab) insert(text string) {
	b.t.Helper()
	tell(b, input.InsertText, input.InsertTextParams{Text: text})
}

// holds waits until a field holds a text.
func (b *tab) holds(selector, text string) {
	b.t.Helper()
	b.await(fmt.Sprintf(`document.querySelector(%s)?.value === %s`, js(selector), js(text)))
}

func (b *tab) press(key string) {
	b.t.Helper()
	must(b, chromedp.KeyEvent(key))
}

// tabTo presses the tabulator until something is true, but not for ever.
func (b *tab) tabTo(there string) {
	b.t.Helper()
	for range 60 {
		b.press(kb.Tab)
		if value[bool](b, there) {
			return
		}
	}
	b.t.Fatalf("%s is not come to by the tabulator; the focus is on %s", there, value[string](b, "document.activeElement.outerHTML.slice(0, 300)"))
}
