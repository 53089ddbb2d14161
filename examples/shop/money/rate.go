package money

import (
	"fmt"
	"math/big"
)

// Rate is how much of one currency another is worth: exact, with up to six decimals, at least 0 and below 10,000. Its JSON
// form is a string; a JSON number is read as well. The zero Rate is no rate.
type Rate struct{ millionths int64 }

const (
	rateDigits   = 4
	rateDecimals = 6
	millionths   = 1_000_000
)

// ParseRate reads a rate in plain decimal notation. It returns a *deed.InvalidError about the field rate for anything else.
func ParseRate(text string) (Rate, error) {
	n, err := parse("rate", text, rateDigits, rateDecimals)
	return Rate{n}, err
}

// Convert returns what a is worth at r, rounded to the nearest cent, half a cent up. It returns an error if the result is
// too large for an Amount.
func (r Rate) Convert(a Amount) (Amount, error) {
	product := new(big.Int).Mul(big.NewInt(a.cents), big.NewInt(r.millionths))
	product.Add(product, big.NewInt(millionths/2))
	product.Quo(product, big.NewInt(millionths))
	if !product.IsInt64() {
		return Amount{}, fmt.Errorf("convert %s at %s: the result is too large", a, r)
	}
	return Amount{product.Int64()}, nil
}

// IsZero tells whether r is no rate.
func (r Rate) IsZero() bool { return r.millionths == 0 }

// String returns r in plain decimal notation without needless zeros.
func (r Rate) String() string { return format(r.millionths, rateDecimals) }

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
