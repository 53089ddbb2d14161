package campaigns

import (
	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/customers"
)

// Command is what can be asked of a campaign as a whole.
type Command interface {
	deed.Command
	campaignCommand()
}

type (
	// Create makes a campaign for the customers of a class who permit mail.
	Create struct {
		Name           string                   `json:"name"`
		Classification customers.Classification `json:"classification"`
		Subject        string                   `json:"subject"`
		Body           string                   `json:"body"`
	}
	// Start sets the campaign going, once.
	Start struct{}
)

// CommandType is create.
func (Create) CommandType() string { return "create" }

// CommandType is start.
func (Start) CommandType() string { return "start" }

func (Create) campaignCommand() {}
func (Start) campaignCommand()  {}

// Commands is every member of Command.
var Commands = []Command{Create{}, Start{}}

// MailCommand is what can be asked of a campaign about one customer's mail.
type MailCommand interface {
	deed.Command
	// Recipient is the id of the customer.
	Recipient() string
}

type (
	// RequestMail asks for a mail to a customer, once.
	RequestMail struct {
		CustomerID string `json:"customerId"`
	}
	// RecordSent says that the mail was handed over under a Message-ID.
	RecordSent struct {
		CustomerID string `json:"customerId"`
		MessageID  string `json:"messageId"`
	}
	// RecordFailed says that nobody takes the mail.
	RecordFailed struct {
		CustomerID string `json:"customerId"`
		Reason     string `json:"reason"`
	}
	// RecordSkipped says that the mail was not to be sent.
	RecordSkipped struct {
		CustomerID string `json:"customerId"`
		Reason     string `json:"reason"`
	}
	// RecordReaction says what the customer did with the mail, such as opened or clicked.
	RecordReaction struct {
		CustomerID string `json:"customerId"`
		Kind       string `json:"kind"`
	}
)

// CommandType is request-mail.
func (RequestMail) CommandType() string { return "request-mail" }

// CommandType is record-sent.
func (RecordSent) CommandType() string { return "record-sent" }

// CommandType is record-failed.
func (RecordFailed) CommandType() string { return "record-failed" }

// CommandType is record-skipped.
func (RecordSkipped) CommandType() string { return "record-skipped" }

// CommandType is record-reaction.
func (RecordReaction) CommandType() string { return "record-reaction" }

// Recipient is the id of the customer.
func (c RequestMail) Recipient() string { return c.CustomerID }

// Recipient is the id of the customer.
func (c RecordSent) Recipient() string { return c.CustomerID }

// Recipient is the id of the customer.
func (c RecordFailed) Recipient() string { return c.CustomerID }

// Recipient is the id of the customer.
func (c RecordSkipped) Recipient() string { return c.CustomerID }

// Recipient is the id of the customer.
func (c RecordReaction) Recipient() string { return c.CustomerID }

// MailCommands is every member of MailCommand.
var MailCommands = []MailCommand{RequestMail{}, RecordSent{}, RecordFailed{}, RecordSkipped{}, RecordReaction{}}
