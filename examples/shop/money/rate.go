package money

import (
	"fmt"

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
// the result is too large to be exact.
func (r Rate) Convert(a Amount) (Amount, error) {
	product, err := a.value.MulExact(r.value, amountDecimals)
	if err != nil {
		return Amount{}, fmt.Errorf("convert %s at %s: %w", a, r, err)
	}
	return Amount{product.Round(amountDecimals).Trim(0)}, nil
}

// IsZero tells whether r is no rate.
func (r Rate) IsZero() bool { return r.value.IsZero() }

// String returns r in plain decimal notation without needless zeros.
func (r Rate) String() string { return r.value.String() }

// MarshalJSON returns String as a JSON string.
func (r Rate) MarshalJSON() ([]byte, error) { return []byte(`"` + r.String() + `"`), nil }

// UnmarshalJSON reads a JSON string or number; see ParseRate.
func (r *Rate) UnmarshalJSON(data []byte) error {
	text, ok, err := numberText("rate", data)
	if err != nil || !ok {
		return err
	}
	*r, err = ParseRate(text)
	return err
}
