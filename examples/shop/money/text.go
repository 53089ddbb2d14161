package money

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/govalues/decimal"

	"github.com/deed-es/deed"
)

// maxText is how long the text of a number may be, looked at before anything is parsed.
const maxText = 64

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

// parse reads plain decimal notation with at most so many digits before and behind the point, without needless zeros.
func parse(field, text string, digits, decimals int) (decimal.Decimal, error) {
	whole, fraction, point := strings.Cut(text, ".")
	reason := ""
	switch {
	case strings.HasPrefix(text, "-") && allDigits(whole[1:]) && (!point || allDigits(fraction)):
		reason = "must not be negative"
	case !allDigits(whole) || point && !allDigits(fraction), len(whole) > 1 && whole[0] == '0':
		reason = "must be a decimal number such as 12.50, without an exponent"
	case len(whole) > digits:
		reason = fmt.Sprintf("has more than %d digits before the point", digits)
	case len(fraction) > decimals:
		reason = fmt.Sprintf("has more than %d decimals", decimals)
	}
	if reason != "" {
		return decimal.Decimal{}, &deed.InvalidError{Field: field, Reason: reason}
	}
	value, err := decimal.Parse(text)
	return value.Trim(0), err
}

// schema is the JSON Schema of what parse reads.
func schema(description string, digits, decimals int) map[string]any {
	return map[string]any{
		"type": "string", "description": description,
		"pattern": fmt.Sprintf(`^(0|[1-9][0-9]{0,%d})(\.[0-9]{1,%d})?$`, digits-1, decimals),
	}
}

func allDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
