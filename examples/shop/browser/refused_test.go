package browser_test

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// What was typed stays, and why it was refused stands at the field, and is told to who cannot see it.
func TestARefusedFormKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	b := visit(t, s)
	b.allow("answer: 422 to POST "+s.url+"/ui/orders", "answer: 409 to POST "+s.url+"/ui/orders")
	b.open("/ui/orders")
	wrong := tea
	wrong.Quantity = 0
	wrong.Description = "two\nlines\n"
	b.place(wrong)
	b.has("#place-order [data-error=quantity]", "1")
	b.holds("#place-order [name=quantity]", "0")
	b.holds("#place-order [name=description]", wrong.Description)
	b.holds("#place-order [name=email]", wrong.Email)
	b.await(`document.querySelector("#place-order [name=quantity]").getAttribute("aria-invalid") === "true"`)
	b.await(`document.activeElement === document.querySelector("#place-order [name=quantity]")`)
	b.await(`document.querySelector("#place-order [name=quantity]").getAttribute("aria-describedby").split(" ")
		.includes(document.querySelector("#place-order [data-error=quantity]").id)`)

	b.shoot("shop-orders-refused")

	// Somebody else orders meanwhile; what was typed stays all the same.
	other := tea
	other.Description = "somebody else's"
	s.place(other)
	b.has("#table-orders tbody tr", other.Description)
	b.holds("#place-order [name=description]", wrong.Description)

	b.fill("#place-order [name=value]", "12.505")
	b.fill("#place-order [name=quantity]", "2")
	b.submit("#place-order [data-submit]")
	b.has("#place-order [data-error=value]", "decimal")
	b.none("#place-order [data-error=quantity]")
	b.fill("#place-order [name=value]", "12.50")
	b.submit("#place-order [data-submit]")
	b.has("[data-notice]", "placed")
	b.count("#table-orders tbody tr", 2)

	// A new customer must say the name: that is no single field's fault.
	b.place(order{Email: "new@example.org", Description: "anonymous", Quantity: 1})
	b.await(`document.querySelector("#place-order").classList.contains("refused")`)
	b.holds("#place-order [name=email]", "new@example.org")
	b.await(`[...document.querySelectorAll("#place-order .error")].some(e => e.checkVisibility() && e.textContent.includes("customer"))`)
}

// Placing an order with the keys alone, from the top of the page.
func TestAnOrderIsPlacedByKeyboard(t *testing.T) {
	t.Parallel()
	b := visit(t, openShop(t))
	b.open("/ui/")
	b.tabTo(`document.activeElement.matches("a.skip")`)
	b.await(`document.activeElement.getBoundingClientRect().top >= 0`) // and it shows now
	b.tabTo(`document.activeElement.matches("nav a[href='/ui/orders']")`)
	b.outlined()
	b.elsewhere(func() { b.press(kb.Enter) })
	b.await(`location.pathname === "/ui/orders"`)
	b.ready("/ui/orders")
	b.tabTo(`document.activeElement.matches("#place-order-fold > summary")`)
	b.outlined()
	b.press(kb.Enter)
	for _, f := range []struct{ name, text string }{
		{"email", tea.Email}, {"firstName", tea.FirstName}, {"lastName", tea.LastName}, {"quantity", "3"}, {"value", tea.Value}, {"description", tea.Description},
	} {
		b.tabTo(`document.activeElement.name === ` + js(f.name))
		b.outlined()
		must(b, chromedp.KeyEvent(f.text))
		b.holds("#place-order [name="+f.name+"]", f.text)
	}
	b.tabTo(`document.activeElement.matches("#place-order [data-submit]")`)
	b.outlined()
	b.press(kb.Enter)
	b.has("[data-notice]", "placed")
	b.has("#table-orders tbody tr", tea.Description)
	// Who goes on from here is not thrown back to the top.
	b.await(`document.activeElement !== document.body`)
}

// outlined checks that one sees where the focus is.
func (b *tab) outlined() {
	b.t.Helper()
	if !value[bool](b, `(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle !== "none" && s.outlineWidth !== "0px" || s.boxShadow !== "none" })()`) {
		b.t.Errorf("nothing shows that the focus is on %s", value[string](b, "document.activeElement.outerHTML.slice(0, 300)"))
	}
}

// Without JavaScript the same forms do the same.
func TestItWorksWithoutJavaScript(t *testing.T) {
	t.Parallel()
	b := visit(t, openShop(t))
	b.plain = true
	b.allow("answer: 422 to POST")
	tell(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.open("/ui/orders")
	if value[bool](b, `document.documentElement.dataset.ready === "true"`) {
		t.Fatal("scripts run")
	}
	wrong := tea
	wrong.Quantity = 0
	b.place(wrong)
	b.has("#place-order [data-error=quantity]", "1")
	b.holds("#place-order [name=description]", wrong.Description)
	b.fill("#place-order [name=quantity]", "4")
	b.submit("#place-order [data-submit]")
	b.has("[data-notice]", "placed")
	b.has("#table-orders tbody tr", tea.Description)

	chest := tea
	chest.Description, chest.Value = "an antique chest", "2000"
	b.place(chest)
	b.has("#table-orders tbody tr", chest.Description)
	b.follow("[data-notice] a", "/ui/orders/")
	b.reloadUntil(`document.querySelector("#facts [data-cell=status]").textContent === "unconfirmed"`)
	b.submit("form[id^=confirm] [data-submit]")
	b.has("[data-notice]", "confirmed")
	b.reloadUntil(`document.querySelector("#facts [data-cell=status]").textContent === "confirmed"`)
}
