package deed_test

import (
	"errors"
	"strconv"

	"github.com/deed-es/deed"
)

// The domain of these tests: accounts that are opened, paid into, paid out of, renamed and closed.

type (
	opened struct {
		Owner string `json:"owner"`
	}
	paid struct {
		Amount int `json:"amount"`
	}
	renamed struct {
		Owner string `json:"owner"`
	}
	closed struct{}
)

func (opened) EventType() string  { return "account-opened" }
func (paid) EventType() string    { return "account-paid" }
func (renamed) EventType() string { return "account-renamed" }
func (closed) EventType() string  { return "account-closed" }

type (
	open struct {
		Owner string `json:"owner"`
	}
	pay struct {
		Amount int `json:"amount"`
	}
	rename struct {
		Owner string `json:"owner"`
	}
	shut struct{}
)

func (open) CommandType() string   { return "open" }
func (pay) CommandType() string    { return "pay" }
func (rename) CommandType() string { return "rename" }
func (shut) CommandType() string   { return "shut" }

// account is the state of an account; the zero account is none.
type account struct {
	Owner    string
	Open     bool
	Shut     bool
	Balance  int
	Payments []int
}

var (
	errOverdrawn = deed.Reject("overdrawn", "there is not enough on the account")
	errNotOpen   = errors.New("the account is not open")
)

func (a account) decide(cmd deed.Command) ([]deed.Event, error) {
	switch cmd := cmd.(type) {
	case open:
		switch {
		case cmd.Owner == "":
			return nil, &deed.InvalidError{Field: "owner", Reason: "is required"}
		case a.Open && a.Owner == cmd.Owner:
			return nil, nil
		case a.Open:
			return nil, errors.New("the account is somebody else's")
		}
		return []deed.Event{opened(cmd)}, nil
	case pay:
		switch {
		case !a.Open || a.Shut:
			return nil, errNotOpen
		case a.Balance+cmd.Amount < 0:
			return nil, errOverdrawn
		case cmd.Amount == 0:
			return nil, nil
		}
		return []deed.Event{paid(cmd)}, nil
	case rename:
		if !a.Open {
			return nil, errNotOpen
		}
		return []deed.Event{renamed(cmd)}, nil
	case shut:
		switch {
		case !a.Open:
			return nil, errNotOpen
		case a.Shut:
			return nil, nil
		case a.Balance > 0: // two events of one command
			return []deed.Event{paid{-a.Balance}, closed{}}, nil
		}
		return []deed.Event{closed{}}, nil
	}
	return nil, errors.New("unknown command")
}

func (a account) evolve(e deed.Event) account {
	switch e := e.(type) {
	case opened:
		a.Owner, a.Open = e.Owner, true
	case paid:
		a.Balance += e.Amount
		a.Payments = append(a.Payments, e.Amount) // may write behind what another state sees, which is as pure as Go's append
	case renamed:
		a.Owner = e.Owner
	case closed:
		a.Shut = true
	}
	return a
}

var (
	accountEvents   = []deed.Event{opened{}, paid{}, renamed{}, closed{}}
	accountCommands = []deed.Command{open{}, pay{}, rename{}, shut{}}
)

type (
	accountDecider = deed.Decider[account, deed.Command, deed.Event]
	accountHandler = deed.Handler[account, deed.Command, deed.Event]
)

var accounts = accountDecider{
	Category: "account",
	Commands: accountCommands,
	Events:   accountEvents,
	Decide:   account.decide,
	Evolve:   account.evolve,
}

// line is a row of the view of accounts.
type line struct {
	Owner    string `json:"owner"`
	Balance  int    `json:"balance"`
	Payments int    `json:"payments"`
}

func (l line) evolve(r deed.Recorded[deed.Event]) line {
	switch e := r.Event.(type) {
	case opened:
		l.Owner = e.Owner
	case paid:
		l.Balance += e.Amount
		l.Payments++
	case renamed:
		l.Owner = e.Owner
	case closed:
		return line{}
	}
	return l
}

var lines = deed.Projection[line, deed.Event]{
	Name:   "lines",
	Events: accountEvents,
	Key:    ownID[deed.Event],
	Index:  []string{"owner", "balance"},
	Evolve: line.evolve,
}

func ownID[E deed.Event](r deed.Recorded[E]) string { return r.Stream.ID() }

func id(i int) string { return strconv.Itoa(i) }
