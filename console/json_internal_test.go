package console

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

func TestDatum(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		data       []byte
		is         func(datum) bool
	}{
		{"JSON", "", []byte(`{"b":1,"a":[true,null,"x"]}`), func(d datum) bool {
			return d.JSON != nil && d.JSON.Count == 2 && d.JSON.Nodes[0].Key == "b" && d.JSON.Nodes[1].Nodes[2].Text == "x"
		}},
		{"JSON of another name", "application/problem+json; charset=utf-8", []byte(`{}`), func(d datum) bool { return d.JSON != nil }},
		{"numbers as they are written", "", []byte(`12345678901234567890.10`), func(d datum) bool { return d.JSON.Text == "12345678901234567890.10" }},
		{"broken JSON", "application/json", []byte(`{"a":`), func(d datum) bool { return d.JSON == nil && d.Broken && d.Text == `{"a":` }},
		{"broken JSON that is no text", "", []byte{'{', 0xff}, func(d datum) bool { return d.Broken && strings.Contains(d.Hex, "7b ff") }},
		{"text", "text/plain", []byte("<b>"), func(d datum) bool { return d.Text == "<b>" && !d.Broken }},
		{"bytes", "image/png", bytes.Repeat([]byte{0x89}, 5000), func(d datum) bool {
			return d.Size == 5000 && strings.Count(d.Hex, "\n") == 64 && d.ContentType == "image/png"
		}},
		{"nothing", "image/png", nil, func(d datum) bool { return d.Size == 0 && d.Text == "" && d.Hex == "" }},
		{"a long string is folded", "", []byte(`"` + strings.Repeat("é", 1000) + `"`), func(d datum) bool {
			return d.JSON.Text == strings.Repeat("é", shownValue) && d.JSON.More == strings.Repeat("é", 1000-shownValue) && d.JSON.Length == 1000 && !d.JSON.Cut
		}},
		{"a huge string is cut", "", []byte(`"` + strings.Repeat("x", 1<<20) + `"`), func(d datum) bool {
			return len(d.JSON.Text)+len(d.JSON.More) == shownText && d.JSON.Cut
		}},
		{"many elements are cut", "", []byte("[" + strings.Repeat("1,", 99_999) + "1]"), func(d datum) bool {
			return d.JSON.Count == 100_000 && d.JSON.Cut && len(d.JSON.Nodes) < shownNodes+1 && !d.JSON.Open
		}},
		{"many members are cut", "", []byte("{" + strings.Repeat(`"a":{"b":1},`, 9_999) + `"z":[]}`), func(d datum) bool { return d.JSON.Count == 10_000 && d.JSON.Cut }},
		{"depth is cut", "", []byte(strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), func(d datum) bool { return deepest(d.JSON) <= shownDepth+1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := datumOf(c.data, c.kind, ""); !c.is(d) {
				t.Errorf("%.300v", d)
			}
		})
	}
}

func deepest(n *node) int {
	most := 0
	for _, child := range n.Nodes {
		most = max(most, deepest(child))
	}
	return most + 1
}

func FuzzDatum(f *testing.F) {
	f.Add([]byte(`{"a":[1,"x",{"b":null}]}`), "")
	f.Add([]byte(`{"a":1,"a":2}`), "application/json")
	f.Add([]byte{0xff, 0}, "text/plain")
	f.Fuzz(func(t *testing.T, data []byte, kind string) {
		d := datumOf(data, kind, "")
		var page bytes.Buffer
		if err := layouts["record"].ExecuteTemplate(&page, "datum", d); err != nil {
			t.Fatal(err)
		}
		line := preview(deed.Record{NewEvent: deed.NewEvent{Data: data, ContentType: kind}})
		if strings.ContainsAny(line, "\n\r") && !strings.ContainsAny(kind, "\n\r") {
			t.Errorf("the line is %q", line)
		}
	})
}

func TestFormats(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{num(0), "0"},
		{num(1234567), "1,234,567"},
		{num(-1000), "-1,000"},
		{num(deed.Position(999)), "999"},
		{byteSize(1), "1 byte"},
		{byteSize(1536), "1.5 KiB"},
		{byteSize(int64(3) << 40), "3.0 TiB"},
		{lasting(0), "0 s"},
		{lasting(1500 * time.Millisecond), "1.5 s"},
		{lasting(90 * time.Minute), "90 min"},
		{lasting(72 * time.Hour), "3 days"},
		{cut(3, "äöüß"), "äöü…"},
		{cut(4, "äöüß"), "äöüß"},
		{cut(9, "a\xffb"), "a\ufffdb"},
		{link("streams", "a-b/c?d#e %"), "/console/streams/a-b%2Fc%3Fd%23e%20%25"},
		{link("log", deed.Position(7), "data"), "/console/log/7/data"},
		{query("a", "", "b", "x&y"), "?b=x%26y"},
		{rateText(1234.4), "1,234/s"},
		{rateText(2), "2.0/s"},
		{rateText(0.001), "1/min"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
