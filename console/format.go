package console

import (
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/deed-es/deed"
)

// functions are what templates can call.
var functions = template.FuncMap{
	"link":     link,
	"query":    query,
	"num":      num,
	"bytes":    byteSize,
	"rfc":      func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00") },
	"full":     func(t time.Time) string { return t.UTC().Format("Monday, 2 January 2006, 15:04:05.000000 UTC") },
	"clock":    clock,
	"day":      func(t time.Time) string { return t.UTC().Format("2006-01-02") },
	"lasting":  lasting,
	"cut":      cut,
	"dec":      func(n deed.Version) deed.Version { return n - 1 },
	"inc":      func(n deed.Version) deed.Version { return n + 1 },
	"icon":     func() string { return iconAddress },
	"plural":   plural,
	"error":    func(text string) string { return cut(errorShown, text) },
	"tab":      newTab,
	"anchored": anchored,
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

// link is the address of a page of the console, of the segments of its path below root.
func link(segments ...any) string {
	var b strings.Builder
	b.WriteString(root)
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(fmt.Sprint(s)))
	}
	return b.String()
}

// query is a query string of names and values in turn; empty values are left out.
func query(pairs ...any) string {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if value := fmt.Sprint(pairs[i+1]); value != "" {
			values.Add(fmt.Sprint(pairs[i]), value)
		}
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

// num is a whole number with commas between thousands.
func num(n any) string {
	digits := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	if _, err := strconv.ParseUint(digits, 10, 64); err != nil {
		return sign + digits
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

func plural(n any, one, many string) string {
	if text := fmt.Sprint(n); text == "1" {
		return "1 " + one
	}
	return num(n) + " " + many
}

func byteSize(n any) string {
	size, err := strconv.ParseFloat(fmt.Sprint(n), 64)
	if err != nil {
		return ""
	}
	for _, unit := range []string{"bytes", "KiB", "MiB", "GiB", "TiB"} {
		if size < 1024 || unit == "TiB" {
			if unit == "bytes" {
				return plural(int64(size), "byte", "bytes")
			}
			return strconv.FormatFloat(size, 'f', 1, 64) + " " + unit
		}
		size /= 1024
	}
	return ""
}

// lasting is a duration for people.
func lasting(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 s"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h"
	}
	return num(int(d.Hours()/24)) + " days"
}

// cut is at most so many characters of a text, with an ellipsis where more was there.
func cut(most int, v any) string {
	text := strings.ToValidUTF8(fmt.Sprint(v), "\ufffd")
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	n := 0
	for i := range text {
		if n == most {
			return text[:i] + "…"
		}
		n++
	}
	return text
}

// tab is an entry of the menu.
type tab struct {
	Name, To string
	Here     bool
}

func newTab(area, own, name, path string) tab {
	to := root
	if path != "" {
		to = link(path)
	}
	return tab{Name: name, To: to, Here: area == own}
}

// anchored tells whether a view stands at i for the first time, so that it is what links lead to.
func anchored(views []sideView, i int) bool {
	return !slices.ContainsFunc(views[:i], func(v sideView) bool { return v.Name == views[i].Name })
}
