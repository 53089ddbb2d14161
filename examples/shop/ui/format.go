package ui

import (
	"fmt"
	"html/template"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/deed-es/deed/examples/shop/campaigns"
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

// unknown stands for what is not known yet.
const unknown = "–"

// euros shows an amount with two decimals and its currency.
func euros(a money.Amount) string { return amount(a.String()) + "\u00a0EUR" }

// dollars is euros for the other currency.
func dollars(a money.Amount) string { return amount(a.String()) + "\u00a0USD" }

func amount(text string) string {
	whole, cents, _ := strings.Cut(text, ".")
	return grouped(whole) + "." + (cents + "00")[:2]
}

// grouped sets commas between the thousands.
func grouped(digits string) string {
	var groups []string
	for len(digits) > 3 {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, groups...), ",")
}

var (
	inGroups = regexp.MustCompile(`^[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?$`)
	inARow   = regexp.MustCompile(`(^|[ (])([0-9]{5,15})([ .,;:)]|$)`)
)

// ungrouped is a number that somebody has typed as it is shown here, without what sets its thousands apart.
func ungrouped(typed string) string {
	typed = strings.TrimSpace(typed)
	if inGroups.MatchString(typed) {
		return strings.ReplaceAll(typed, ",", "")
	}
	return typed
}

// legible sets apart the thousands of the numbers in a text.
func legible(text string) string {
	return inARow.ReplaceAllStringFunc(text, func(number string) string {
		parts := inARow.FindStringSubmatch(number)
		return parts[1] + grouped(parts[2]) + parts[3]
	})
}

// count shows a number.
func count(n any) string {
	text := fmt.Sprint(n)
	if _, err := strconv.ParseUint(text, 10, 64); err != nil {
		return text
	}
	return grouped(text)
}

// many shows how many of a campaign's mails there are of a kind; nothing before it is started.
func many(s campaigns.Status, n int) string {
	if s == campaigns.StatusCreated {
		return ""
	}
	return count(n)
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

// address shows an e-mail address that is broken, if it has to be, where its parts begin.
func address(email string) template.HTML {
	escaped := template.HTMLEscapeString(email)
	return trusted(strings.NewReplacer("@", "<wbr>@", ".", "<wbr>.").Replace(escaped))
}

// raw is an amount as machines read it.
func raw(a money.Amount) string { return a.String() }
