// Package money is the shop's decimal type: exact amounts in whole cents, exact rates in millionths, never a float. Its
// values can be compared with == and used as map keys.
package money

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/deed-es/deed"
)

// Amount is an exact amount of some currency, in whole cents and not negative. The zero Amount is 0. Its JSON form is a
// string such as "12.5", as short as can be; a JSON number is read as well, digit by digit.
type Amount struct{ cents int64 }

const (
	// amountDigits is how many digits an amount may have before the point. The limit keeps sums and conversions far from
	// the end of int64; what a field allows is for its context to say.
	amountDigits = 15
	// maxText is how long the text of a number may be, looked at before anything is parsed.
	maxText = 64
)

// Cents returns the amount of so many cents. It panics if cents is negative, which is a programmer's mistake.
func Cents(cents int64) Amount {
	if cents < 0 {
		panic("money: a negative amount")
	}
	return Amount{cents}
}

// Parse reads an amount in plain decimal notation: digits, and at most two more behind a point. It returns a
// *deed.InvalidError about the field value for anything else.
func Parse(text string) (Amount, error) {
	cents, err := parse("value", text, amountDigits, 2)
	return Amount{cents}, err
}

// Add returns a + b.
func (a Amount) Add(b Amount) Amount { return Amount{a.cents + b.cents} }

// Compare returns -1, 0 or 1, as a is less than, equal to or greater than b.
func (a Amount) Compare(b Amount) int { return cmp.Compare(a.cents, b.cents) }

// IsZero tells whether a is 0.
func (a Amount) IsZero() bool { return a.cents == 0 }

// String returns a in plain decimal notation without needless zeros: "1000", "12.5", "0.01".
func (a Amount) String() string { return format(a.cents, 2) }

// MarshalJSON returns String as a JSON string.
func (a Amount) MarshalJSON() ([]byte, error) { return []byte(`"` + a.String() + `"`), nil }

// UnmarshalJSON reads a JSON string or number; see Parse.
func (a *Amount) UnmarshalJSON(data []byte) error {
	text, ok, err := numberText("value", data)
	if err != nil || !ok {
		return err
	}
	*a, err = Parse(text)
	return err
}

// numberText returns the text of a JSON string or number. It is not ok for null, which leaves a value as it is.
func numberText(field string, data []byte) (text string, ok bool, err error) {
	if string(data) == "null" {
		return "", false, nil
	}
	if len(data) > maxText {
		return "", false, &deed.InvalidError{Field: field, Reason: "has too many digits"}
	}
	if data[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			return "", false, err
		}
		return text, true, nil
	}
	if c := data[0]; c != '-' && (c < '0' || c > '9') {
		return "", false, &deed.InvalidError{Field: field, Reason: "must be a decimal number, as a string or a number"}
	}
	return string(data), true, nil
}

// parse reads plain decimal notation with at most so many digits before and behind the point, and returns the number
// times ten to the power of decimals.
func parse(field, text string, digits, decimals int) (int64, error) {
	whole, fraction, point := strings.Cut(text, ".")
	switch {
	case strings.HasPrefix(text, "-") && allDigits(whole[1:]) && (!point || allDigits(fraction)):
		return 0, &deed.InvalidError{Field: field, Reason: "must not be negative"}
	case !allDigits(whole) || point && !allDigits(fraction), len(whole) > 1 && whole[0] == '0':
		return 0, &deed.InvalidError{Field: field, Reason: "must be a decimal number such as 12.50, without an exponent"}
	case len(whole) > digits:
		return 0, &deed.InvalidError{Field: field, Reason: fmt.Sprintf("has more than %d digits before the point", digits)}
	case len(fraction) > decimals:
		return 0, &deed.InvalidError{Field: field, Reason: fmt.Sprintf("has more than %d decimals", decimals)}
	}
	return strconv.ParseInt(whole+fraction+strings.Repeat("0", decimals-len(fraction)), 10, 64)
}

func allDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// format is the inverse of parse.
func format(scaled int64, decimals int) string {
	text := fmt.Sprintf("%0*d", decimals+1, scaled)
	point := len(text) - decimals
	return strings.TrimSuffix(strings.TrimRight(text[:point]+"."+text[point:], "0"), ".")
}
