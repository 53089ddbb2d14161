package money_test

import (
	"regexp"
	"testing"

	"github.com/deed-es/deed/examples/shop/money"
)

// What the schemas let pass is what is read, and what is written passes.
func TestTheSchemasSayWhatIsRead(t *testing.T) {
	amount, rate := pattern(t, money.Amount{}), pattern(t, money.Rate{})
	for _, text := range []string{
		"0", "0.0", "12", "12.5", "12.50", "12.500", "999999999999999.99", "1234567890123456", "1.1587", "0.000001", "0.0000001", "9999", "10000",
		"", "-1", "01", "00", "1.", ".5", "1e3", "+1", " 1", "1 ", "1,5", "1\n", "x",
	} {
		a, err := money.Parse(text)
		if amount.MatchString(text) != (err == nil) || err == nil && !amount.MatchString(a.String()) {
			t.Errorf("the amount %q: %v, and the schema says %v", text, err, amount.MatchString(text))
		}
		r, err := money.ParseRate(text)
		if rate.MatchString(text) != (err == nil) || err == nil && !rate.MatchString(r.String()) {
			t.Errorf("the rate %q: %v, and the schema says %v", text, err, rate.MatchString(text))
		}
	}
}

func pattern(t *testing.T, of interface{ JSONSchema() map[string]any }) *regexp.Regexp {
	t.Helper()
	schema := of.JSONSchema()
	text, ok := schema["pattern"].(string)
	if !ok || schema["type"] != "string" {
		t.Fatalf("%T says %v", of, schema)
	}
	return regexp.MustCompile(text)
}
