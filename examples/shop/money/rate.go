package money

import (
	"fmt"
	"math/bits"

	"github.com/govalues/decimal"
)

// Rate is how much of one currency another is worth: exact, with up to six decimals, at least 0 and below 10,000. Its JSON
// form is a string; a JSON number is read as well. The zero Rate is no rate.
type Rate struct{ value decimal.Decimal }

const (
	rateDigits   = 4
	rateDecimals = 6
)

// ParseRate reads a rate in plain decimal notation. It returns a *deed.InvalidError about the field rate for anything else.
func ParseRate(text string) (Rate, error) {
	value, err := parse("rate", text, rateDigits, rateDecimals)
	return Rate{value}, err
}

// Convert returns what a is worth at r, rounded to the nearest cent, half a cent to the even one. It returns an error if
// that is more than an Amount can be.
func (r Rate) Convert(a Amount) (Amount, error) {
	const whole = 1_000_000 // a rate of 1, in units of its last decimal
	// The product has up to 27 digits, more than a Decimal: rounded there first, half a cent could be made that is none.
	high, low := bits.Mul64(a.value.Rescale(amountDecimals).Coef(), r.value.Rescale(rateDecimals).Coef())
	if high < whole {
		cents, rest := bits.Div64(high, low, whole)
		if rest > whole/2 || rest == whole/2 && cents%2 == 1 {
			cents++
		}
		if cents <= greatest.value.Coef() {
			return Cents(int64(cents)), nil
		}
	}
	return Amount{}, fmt.Errorf("convert %s at %s: the result is more than %s", a, r, greatest)
}

// IsZero tells whether r is no rate.
func (r Rate) IsZero() bool { return r.value.IsZero() }

// String returns r in plain decimal notation without needless zeros.
func (r Rate) String() string { return r.value.String() }

// MarshalJSON returns String as a JSON string.
func (r Rate) MarshalJSON() ([]byte, error) { return []byte(`"` + r.String() + `"`), nil }

// JSONSchema is for a service's documentation.
func (Rate) JSONSchema() map[string]any {
	return schema("an exact rate with at most six decimals; a number is read as well", rateDigits, rateDecimals)
}

// UnmarshalJSON reads a JSON string or number; see ParseRate.
func (r *Rate) UnmarshalJSON(data []byte) error {
	text, ok, err := numberText("rate", data)
	if err != nil || !ok {
		return err
	}
	*r, err = ParseRate(text)
	return err
}
