package console_test

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What is wrong with a page of HTML: elements that are not closed as they were opened, attributes without quotes, ids that stand
// twice, fields without a label, labels and links to places that are not there, and whatever the policy would refuse.

var (
	token     = regexp.MustCompile(`(?s)<!--.*?-->|<!doctype html>|<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:\s+[a-zA-Z:-]+(?:="[^"<]*")?)*)\s*(/?)>|<`)
	attribute = regexp.MustCompile(`([a-zA-Z:-]+)(?:="([^"]*)")?`)
	void      = []string{"meta", "link", "input", "br", "hr", "img", "wbr"}
)

func faultsOf(text string) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	var open []string
	ids, wanted := map[string]bool{}, map[string]string{}
	var fields []map[string]string
	if !strings.HasPrefix(text, "<!doctype html>") {
		fault("no doctype")
	}
	for _, at := range token.FindAllStringSubmatchIndex(text, -1) {
		part := func(i int) string {
			if at[2*i] < 0 {
				return ""
			}
			return text[at[2*i]:at[2*i+1]]
		}
		name, attrs := strings.ToLower(part(2)), attributesOf(part(3))
		switch {
		case name == "" && part(0) == "<":
			fault("a < that is no tag: %.60q", text[at[0]:])
		case name == "":
		case part(1) == "/":
			if len(open) == 0 || open[len(open)-1] != name {
				fault("</%s> closes %v", name, open)
				return faults
			}
			open = open[:len(open)-1]
		case !slices.Contains(void, name) && part(4) == "":
			open = append(open, name)
		}
		if name == "" || part(1) == "/" {
			continue
		}
		if id, has := attrs["id"]; has {
			if ids[id] || id == "" {
				fault("the id %q stands twice", id)
			}
			ids[id] = true
		}
		if to, ok := strings.CutPrefix(attrs["href"], "#"); ok {
			wanted[to] = "a link"
		}
		for _, by := range []string{"for", "aria-labelledby", "list"} {
			if attrs[by] != "" {
				wanted[attrs[by]] = by
			}
		}
		if slices.Contains([]string{"input", "select", "textarea", "progress"}, name) && !slices.Contains(open, "label") {
			fields = append(fields, attrs)
		}
		if name == "svg" && attrs["role"] == "" && !slices.Contains(open, "td") {
			fault("a drawing without a role")
		}
		faults = append(faults, refused(name, attrs)...)
	}
	if len(open) > 0 {
		fault("not closed: %v", open)
	}
	for id, by := range wanted {
		if !ids[id] {
			fault("%s of %q leads nowhere", by, id)
		}
	}
	for _, f := range fields {
		if f["aria-label"] == "" && wanted[f["id"]] != "for" {
			fault("a field without a label: %v", f)
		}
	}
	for _, one := range []string{"<html lang=\"en\"", "</title>\n<link", "<main id=\"main\"", "<h1>", "name=\"viewport\""} {
		if strings.Count(text, one) != 1 {
			fault("%q stands %d times", one, strings.Count(text, one))
		}
	}
	return faults
}

// refused is what the policy of the pages would not let pass.
func refused(name string, attrs map[string]string) (faults []string) {
	for a, value := range attrs {
		if a == "style" || strings.HasPrefix(a, "on") {
			faults = append(faults, fmt.Sprintf("<%s %s> is refused", name, a))
		}
		address := html.UnescapeString(value)
		if slices.Contains([]string{"href", "src", "action"}, a) && !strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "#") {
			faults = append(faults, fmt.Sprintf("<%s %s=%q> leads elsewhere", name, a, value))
		}
	}
	if name == "style" || name == "script" && attrs["src"] == "" {
		faults = append(faults, "<"+name+"> is refused")
	}
	return faults
}

func attributesOf(text string) map[string]string {
	all := map[string]string{}
	for _, m := range attribute.FindAllStringSubmatch(text, -1) {
		all[m[1]] = m[2]
	}
	return all
}

// The checker finds what it is for.
func TestFaultsOf(t *testing.T) {
	page := func(main string) string {
		return "<!doctype html>" + `<html lang="en"><head><meta name="viewport"><title>a</title>` + "\n<link>" + `</head><body><main id="main"><h1>a</h1>` + main + `</main></body></html>`
	}
	if faults := faultsOf(page(`<p><label for="a">A</label><input id="a"></p><p>1 &lt; 2</p>`)); len(faults) > 0 {
		t.Errorf("a good page has faults: %q", faults)
	}
	for _, bad := range []string{
		`<p>`, `</p>`, `<p><b></p></b>`, `<p id="a"></p><p id="a"></p>`, `<input id="a">`, `<label for="a">A</label>`, `<a href="#nowhere">a</a>`, `1 < 2`,
		`<p style="a"></p>`, `<p onclick="a"></p>`, `<script>a</script>`, `<a href="javascript:a">a</a>`, `<a href="https://example.org/">a</a>`, `<p id=a></p>`,
		`<h1>b</h1>`, `<svg></svg>`,
	} {
		if len(faultsOf(page(bad))) == 0 {
			t.Errorf("%s has no fault", bad)
		}
	}
}
