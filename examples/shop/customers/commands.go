package customers

import (
	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/money"
)

// Command is what a customer decides alone.
type Command interface {
	deed.Command
	customerCommand()
}

type (
	// Update changes what is given.
	Update struct {
		FirstName *string `json:"firstName,omitempty"`
		LastName  *string `json:"lastName,omitempty"`
		Location  *string `json:"location,omitempty"`
	}
	// PermitEmail says whether the customer wants mail. Nobody does before it was said.
	PermitEmail struct {
		Allowed bool `json:"allowed"`
	}
	// Classify says what the customer is worth; analysis sends it. BasedOn names what that was computed from.
	Classify struct {
		Classification Classification `json:"classification"`
		TotalValue     money.Amount   `json:"totalValue"`
		BasedOn        string         `json:"basedOn"`
	}
	// Forget ends the customer and releases the e-mail address.
	Forget struct{}
)

// CommandType is update.
func (Update) CommandType() string { return "update" }

// CommandType is permit-email.
func (PermitEmail) CommandType() string { return "permit-email" }

// CommandType is classify.
func (Classify) CommandType() string { return "classify" }

// CommandType is forget.
func (Forget) CommandType() string { return "forget" }

func (Update) customerCommand()      {}
func (PermitEmail) customerCommand() {}
func (Classify) customerCommand()    {}
func (Forget) customerCommand()      {}

// Commands is every member of Command.
var Commands = []Command{Update{}, PermitEmail{}, Classify{}, Forget{}}

// AddressCommand is what takes an e-mail address, and therefore depends on all customers.
type AddressCommand interface {
	deed.Command
	addressCommand()
}

type (
	// Register makes a customer. All but the location is required.
	Register struct {
		Email     string `json:"email"`
		FirstName string `json:"firstName"`
		LastName  string `json:"lastName"`
		Location  string `json:"location,omitempty"`
	}
	// ChangeEmail takes another address and releases the one before.
	ChangeEmail struct {
		Email string `json:"email"`
	}
)

// CommandType is register.
func (Register) CommandType() string { return "register" }

// CommandType is change-email.
func (ChangeEmail) CommandType() string { return "change-email" }

func (Register) addressCommand()    {}
func (ChangeEmail) addressCommand() {}

// AddressCommands is every member of AddressCommand.
var AddressCommands = []AddressCommand{Register{}, ChangeEmail{}}
