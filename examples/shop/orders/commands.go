package orders

import (
	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/money"
)

// Command is what can be asked of an order that is placed; see Place for the one before.
type Command interface {
	deed.Command
	orderCommand()
}

type (
	// Price gives an order that waits for confirmation a value above 0.
	Price struct {
		Value money.Amount `json:"value"`
	}
	// RequireConfirmation lets a new order wait until somebody confirms it.
	RequireConfirmation struct{}
	// Confirm makes an order binding.
	Confirm struct{}
	// Cancel ends an order that is not confirmed.
	Cancel struct {
		Reason string `json:"reason"`
	}
	// AddUSDRate says what the order is worth in US dollars, at the rate of a day (2006-01-02).
	AddUSDRate struct {
		Rate     money.Rate   `json:"rate"`
		RateDate string       `json:"rateDate"`
		USDValue money.Amount `json:"usdValue"`
	}
)

// CommandType is price.
func (Price) CommandType() string { return "price" }

// CommandType is require-confirmation.
func (RequireConfirmation) CommandType() string { return "require-confirmation" }

// CommandType is confirm.
func (Confirm) CommandType() string { return "confirm" }

// CommandType is cancel.
func (Cancel) CommandType() string { return "cancel" }

// CommandType is add-usd-rate.
func (AddUSDRate) CommandType() string { return "add-usd-rate" }

func (Price) orderCommand()               {}
func (RequireConfirmation) orderCommand() {}
func (Confirm) orderCommand()             {}
func (Cancel) orderCommand()              {}
func (AddUSDRate) orderCommand()          {}

// Commands is every member of Command.
var Commands = []Command{Price{}, RequireConfirmation{}, Confirm{}, Cancel{}, AddUSDRate{}}
