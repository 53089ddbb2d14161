package ui

import (
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/deed-es/deed/examples/shop/money"
)

// element is an id as part of the id of an element, which has no blanks.
func element(id string) string { return url.PathEscape(id) }

// when shows a time, or the text of one: to the minute, and all of it on hover.
func when(value any) template.HTML {
	var t time.Time
	switch v := value.(type) {
	case time.Time:
		t = v
	case string:
		t, _ = time.Parse(time.RFC3339Nano, v)
	}
	if t.IsZero() {
		return ""
	}
	t = t.UTC()
	return trusted(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`,
		t.Format(time.RFC3339), t.Format("2006-01-02 15:04:05 MST"), t.Format("2006-01-02 15:04")))
}

// thin is a narrow blank at which no line is broken.
const thin = "\u202f"

// euros shows an amount with two decimals and its currency.
func euros(a money.Amount) string { return amount(a.String()) + "\u00a0EUR" }

// dollars is euros for the other currency.
func dollars(a money.Amount) string { return amount(a.String()) + "\u00a0USD" }

func amount(text string) string {
	whole, cents, _ := strings.Cut(text, ".")
	return grouped(whole) + "." + (cents + "00")[:2]
}

// grouped sets blanks between the thousands.
func grouped(digits string) string {
	var groups []string
	for len(digits) > 3 {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, groups...), thin)
}

// count shows a number.
func count(n any) string {
	text := fmt.Sprint(n)
	if _, err := strconv.ParseUint(text, 10, 64); err != nil {
		return text
	}
	return grouped(text)
}

// isLong tells whether a text has more characters than are shown at first.
func isLong(most int, text string) bool { return utf8.RuneCountInString(text) > most }

// short is the beginning of a text.
func short(most int, text string) string {
	if !isLong(most, text) {
		return text
	}
	n := 0
	for i := range text {
		if n == most {
			return strings.TrimRight(text[:i], " \n\t") + "…"
		}
		n++
	}
	return text
}

// raw is an amount as machines read it.
func raw(a money.Amount) string { return a.String() }
