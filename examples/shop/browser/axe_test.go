package browser_test

import (
	"os"
	"strings"

	"github.com/chromedp/chromedp"
)

// violation is something that axe finds wrong, with the elements that it is wrong with.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct{ Target []any }
}

// axe asks axe-core about the page. What is serious or critical fails the test.
func (b *tab) axe(name string) {
	b.t.Helper()
	if *axeFile == "" {
		return
	}
	found := b.violations()
	counts := map[string]int{}
	for _, v := range found {
		counts[v.Impact] += len(v.Nodes)
		say := b.t.Logf
		if v.Impact == "serious" || v.Impact == "critical" {
			say = b.t.Errorf
		}
		var where []string
		for _, n := range v.Nodes[:min(len(v.Nodes), 3)] {
			where = append(where, js(n.Target))
		}
		say("axe: %s: %s: %s (%s), %d elements: %s", name, v.Impact, v.Help, v.ID, len(v.Nodes), strings.Join(where, " "))
	}
	b.t.Logf("axe: %-48s critical %d, serious %d, moderate %d, minor %d", name, counts["critical"], counts["serious"], counts["moderate"], counts["minor"])
}

// violations is what axe says of the page.
func (b *tab) violations() []violation {
	b.t.Helper()
	if !value[bool](b, `"axe" in window`) {
		source, err := os.ReadFile(*axeFile)
		if err != nil {
			b.t.Fatal(err)
		}
		must(b, chromedp.Evaluate[chromedp.Void](string(source))) // the page's policy does not hold for who holds the browser
	}
	return must(b, chromedp.Evaluate[[]violation](`axe.run(document, { resultTypes: ["violations"] }).then(r => r.violations)`, chromedp.EvalAwaitPromise))
}

// biteAxe has axe look at a page that is wrong: who finds nothing anywhere must be known to find something there.
func (b *tab) biteAxe() {
	b.t.Helper()
	if *axeFile == "" {
		return
	}
	value[int](b, `(main => {
		main.insertAdjacentHTML("beforeend", "<img src='data:,'><p id=pale>pale</p><input>")
		Object.assign(document.getElementById("pale").style, { color: "#ccc", background: "#ddd" })
		return 1
	})(document.querySelector("main"))`)
	found := map[string]string{}
	for _, v := range b.violations() {
		found[v.ID] = v.Impact
	}
	for id, impact := range map[string]string{"image-alt": "critical", "color-contrast": "serious", "label": "critical"} {
		if found[id] != impact {
			b.t.Errorf("axe does not find that %s is %s: %v", id, impact, found)
		}
	}
}
