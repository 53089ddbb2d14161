package money_test

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/deed-es/deed/examples/shop/money"
)

// most is the greatest amount there is, in cents.
var most = big.NewInt(99_999_999_999_999_999)

// cents is what an amount is in cents, by its text.
func cents(t *testing.T, a money.Amount) *big.Int {
	t.Helper()
	value, ok := new(big.Rat).SetString(a.String())
	if !ok {
		t.Fatalf("%q is no number", a)
	}
	value.Mul(value, big.NewRat(100, 1))
	if !value.IsInt() || value.Sign() < 0 || value.Num().Cmp(most) > 0 {
		t.Fatalf("%s is no amount", a)
	}
	return value.Num()
}

// Amounts are added, subtracted and compared as whole numbers of cents are, between 0 and the greatest amount, and what
// comes out is an amount like any other: as it was read, as it is written, and by ==.
func FuzzSums(f *testing.F) {
	for _, pair := range [][2]uint64{{0, 0}, {1, 2}, {1250, 50}, {100_000, 100_001}, {99_999_999_999_999_999, 1}, {99_999_999_999_999_999, 99_999_999_999_999_999}} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, x, y uint64) {
		greatest := most.Uint64() + 1
		a, b := money.Cents(int64(x%greatest)), money.Cents(int64(y%greatest))
		m, n := cents(t, a), cents(t, b)
		sum, rest := new(big.Int).Add(m, n), new(big.Int).Sub(m, n)
		if sum.Cmp(most) > 0 {
			sum = most
		}
		if rest.Sign() < 0 {
			rest.SetInt64(0)
		}
		if got := a.Add(b); cents(t, got).Cmp(sum) != 0 || got != b.Add(a) || got != money.Cents(sum.Int64()) {
			t.Errorf("%s + %s is %s", a, b, got)
		}
		if got := a.Sub(b); cents(t, got).Cmp(rest) != 0 || got != money.Cents(rest.Int64()) {
			t.Errorf("%s - %s is %s", a, b, got)
		}
		if a.Compare(b) != m.Cmp(n) || (a == b) != (m.Cmp(n) == 0) || a.IsZero() != (m.Sign() == 0) {
			t.Errorf("%s beside %s: %d", a, b, a.Compare(b))
		}
		for _, v := range []money.Amount{a, b, a.Add(b), a.Sub(b)} {
			var back money.Amount
			if data, err := json.Marshal(v); err != nil || json.Unmarshal(data, &back) != nil || back != v {
				t.Errorf("%s is read back as %s, %v", v, back, err)
			}
		}
	})
}

// A conversion is exact but for the last step, which rounds to the nearest cent, half a cent to the even one.
func FuzzConvert(f *testing.F) {
	for _, pair := range [][2]string{
		{"1.1587", "1000.01"},
		{"0", "1"},
		{"1.5", "0.01"},
		{"2.5", "0.01"},
		{"0.000001", "999999999999.99"},
		{"9999.999999", "999999999999999.99"},
		{"1000.000001", "999999999000"},
		{"1.158701", "999999999686.99"},
		{"1.158701", "999999999999999.99"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, rateText, amountText string) {
		rate, err := money.ParseRate(rateText)
		if err != nil {
			return
		}
		amount, err := money.Parse(amountText)
		if err != nil {
			return
		}
		if again, err := money.ParseRate(rate.String()); err != nil || again != rate {
			t.Errorf("%q became %s, and that %s, %v", rateText, rate, again, err)
		}
		exact, ok := new(big.Rat).SetString(rate.String())
		if !ok {
			t.Fatalf("%q is no number", rate)
		}
		want := nearest(exact.Mul(exact, new(big.Rat).SetInt(cents(t, amount))))
		got, err := rate.Convert(amount)
		switch {
		case want.Cmp(most) > 0:
			if err == nil {
				t.Errorf("%s at %s is %s, which is more than there is", amount, rate, got)
			}
		case err != nil || got != money.Cents(want.Int64()):
			t.Errorf("%s at %s is %s, %v; want %s cents", amount, rate, got, err, want)
		}
	})
}

// nearest is the whole number next to a positive one, and the even of two.
func nearest(r *big.Rat) *big.Int {
	double := new(big.Int).Lsh(r.Num(), 1)
	whole, over := new(big.Int).DivMod(double.Add(double, r.Denom()), new(big.Int).Lsh(r.Denom(), 1), new(big.Int))
	if over.Sign() == 0 && whole.Bit(0) == 1 {
		whole.Sub(whole, big.NewInt(1))
	}
	return whole
}
