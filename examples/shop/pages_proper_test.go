package main

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// elements are those that the pages are made of. What people type in is none.
var elements = strings.Fields(`html head meta title link script body a header nav ul ol li p main h1 h2 h3 div span strong small code bdi time
	form fieldset legend button input textarea select option label details summary section table caption thead tbody tr th td dl dt dd footer q mark wbr`)

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// proper fails for a page that runs or shows what is not ours, or that somebody cannot use who does not see it or has no mouse.
func (v *visitor) proper(d *document, a answer) {
	v.t.Helper()
	bad := func(format string, args ...any) {
		v.t.Helper()
		v.t.Errorf(d.path+": "+format, args...)
	}
	if got := a.header.Get("Content-Security-Policy"); got != policy {
		bad("the policy is %q", got)
	}
	if got := a.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		bad("the content type is %q", got)
	}
	p := &propriety{bad: bad, ids: map[string]*html.Node{}, labels: map[string]bool{}}
	for n := range d.root.Descendants() {
		if n.Type == html.ElementNode {
			p.element(n)
		}
	}
	p.end()
}

// propriety is what was seen of a page so far.
type propriety struct {
	bad     func(format string, args ...any)
	ids     map[string]*html.Node
	labels  map[string]bool
	inputs  []*html.Node
	refers  []string // ids that attributes name
	heading byte
	titles  int
}

func (p *propriety) element(n *html.Node) {
	if !slices.Contains(elements, n.Data) {
		p.bad("there is an element %s", n.Data)
	}
	for _, a := range n.Attr {
		switch {
		case strings.HasPrefix(a.Key, "on"), a.Key == "style":
			p.bad("%s has %s=%q", n.Data, a.Key, a.Val)
		case (a.Key == "href" || a.Key == "action" || a.Key == "src") && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#"):
			p.bad("%s leads to %q", n.Data, a.Val)
		case a.Key == "aria-describedby" || a.Key == "aria-labelledby":
			p.refers = append(p.refers, strings.Fields(a.Val)...)
		case a.Key == "id":
			if p.ids[a.Val] != nil || a.Val == "" || strings.ContainsAny(a.Val, " \t\n") {
				p.bad("the id %q is not good, or stands twice", a.Val)
			}
			p.ids[a.Val] = n
		}
	}
	switch n.Data {
	case "script":
		if attr(n, "src") == "" || text(n) != "" {
			p.bad("a script stands in the page: %.200s", text(n))
		}
	case "label":
		p.labels[attr(n, "for")] = true
	case "input", "textarea", "select":
		if attr(n, "type") != "hidden" {
			p.inputs = append(p.inputs, n)
		}
	case "h1", "h2", "h3":
		p.headed(n)
	case "td":
		if attr(n, "data-label") == "" {
			p.bad("a cell without a label: %s", text(n))
		}
	case "form":
		if method := attr(n, "method"); method != "post" && (method != "get" || attr(n, "role") != "search") || attr(n, "action") == "" {
			p.bad("a form that is sent nowhere")
		}
	}
}

func (p *propriety) headed(n *html.Node) {
	level := n.Data[1]
	if level > p.heading+1 && p.heading > 0 || p.heading == 0 && level != '1' || strings.TrimSpace(text(n)) == "" {
		p.bad("the heading %s %q is out of order, or empty", n.Data, text(n))
	}
	if level == '1' {
		p.titles++
	}
	p.heading = level
}

func (p *propriety) end() {
	if p.titles != 1 {
		p.bad("%d main headings", p.titles)
	}
	for _, n := range p.inputs {
		if id := attr(n, "id"); id == "" || !p.labels[id] {
			p.bad("the %s %q has no label", n.Data, attr(n, "name"))
		}
	}
	for label := range p.labels {
		if p.ids[label] == nil {
			p.bad("a label is for %q, which there is not", label)
		}
	}
	for _, id := range p.refers {
		if p.ids[id] == nil {
			p.bad("something refers to %q, which there is not", id)
		}
	}
}
