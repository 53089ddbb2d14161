package money_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/money"
)

func TestAmountsAreReadExactly(t *testing.T) {
	for text, want := range map[string]string{
		`0`: "0", `"0"`: "0", `"0.00"`: "0", `1000`: "1000", `1000.01`: "1000.01", `"12.50"`: "12.5", `0.1`: "0.1", `"0.01"`: "0.01",
		`999999999999.99`: "999999999999.99", `"999999999999999.99"`: "999999999999999.99", `0.30`: "0.3", `"\u0031"`: "1",
	} {
		var a money.Amount
		if err := json.Unmarshal([]byte(text), &a); err != nil || a.String() != want {
			t.Errorf("%s became %s, %v; want %s", text, a, err, want)
		}
		out, err := json.Marshal(a)
		if err != nil || string(out) != `"`+want+`"` {
			t.Errorf("%s is written as %s, %v", text, out, err)
		}
	}
}

func TestAmountsThatAreNone(t *testing.T) {
	for _, text := range []string{
		`-1`, `-0`, `"-0.01"`, `1.001`, `"1.000"`, `1234567890123456`, `"1234567890123456"`, `1e3`, `1E3`, `"1e1000000000"`, `1e-2`,
		`"NaN"`, `"Infinity"`, `""`, `" 1"`, `"1 "`, `"+1"`, `"1."`, `".5"`, `"01"`, `"1,5"`, `"0x1"`, `"1_000"`, `"١"`, `"--1"`, `true`, `{}`, `[]`,
		`"` + strings.Repeat("1", 100_000) + `"`, strings.Repeat("9", 100_000), `0.` + strings.Repeat("0", 100_000),
	} {
		var a money.Amount
		err := json.Unmarshal([]byte(text), &a)
		var invalid *deed.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != "value" {
			t.Errorf("%.40s became %s, %v; want an *InvalidError about value", text, a, err)
		}
	}
}

func TestNullLeavesAnAmountAsItIs(t *testing.T) {
	a := money.Cents(5)
	if err := json.Unmarshal([]byte(`null`), &a); err != nil || a != money.Cents(5) {
		t.Error(a, err)
	}
}

func TestEqualAmountsAreEqual(t *testing.T) {
	a, _ := money.Parse("12.5")
	b, _ := money.Parse("12.50")
	if a != b || a != money.Cents(1250) || a.Compare(b) != 0 {
		t.Error(a, b)
	}
}

func TestRates(t *testing.T) {
	for _, c := range []struct{ rate, amount, want string }{
		{"1.1587", "1000.01", "1158.71"},
		{"1.1587", "0", "0"},
		{"0.000001", "999999999999.99", "1000000"},
		{"1.5", "0.01", "0.02"},
		{"1.4", "0.01", "0.01"},
		{"1.160000", "999999999999.99", "1159999999999.99"},
	} {
		var rate money.Rate
		if err := json.Unmarshal([]byte(`"`+c.rate+`"`), &rate); err != nil {
			t.Fatal(err)
		}
		amount, err := money.Parse(c.amount)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := rate.Convert(amount); err != nil || got.String() != c.want {
			t.Errorf("%s at %s is %s, %v; want %s", c.amount, c.rate, got, err, c.want)
		}
	}
}

func TestRatesThatAreNone(t *testing.T) {
	for _, text := range []string{`-1`, `1.0000001`, `10000`, `"x"`, `1e2`} {
		var rate money.Rate
		err := json.Unmarshal([]byte(text), &rate)
		var invalid *deed.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != "rate" {
			t.Errorf("%s became %s, %v", text, rate, err)
		}
	}
}

func TestAConversionThatIsTooLargeIsAnError(t *testing.T) {
	rate, err := money.ParseRate("9999")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := rate.Convert(money.Cents(1 << 62)); err == nil {
		t.Error(got)
	}
}

func FuzzAmount(f *testing.F) {
	for _, text := range []string{"0", "12.50", "-1", "1e9", "999999999999999.99", "0.001"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := money.Parse(text)
		if err != nil {
			return
		}
		again, err := money.Parse(a.String())
		if err != nil || again != a {
			t.Errorf("%q became %s, and that %s, %v", text, a, again, err)
		}
	})
}

func TestSumsAndDifferences(t *testing.T) {
	amount := func(text string) money.Amount {
		t.Helper()
		a, err := money.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	const greatest = "999999999999999.99"
	for _, c := range [][4]string{
		{"0", "0", "0", "0"},
		{"0.1", "0.2", "0.3", "0"},
		{"12.5", "0.5", "13", "12"},
		{"1000", "0.01", "1000.01", "999.99"},
		{greatest, "0.01", greatest, "999999999999999.98"},
		{greatest, greatest, greatest, "0"},
	} {
		a, b := amount(c[0]), amount(c[1])
		if sum := a.Add(b); sum != amount(c[2]) {
			t.Errorf("%s + %s is %s", a, b, sum)
		}
		if rest := a.Sub(b); rest != amount(c[3]) {
			t.Errorf("%s - %s is %s", a, b, rest)
		}
	}
}
