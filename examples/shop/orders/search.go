package orders

import (
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/customers"
)

// Text is the full-text index of orders: what was ordered, and by whom. A customer renamed is renamed in it.
var Text = deed.Tables[deed.Event]{
	Name:   "order-text",
	Events: append([]deed.Event{Placed{}}, renamings...),
	Create: []string{
		`CREATE VIRTUAL TABLE {text} USING fts5(id UNINDEXED, customer_id UNINDEXED, customer, description, tokenize = 'unicode61 remove_diacritics 2')`,
		`CREATE TABLE {customers} (customer_id TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (customer_id, place)) WITHOUT ROWID`,
	},
	Write: index,
}

// index writes an order, and changes the name of a customer in all orders of that customer: an index over words cannot be
// asked for an id, so which place has whose orders stands beside it.
func index(r deed.Recorded[deed.Event]) []deed.Statement {
	switch e := r.Event.(type) {
	case Placed:
		return []deed.Statement{
			deed.SQL(`INSERT INTO {text} (id, customer_id, customer, description) VALUES (?, ?, ?, ?)`, e.OrderID, e.CustomerID, e.CustomerName, e.Description),
			deed.SQL(`INSERT INTO {customers} VALUES (?, last_insert_rowid())`, e.CustomerID),
		}
	case customers.Updated:
		return []deed.Statement{renamed(e.CustomerID, customers.FullName(e.FirstName, e.LastName))}
	case customers.Forgotten:
		return []deed.Statement{renamed(e.CustomerID, "")}
	}
	return nil
}

func renamed(customerID, name string) deed.Statement {
	return deed.SQL(`UPDATE {text} SET customer = ? WHERE rowid IN (SELECT place FROM {customers} WHERE customer_id = ?)`, name, customerID)
}

// Found selects the orders that have all of the words, the best first: id, customer, and a piece of the description with the words
// in brackets.
const Found = `SELECT id, customer, snippet({text}, 3, '[', ']', '…', 24) FROM {text} WHERE {text} MATCH ? ORDER BY rank, id LIMIT ?`

// Words turns what somebody has typed into a question for Found: all of the words, or what begins with them. It is empty if there
// are none.
func Words(typed string) string {
	words := strings.Fields(typed)
	for i, word := range words {
		words[i] = `"` + strings.ReplaceAll(word, `"`, `""`) + `"*`
	}
	return strings.Join(words, " ")
}
