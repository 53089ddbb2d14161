package rates

import (
	"encoding/xml"
	"fmt"
	"time"

	"github.com/deed-es/deed/examples/shop/money"
)

// envelope is the ECB's file of daily reference rates. The outer Cube holds one Cube for each day, with one for each
// currency in it.
type envelope struct {
	Days []struct {
		Date  string `xml:"time,attr"`
		Rates []struct {
			Currency string `xml:"currency,attr"`
			Rate     string `xml:"rate,attr"`
		} `xml:"Cube"`
	} `xml:"Cube>Cube"`
}

// parse reads the rate of the US dollar out of a file in the ECB's format.
func parse(data []byte) (Rate, error) {
	var e envelope
	if err := xml.Unmarshal(data, &e); err != nil {
		return Rate{}, fmt.Errorf("parse the reference rates: %w", err)
	}
	for _, day := range e.Days {
		for _, r := range day.Rates {
			if r.Currency == "USD" {
				return newRate(r.Rate, day.Date)
			}
		}
	}
	return Rate{}, fmt.Errorf("parse the reference rates: no rate of the US dollar in %d days", len(e.Days))
}

func newRate(text, date string) (Rate, error) {
	rate, err := money.ParseRate(text)
	if err != nil {
		return Rate{}, fmt.Errorf("parse the reference rates: %q: %w", text, err)
	}
	if rate.IsZero() {
		return Rate{}, fmt.Errorf("parse the reference rates: the rate of %s is 0", date)
	}
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return Rate{}, fmt.Errorf("parse the reference rates: %w", err)
	}
	return Rate{Rate: rate, Date: date}, nil
}
