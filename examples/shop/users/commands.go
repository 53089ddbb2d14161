package users

import "github.com/deed-es/deed"

// Command is what can be asked of a user.
type Command interface {
	deed.Command
	userCommand()
}

type (
	// Create makes a user. Both names are required.
	Create struct {
		FirstName string `json:"firstName"`
		LastName  string `json:"lastName"`
	}
	// Update changes the names that are given.
	Update struct {
		FirstName *string `json:"firstName,omitempty"`
		LastName  *string `json:"lastName,omitempty"`
	}
	// Welcome greets the user, once.
	Welcome struct{}
	// Delete ends the user.
	Delete struct{}
)

// CommandType is create.
func (Create) CommandType() string { return "create" }

// CommandType is update.
func (Update) CommandType() string { return "update" }

// CommandType is welcome.
func (Welcome) CommandType() string { return "welcome" }

// CommandType is delete.
func (Delete) CommandType() string { return "delete" }

func (Create) userCommand()  {}
func (Update) userCommand()  {}
func (Welcome) userCommand() {}
func (Delete) userCommand()  {}

// Commands is every member of Command.
var Commands = []Command{Create{}, Update{}, Welcome{}, Delete{}}
