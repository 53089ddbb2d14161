package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// wrong is what a form says beside a field.
func wrong(page *document, form, field string) string {
	n := page.byID(form + "-" + field)
	if attr(n, "aria-invalid") != "true" || !strings.Contains(attr(n, "aria-describedby"), form+"-"+field+"-error") {
		return ""
	}
	return text(page.byID(form + "-" + field + "-error"))
}

// An order is placed without a script: the form leads back to the list, which has it already.
func TestAnOrderIsPlacedByAForm(t *testing.T) {
	v := openPages(t, 0)
	list := v.look("/ui/orders?status=new", 200)
	sent := []string{"email", "ann@example.org", "firstName", "Ann", "lastName", "Lee", "quantity", " 2 ", "value", " 1,000.50 ", "description", "tea\nand cups"}
	a := v.send(list, "place-order", sent...)
	id := query(t, a).Get("of")
	if !strings.HasPrefix(a.header.Get("Location"), "/ui/orders?") || query(t, a).Get("status") != "new" {
		t.Errorf("the form leads to %s", a.header.Get("Location"))
	}
	if again := v.send(list, "place-order", sent...); query(t, again).Get("of") != id {
		t.Errorf("the same form sent twice placed %s and %s", id, query(t, again).Get("of"))
	}
	if page := v.goOn(a); !strings.Contains(text(page.byID("notice")), "The order is placed") {
		t.Errorf("the page says %q", text(page.byID("notice")))
	}
	v.settle()
	page := v.look("/ui/orders", 200)
	if keys := page.keys(); len(keys) != 1 || keys[0] != id {
		t.Fatalf("the list has %q, want %q", keys, id)
	}
	for _, want := range []string{"Ann Lee", "tea\nand cups", "1,000.50\u00a0EUR", "unconfirmed"} {
		if row := text(page.row(id)); !strings.Contains(row, want) {
			t.Errorf("the row %q has no %q", row, want)
		}
	}
	other := v.send(list, "place-order", append(sent, "quantity", "3")...)
	if again := v.read("again", other); other.status != http.StatusUnprocessableEntity || !strings.Contains(text(again.byID("place-order-error")), "sent before") {
		t.Errorf("the same form with something else in it: %d %s", other.status, text(again.byID("place-order")))
	} else if a := v.send(again, "place-order"); a.status != http.StatusSeeOther || query(t, a).Get("of") == id {
		t.Errorf("sent once more it is %d %s", a.status, a.header.Get("Location"))
	}
}

func query(t *testing.T, a answer) url.Values {
	t.Helper()
	target, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.status != http.StatusSeeOther {
		t.Fatalf("%d %v %.2000s", a.status, err, a.body)
	}
	return target.Query()
}

// A form that is refused is shown again with all that was typed, and says why beside the field.
func TestARefusedFormKeepsWhatWasTyped(t *testing.T) {
	v := openPages(t, 0)
	v.order(tea) // known@…: see main_test.go
	good := map[string]string{"email": "new@example.org", "firstName": "<New>", "lastName": "One", "quantity": "1", "value": "2.50", "description": "\n tea\n"}
	for _, refused := range []struct{ field, typed, says string }{
		{"email", "nonsense", "E-mail address is not an e-mail address."},
		{"email", "", "E-mail address is required."},
		{"firstName", "", "nor is full customer information"},
		{"firstName", strings.Repeat("ü", 101), "First name has more than 100 characters."},
		{"quantity", "many", "Quantity must be a whole number"},
		{"quantity", "0", "Quantity must be 1 to 1,000,000."},
		{"value", "1,5", "Value in EUR must be a decimal number"},
		{"value", "1.555", "Value in EUR has more than 2 decimals."},
		{"description", "", "Description must have 1 to 100,000 bytes."},
		{"description", strings.Repeat("x\n", 50001), "Description must have 1 to 100,000 bytes."},
	} {
		var typed []string
		for name, value := range good {
			if name == refused.field {
				value = refused.typed
			}
			typed = append(typed, name, value)
		}
		a := v.send(v.look("/ui/orders?status=new", 200), "place-order", typed...)
		if a.status != http.StatusUnprocessableEntity {
			t.Errorf("%q for %s: %d", refused.typed, refused.field, a.status)
			continue
		}
		page := v.read("refused", a)
		at := refused.field
		if strings.Contains(refused.says, "full customer") {
			at = "email"
		}
		if says := wrong(page, "place-order", at); !strings.Contains(says, refused.says) {
			t.Errorf("%.20q for %s: the page says %q, want %q", refused.typed, refused.field, says, refused.says)
		}
		kept := fields(page.byID("place-order"))
		for i := 0; i < len(typed); i += 2 {
			if kept.Get(typed[i]) != typed[i+1] {
				t.Errorf("%.20q for %s: %s was %.40q, and is %.40q", refused.typed, refused.field, typed[i], typed[i+1], kept.Get(typed[i]))
			}
		}
		if _, open := lookUp(page.byID("place-order-fold"), "open"); !open {
			t.Error("the form is folded")
		}
	}
}

// What waits is decided by forms, and what cannot be decided any more says so.
func TestRequestsAreDecidedByForms(t *testing.T) {
	v := openPages(t, 0)
	dear, _ := v.order(`{"description":"piano","quantity":1,"value":"4200","email":"a@example.org","firstName":"A","lastName":"B"}`)
	unpriced, _ := v.order(`{"description":"ship","quantity":1,"email":"a@example.org"}`)
	dropped, _ := v.order(`{"description":"boat","quantity":1,"value":"2000","email":"a@example.org"}`)
	v.settle()
	list := v.look("/ui/confirmations", 200)
	if n := len(list.keys()); n != 3 {
		t.Fatalf("%d requests", n)
	}
	page := v.goOn(v.send(list, "confirm-"+dear))
	if page.path[:17] != "/ui/confirmations" || page.row(dear) != nil {
		t.Errorf("%s has the request still", page.path)
	}
	late := v.send(list, "cancel-"+dear, "reason", "too late")
	if says := text(v.read("late", late).byID("notice")); late.status != http.StatusConflict || !strings.Contains(says, "The order is confirmed.") {
		t.Errorf("cancelled when it was confirmed: %d %q", late.status, says)
	}
	refused := v.send(list, "price-"+unpriced, "value", "free")
	if says := wrong(v.read("refused", refused), "price-"+unpriced, "value"); !strings.Contains(says, "must be a decimal number") {
		t.Errorf("a bad price: %d %q", refused.status, says)
	}
	v.goOn(v.send(list, "price-"+unpriced, "value", "99"))
	v.goOn(v.send(v.look("/ui/orders/"+unpriced, 200), "confirm-"+unpriced))
	refused = v.send(list, "cancel-"+dropped, "reason", " ")
	if says := wrong(v.read("refused", refused), "cancel-"+dropped, "reason"); !strings.Contains(says, "must have 1 to 1000 characters") {
		t.Errorf("no reason: %d %q", refused.status, says)
	}
	if page := v.goOn(v.send(list, "cancel-"+dropped, "reason", "no room")); len(page.keys()) != 0 {
		t.Errorf("%q wait still", page.keys())
	}
	for id, status := range map[string]string{dear: "confirmed", unpriced: "confirmed", dropped: "cancelled"} {
		if facts := text(v.look("/ui/orders/"+id, 200).byID("facts")); !strings.Contains(facts, status) {
			t.Errorf("%s is %q, want %s", id, facts, status)
		}
	}
}

func TestUsersAreKeptByForms(t *testing.T) {
	v := openPages(t, 0)
	list := v.look("/ui/users", 200)
	a := v.send(list, "create-user", "firstName", "Bob", "lastName", "Ray")
	id := query(t, a).Get("of")
	if page := v.goOn(a); page.row(id) == nil {
		t.Errorf("the list has not what was just made: %q", page.keys())
	}
	page := v.look("/ui/users/"+id, 200)
	v.expect(v.do("POST", "/api/commands/user/"+id+"/update", `{"lastName":"Roe"}`), 200, "") // by somebody else, meanwhile
	if page := v.goOn(v.send(page, "update-user", "firstName", "Rob")); text(page.byID("title")) != "Rob Roe" {
		t.Errorf("the user is %q", text(page.byID("title")))
	}
	refused := v.send(v.look("/ui/users/"+id, 200), "update-user", "lastName", "")
	if says := wrong(v.read("refused", refused), "update-user", "lastName"); says != "Last name is required." {
		t.Errorf("no name: %d %q", refused.status, says)
	}
	page = v.look("/ui/users/"+id, 200)
	if page := v.goOn(v.send(page, "delete-user")); page.byID("update-user") != nil || !strings.Contains(text(page.byID("facts")), "deleted") {
		t.Error("a deleted user can be changed")
	}
	if late := v.send(page, "update-user", "firstName", "Zoe"); late.status != http.StatusConflict || !strings.Contains(text(v.read("late", late).byID("notice")), "deleted") {
		t.Errorf("a deleted user is changed: %d %.300s", late.status, text(v.read("late", late).byID("notice")))
	}
}

func TestCustomersAndCampaignsAreKeptByForms(t *testing.T) {
	v := openPages(t, 0)
	v.order(`{"description":"tea","quantity":1,"value":"10","email":"a@example.org","firstName":"Ann","lastName":"Lee"}`)
	v.settle()
	list := v.look("/ui/customers?class=bronze", 200)
	id := list.keys()[0]
	page := v.goOn(v.send(list, "permit-"+id))
	if page.path[:28] != "/ui/customers?class=bronze&d" || !strings.Contains(text(page.row(id)), "Withdraw") {
		t.Errorf("%s: %q", page.path, text(page.row(id)))
	}
	page = v.look("/ui/customers/"+id, 200)
	if page = v.goOn(v.send(page, "rename-customer", "lastName", "Poe", "location", "Bern")); !strings.Contains(text(page.byID("facts")), "Ann Poe") {
		t.Errorf("the customer is %q", text(page.byID("facts")))
	}
	if row := text(v.look("/ui/orders", 200).row(v.look("/ui/orders", 200).keys()[0])); !strings.Contains(row, "Ann Poe") {
		t.Errorf("the order is %q", row)
	}
	refused := v.send(v.look("/ui/campaigns", 200), "create-campaign", "name", "Spring", "subject", "Tea", "body", "Dear you")
	if says := wrong(v.read("refused", refused), "create-campaign", "classification"); !strings.Contains(says, "must be bronze, silver or gold") {
		t.Errorf("no class: %d %q", refused.status, says)
	}
	a := v.send(v.read("refused", refused), "create-campaign", "classification", "bronze")
	campaign := query(t, a).Get("of")
	v.goOn(v.send(v.goOn(a), "start-"+campaign))
	v.settle()
	if facts := v.look("/ui/campaigns/"+campaign, 200); facts.byID("start-"+campaign) != nil || !strings.Contains(text(facts.byID("facts")), "started") {
		t.Errorf("the campaign is %q", text(facts.byID("facts")))
	}
	if mails := text(v.look("/ui/mailbox", 200).byID("mails")); !strings.Contains(mails, "Ann Poe") || !strings.Contains(mails, "Dear you") {
		t.Errorf("the mailbox has %q", mails)
	}
}

// A script sends a form in place: the answer is the page at once, or the one with the form that was refused.
func TestFormsAreSentInPlace(t *testing.T) {
	v := openPages(t, 0)
	form := fields(v.look("/ui/users", 200).byID("create-user"))
	form.Set("firstName", "Bob")
	inPlace := []string{"Prefer", "return=representation"}
	if a := v.post("/ui/users", form, inPlace...); a.status != http.StatusUnprocessableEntity || wrong(v.read("refused", a), "create-user", "lastName") == "" {
		t.Errorf("refused: %d", a.status)
	}
	form.Set("lastName", "Ray")
	a := v.post("/ui/users", form, inPlace...)
	page := v.read("in place", a)
	if a.status != http.StatusOK || len(page.keys()) != 1 || a.position() == "" || !strings.Contains(text(page.byID("notice")), "The user is created") {
		t.Errorf("in place: %d, %q, %q", a.status, page.keys(), text(page.byID("notice")))
	}
	if next := fields(page.byID("create-user")); next.Get("key") == form.Get("key") || next.Get("firstName") != "" {
		t.Errorf("the next form is %v", next)
	}
	if again := v.post("/ui/users", form, inPlace...); again.header.Get("Deed-Again") != "true" {
		t.Errorf("the same again: %d %v", again.status, again.header)
	}
}

// Forms of other sites, of other kinds and of any size do nothing; what leads away from the shop is not followed.
func TestFormsThatAreNotOurs(t *testing.T) {
	v := openPages(t, 0)
	user := url.Values{"firstName": {"Bob"}, "lastName": {"Ray"}, "back": {"//evil.example/ui/"}}
	for status, a := range map[int]answer{
		403: v.post("/ui/users", user, "Sec-Fetch-Site", "cross-site"),
		415: v.do("POST", "/ui/users", `{"firstName":"Bob","lastName":"Ray"}`, "Accept", accept),
		413: v.post("/ui/users", url.Values{"firstName": {strings.Repeat("x", 1<<20)}}),
		405: v.post("/ui/nothing", user),
	} {
		if a.status != status {
			t.Errorf("%d, want %d: %.300s", a.status, status, a.body)
		}
	}
	if keys := v.look("/ui/users", 200).keys(); len(keys) != 0 {
		t.Errorf("there are users: %q", keys)
	}
	for _, back := range []string{"//evil.example/ui/", "https://evil.example/ui/", "/ui/../orders", `\\evil.example`, "javascript:alert(1)", "/orders"} {
		user.Set("back", back)
		user.Set("firstName", back)
		if to := v.post("/ui/users", user).header.Get("Location"); !strings.HasPrefix(to, "/ui/users?done=") {
			t.Errorf("back to %s leads to %q", back, to)
		}
	}
}

// The look is kept without a script.
func TestTheLookIsKept(t *testing.T) {
	v := openPages(t, 0)
	page := v.look("/ui/users?status=active", 200)
	values := fields(page.byID("theme"))
	values.Set("theme", "dark")
	page = v.goOn(v.post("/ui/theme", values))
	if page.path != "/ui/users?status=active" || attr(page.find(isHTML), "data-theme") != "dark" {
		t.Errorf("%s looks %q", page.path, attr(page.find(isHTML), "data-theme"))
	}
}

func isHTML(n *html.Node) bool { return n.Data == "html" }
