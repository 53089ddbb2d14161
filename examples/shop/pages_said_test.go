package main

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// What is not known yet is no amount of nothing.
func TestPagesSayWhatIsNotKnown(t *testing.T) {
	v := openPages(t, 0)
	unpriced, _ := v.order(`{"description":"ship","quantity":1000000,"email":"ann@example.org","firstName":"Ann","lastName":"Lee"}`)
	v.settle()
	orders := v.look("/ui/orders", 200)
	if usd := orders.cell(unpriced, "usd"); usd != "–" {
		t.Errorf("an order without a value is worth %q", usd)
	}
	if n := orders.cell(unpriced, "quantity"); n != "1,000,000" {
		t.Errorf("the quantity is %q", n)
	}
	if facts := text(v.look("/ui/orders/"+unpriced, 200).byID("facts")); strings.Contains(facts, "0.00") {
		t.Errorf("the order says %q", facts)
	}
	customers := v.look("/ui/customers", 200)
	ann := customers.keys()[0]
	if total := customers.cell(ann, "total"); total != "–" {
		t.Errorf("a customer without a confirmed order comes to %q", total)
	}
	if facts := text(v.look("/ui/customers/"+ann, 200).byID("facts")); strings.Contains(facts, "0.00") || !strings.Contains(facts, "1 placed") {
		t.Errorf("the customer says %q", facts)
	}
	a := v.send(v.look("/ui/campaigns", 200), "create-campaign", "name", "Spring", "classification", "gold", "subject", "Tea", "body", "Dear you")
	id := query(t, a).Get("of")
	page := v.goOn(a)
	if sent := page.cell(id, "sent"); sent != "–" {
		t.Errorf("a campaign that is not started has sent %q", sent)
	}
	v.goOn(v.send(page, "start-"+id))
	v.settle()
	if sent := v.look("/ui/campaigns", 200).cell(id, "sent"); sent != "0" {
		t.Errorf("a campaign to nobody has sent %q", sent)
	}
}

// What happened again and again is said once, with what came of it.
func TestPagesSayWhatHappenedOnce(t *testing.T) {
	v := openPages(t, 0)
	for i, value := range []int{100, 200, 900, 900, 900, 900, 900, 900} {
		v.order(fmt.Sprintf(`{"description":"tea %d","quantity":1,"value":"%d","email":"ann@example.org","firstName":"Ann","lastName":"Lee"}`, i, value))
		v.settle()
	}
	dropped, _ := v.order(`{"description":"boat","quantity":1,"value":"2000","email":"ann@example.org"}`)
	v.settle()
	v.goOn(v.send(v.look("/ui/orders/"+dropped, 200), "cancel-"+dropped, "reason", "no <room>"))
	said := history(v.look("/ui/orders/"+dropped, 200))
	if len(said) != 4 || !strings.Contains(said[0], "Cancelled no <room>") || !strings.Contains(said[3], "Placed") || !strings.Contains(said[3], "version 1") {
		t.Errorf("of the order that was cancelled it says %q", said)
	}
	said = history(v.look("/ui/customers/"+v.look("/ui/customers", 200).keys()[0], 200))
	if len(said) != 2 || !strings.Contains(said[0], "Classified 8 times bronze → silver → gold") || !strings.Contains(said[0], "versions 2 to 9") {
		t.Errorf("of the customer it says %q", said)
	}
}

// history is what a page says that happened, entry by entry.
func history(page *document) []string {
	var all []string
	for n := range page.byID("history").Descendants() {
		if n.Type == html.ElementNode && n.Data == "li" {
			all = append(all, strings.Join(strings.Fields(text(n)), " "))
		}
	}
	return all
}

// A long address is broken where its parts begin, and is still copied as it is.
func TestPagesBreakAddresses(t *testing.T) {
	v := openPages(t, 0)
	v.order(`{"description":"tea","quantity":1,"value":"1","email":"ann.lee@tea.example.org","firstName":"Ann","lastName":"Lee"}`)
	v.settle()
	page := v.look("/ui/customers", 200)
	if got := page.cell(page.keys()[0], "email"); got != "ann.lee@tea.example.org" {
		t.Errorf("the address is %q", got)
	}
	if !strings.Contains(string(page.raw), "ann<wbr>.lee<wbr>@tea<wbr>.example<wbr>.org") {
		t.Error("it is broken anywhere")
	}
}

// An address that somebody has made up says nothing that does not fit its page.
func TestNoticesFitTheirPages(t *testing.T) {
	v := openPages(t, 0)
	for path, says := range map[string]string{
		"/ui/orders?done=deleted&of=x": "", "/ui/users?done=confirmed&of=x": "", "/ui/about?done=placed&of=x": "", "/ui/?done=deleted&of=x": "",
		"/ui/users?done=gone&of=x": "", "/ui/users?done=deleted": "", "/ui/users?done=deleted&of=a%2Fb": "", "/ui/users?done=deleted&of=%00": "",
		"/ui/users?done=deleted&of=x": "The user is deleted. Look at it", "/ui/?done=placed&of=x": "The order is placed. Look at it",
		"/ui/confirmations?done=cancelled&of=x": "The order is cancelled. Look at it", "/ui/campaigns?done=started&of=x": "The campaign is started. Look at it",
	} {
		if got := strings.TrimSpace(text(v.look(path, 200).byID("notice"))); got != says {
			t.Errorf("%s says %q, want %q", path, got, says)
		}
	}
}
