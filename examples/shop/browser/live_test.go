package browser_test

import (
	"fmt"
	"testing"
)

var tea = order{Email: "ann@example.org", FirstName: "Ann", LastName: "Lee", Description: "a pound of tea", Quantity: 3, Value: "12.50"}

// placed fills in the form for an order, and sends it.
func (b *tab) place(o order) {
	b.t.Helper()
	b.fillOrder(o)
	b.submit("#place-order [data-submit]")
}

func (b *tab) fillOrder(o order) {
	b.t.Helper()
	if !value[bool](b, `document.querySelector("#place-order-fold").open`) {
		b.click("#place-order-fold > summary")
	}
	for _, f := range []struct{ name, text string }{
		{"email", o.Email},
		{"firstName", o.FirstName},
		{"lastName", o.LastName},
		{"quantity", fmt.Sprint(o.Quantity)},
		{"value", o.Value},
		{"description", o.Description},
	} {
		b.fill("#place-order [name="+f.name+"]", f.text)
	}
}

// row is the selector of the row of a list that has a text in it.
func (b *tab) rowWith(list, text string) string {
	b.t.Helper()
	find := fmt.Sprintf(`[...document.querySelectorAll("#table-%s tbody tr")].find(e => e.textContent.includes(%s))?.id`, list, js(text))
	return "#" + take[string](b, "(id => id && CSS.escape(id))("+find+")")
}

// unreloaded marks a page, and returns how to check that it is the same page still.
func (b *tab) unreloaded() func() {
	b.t.Helper()
	value[int](b, "window.seen = 1")
	return func() {
		b.t.Helper()
		if !value[bool](b, "window.seen === 1") {
			b.t.Error("the page was loaded again")
		}
	}
}

// watchHighlights returns what is true as soon as a row has been highlighted.
func (b *tab) watchHighlights() string {
	b.t.Helper()
	value[int](b, `(window.lit = 0, new MutationObserver(all => {
		if (all.some(m => m.target.classList?.contains("fresh") || [...m.addedNodes].some(n => n.classList?.contains("fresh")))) window.lit++
	}).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["class"] }), 1)`)
	return "window.lit > 0"
}

func TestTwoBrowsersSeeTheSame(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	ann, bob := visit(t, s), visit(t, s)
	ann.open("/ui/orders")
	bob.open("/ui/orders")
	same := bob.unreloaded()
	lit := bob.watchHighlights()

	ann.place(tea)
	ann.has("[data-notice]", "placed")
	bob.has("#table-orders tbody tr", tea.Description)
	row := bob.rowWith("orders", tea.Description)
	bob.has(row+" [data-cell=status]", "confirmed")
	ann.has(row+" [data-cell=status]", "confirmed")
	bob.await(lit)
	bob.await(`!document.querySelector(` + js(row) + `).classList.contains("fresh")`) // the highlight is a short one
	same()

	// Above 1000 it waits until somebody confirms it.
	bob.open("/ui/confirmations")
	same = bob.unreloaded()
	chest := tea
	chest.Description, chest.Value = "an antique chest", "1000.01"
	ann.place(chest)
	waiting := bob.rowWith("confirmations", chest.Description)
	ann.has(ann.rowWith("orders", chest.Description)+" [data-cell=status]", "unconfirmed")
	bob.submit(waiting + " form[id^=confirm] [data-submit]")
	ann.has(ann.rowWith("orders", chest.Description)+" [data-cell=status]", "confirmed")
	bob.none(waiting)

	// Without a value it is priced first; then it is cancelled.
	gift := tea
	gift.Description, gift.Value = "a gift", ""
	ann.place(gift)
	waiting = bob.rowWith("confirmations", gift.Description)
	bob.click(waiting + " details[id^=price] summary")
	bob.fill(waiting+" form[id^=price] [name=value]", "77")
	bob.submit(waiting + " form[id^=price] [data-submit]")
	ann.await(`document.querySelector(` + js(ann.rowWith("orders", gift.Description)) + `).querySelector("[data-cell=value]").dataset.value === "77"`)
	bob.click(waiting + " details[id^=cancel] summary")
	bob.fill(waiting+" form[id^=cancel] [name=reason]", "changed my mind")
	bob.submit(waiting + " form[id^=cancel] [data-submit]")
	ann.has(ann.rowWith("orders", gift.Description)+" [data-cell=status]", "cancelled")
	bob.none(waiting)
	same()
}

func TestACustomerRenamedIsRenamedEverywhere(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.place(tea)
	ann, bob := visit(t, s), visit(t, s)
	bob.open("/ui/orders")
	same := bob.unreloaded()
	ann.open("/ui/customers")
	ann.follow(ann.rowWith("customers", tea.Email)+" [data-cell=name] a", "/ui/customers/")
	ann.fill("#rename [name=lastName]", "Smith")
	ann.submit("#rename [data-submit]")
	ann.has("#facts [data-cell=name]", "Ann Smith")
	bob.has("#table-orders [data-cell=customer]", "Ann Smith")
	same()
}

func TestUsersAreWelcomedBeforeOnesEyes(t *testing.T) {
	t.Parallel()
	s := openShop(t, "-welcome-delay", "100ms")
	b := visit(t, s)
	b.open("/ui/users")
	same := b.unreloaded()
	b.click("#create-user-fold > summary")
	b.fill("#create-user [name=firstName]", "Olga")
	b.fill("#create-user [name=lastName]", "Berg")
	b.submit("#create-user [data-submit]")
	row := b.rowWith("users", "Olga Berg")
	b.await(`document.querySelector(` + js(row+" [data-cell=welcomed] time") + `)`)
	same()
	b.follow(row+" [data-cell=name] a", "/ui/users/")
	b.click("#delete-fold > summary")
	b.submit("#delete-fold [data-submit]")
	b.has("#facts [data-cell=status]", "deleted")
}

func TestACampaignReachesTheMailbox(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.place(tea)
	ann, bob := visit(t, s), visit(t, s)
	ann.open("/ui/customers")
	row := ann.rowWith("customers", tea.Email)
	ann.has(row+" [data-cell=class]", "bronze")
	if value[string](ann, `document.querySelector(`+js(row+" [data-cell=mail]")+`).dataset.value`) != "true" {
		ann.submit(row + " [data-cell=mail] [data-submit]")
		ann.await(`document.querySelector(` + js(row+" [data-cell=mail]") + `).dataset.value === "true"`)
	}
	bob.open("/ui/mailbox")
	bob.has("#mails", "No mails yet")
	same := bob.unreloaded()

	ann.open("/ui/campaigns")
	ann.click("#create-campaign-fold > summary")
	ann.fill("#create-campaign [name=name]", "Spring")
	ann.fill("#create-campaign [name=subject]", "Tea is in bloom")
	ann.fill("#create-campaign [name=body]", "Come and have a look.")
	value[string](ann, `(() => { const e = document.querySelector("#create-campaign [name=classification]"); return e.value = "bronze" })()`)
	ann.submit("#create-campaign [data-submit]")
	campaign := ann.rowWith("campaigns", "Spring")
	ann.submit(campaign + " [data-cell=status] [data-submit]")
	ann.has(campaign+" [data-cell=sent]", "1")
	ann.has(campaign+" [data-cell=requested]", "1")
	bob.has("#mails .subject", "Tea is in bloom")
	same()
	bob.click("#mails summary")
	bob.has("#mails .text", "Come and have a look.")
}
