// Package money is the shop's decimal types: exact amounts of at most two decimals, and exact rates, never a float. The
// values can be compared with == and used as map keys.
package money

import "github.com/govalues/decimal"

// Amount is an exact amount of some currency with at most two decimals, not negative. The zero Amount is 0. Its JSON form
// is a string such as "12.5", as short as can be; a JSON number is read as well, digit by digit.
type Amount struct{ value decimal.Decimal } // without needless zeros, so that == is equality

const (
	amountDecimals = 2
	// amountDigits is how many digits an amount may have before the point. The limit keeps sums and conversions exact; what
	// a field allows is for its context to say.
	amountDigits = 15
)

// Cents returns the amount of so many cents. It panics if cents is negative, which is a programmer's mistake.
func Cents(cents int64) Amount {
	if cents < 0 {
		panic("money: a negative amount")
	}
	return Amount{decimal.MustNew(cents, amountDecimals).Trim(0)}
}

// Parse reads an amount in plain decimal notation: digits, and at most two more behind a point. It returns a
// *deed.InvalidError about the field value for anything else.
func Parse(text string) (Amount, error) {
	value, err := parse("value", text, amountDigits, amountDecimals)
	return Amount{value}, err
}

// greatest is the greatest Amount there is.
var greatest = Amount{decimal.MustParse("999999999999999.99")}

// Add returns a and b together, and the greatest amount there is where that would be more.
func (a Amount) Add(b Amount) Amount {
	sum, err := a.value.Add(b.value)
	if err != nil || sum.Cmp(greatest.value) > 0 {
		return greatest
	}
	return Amount{sum.Trim(0)}
}

// Sub returns a without b, and 0 where b is more.
func (a Amount) Sub(b Amount) Amount {
	rest, err := a.value.Sub(b.value)
	if err != nil || rest.IsNeg() {
		return Amount{}
	}
	return Amount{rest.Trim(0)}
}

// Compare returns -1, 0 or 1, as a is less than, equal to or greater than b.
func (a Amount) Compare(b Amount) int { return a.value.Cmp(b.value) }

// IsZero tells whether a is 0.
func (a Amount) IsZero() bool { return a.value.IsZero() }

// String returns a in plain decimal notation without needless zeros: "1000", "12.5", "0.01".
func (a Amount) String() string { return a.value.String() }

// MarshalJSON returns String as a JSON string.
func (a Amount) MarshalJSON() ([]byte, error) { return []byte(`"` + a.String() + `"`), nil }

// JSONSchema is for a service's documentation.
func (Amount) JSONSchema() map[string]any {
	return schema("an exact amount with at most two decimals; a number is read as well", amountDigits, amountDecimals)
}

// UnmarshalJSON reads a JSON string or number; see Parse.
func (a *Amount) UnmarshalJSON(data []byte) error {
	text, ok, err := numberText("value", data)
	if err != nil || !ok {
		return err
	}
	*a, err = Parse(text)
	return err
}
