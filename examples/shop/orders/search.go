package orders

import (
	"strconv"
	"strings"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/customers"
)

// Index is the full-text index of orders, what was ordered and by whom, in the SQL of one engine. A customer renamed is renamed in it.
// An order is found by all of some words, or by what begins with them.
type Index struct {
	deed.Tables[deed.Event]

	match string                      // selects what is found
	place string                      // the column of Found.Place
	best  string                      // orders by how well it matches
	asked func(words []string) string // the argument of match
}

// Found is an order that was found.
type Found struct {
	ID       string
	Customer string
	Place    int64 // in the index: what was placed later has a higher one
	Excerpt  []Piece
}

// Best selects the orders that have all of the words, the best first.
func (x Index) Best(words []string, limit int) deed.Statement {
	return deed.SQL(x.match+` ORDER BY `+x.best+`, id LIMIT $2`, x.asked(words), limit)
}

// Newest selects those that have them, the newest first: those before a place.
func (x Index) Newest(words []string, before int64, limit int) deed.Statement {
	return deed.SQL(x.match+` AND `+x.place+` < $2 ORDER BY `+x.place+` DESC LIMIT $3`, x.asked(words), before, limit)
}

// Among selects those of some orders that have them. There must be an id.
func (x Index) Among(words, ids []string) deed.Statement {
	sql, args := x.match+` AND id IN (`, []any{x.asked(words)}
	for i, id := range ids {
		if i > 0 {
			sql += ", "
		}
		args = append(args, id)
		sql += "$" + strconv.Itoa(len(args))
	}
	return deed.SQL(sql+")", args...)
}

// Rows are what one of these statements has selected.
func (x Index) Rows(rows [][]any, words []string) []Found {
	all := make([]Found, len(rows))
	for i, row := range rows {
		f := &all[i]
		f.ID, _ = row[0].(string)
		f.Place, _ = row[1].(int64)
		f.Customer, _ = row[2].(string)
		text, _ := row[3].(string)
		f.Excerpt = excerpt(clean(text), words)
		f.Customer = clean(f.Customer)
	}
	return all
}

var textEvents = append([]deed.Event{Placed{}}, renamings...)

// Text is the index in SQLite, whose fts5 finds the words by itself.
var Text = Index{
	Tables: deed.Tables[deed.Event]{
		Name:   "order-text",
		Events: textEvents,
		Create: []string{
			`CREATE VIRTUAL TABLE {text} USING fts5(id UNINDEXED, customer_id UNINDEXED, customer, description, tokenize = 'unicode61 remove_diacritics 2')`,
			`CREATE TABLE {customers} (customer_id TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (customer_id, place)) WITHOUT ROWID`,
		},
		Write: writes(func(r deed.Record, e Placed) []deed.Statement {
			return []deed.Statement{
				deed.SQL(`INSERT INTO {text} (id, customer_id, customer, description) VALUES (?, ?, ?, ?)`, e.OrderID, e.CustomerID, e.CustomerName, e.Description),
				// An index over words cannot be asked for an id, so which place has whose orders stands beside it.
				deed.SQL(`INSERT INTO {customers} VALUES (?, last_insert_rowid())`, e.CustomerID),
			}
		}, func(customerID, name string) deed.Statement {
			return deed.SQL(`UPDATE {text} SET customer = ? WHERE rowid IN (SELECT place FROM {customers} WHERE customer_id = ?)`, name, customerID)
		}),
	},
	match: `SELECT id, rowid, customer, description FROM {text} WHERE {text} MATCH $1`,
	place: "rowid",
	best:  "rank",
	asked: func(words []string) string {
		quoted := make([]string, len(words))
		for i, word := range words {
			quoted[i] = `"` + strings.ReplaceAll(word, `"`, `""`) + `"*`
		}
		return strings.Join(quoted, " ")
	},
}

// TextPostgres is the index in PostgreSQL. It is given the words as they are looked for: what the server takes for a word hangs on how
// its database was made, and it knows no letters without their accents.
var TextPostgres = Index{
	Tables: deed.Tables[deed.Event]{
		Name:   "order-text",
		Events: textEvents,
		Create: []string{
			// Between a name and a description stands what is no word, so that nothing is found across.
			`CREATE TABLE {text} (place bigint PRIMARY KEY, id text NOT NULL, customer_id text NOT NULL, customer text NOT NULL, description text NOT NULL,
				name_words tsvector NOT NULL, description_words tsvector NOT NULL,
				words tsvector NOT NULL GENERATED ALWAYS AS (name_words || '''.'':1'::tsvector || description_words) STORED)`,
			`CREATE INDEX {text_words} ON {text} USING gin (words)`,
			`CREATE INDEX {text_id} ON {text} (id)`,
			`CREATE INDEX {text_customer} ON {text} (customer_id)`,
		},
		Write: writes(func(r deed.Record, e Placed) []deed.Statement {
			return []deed.Statement{deed.SQL(`INSERT INTO {text} (place, id, customer_id, customer, description, name_words, description_words) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
				r.Position, e.OrderID, e.CustomerID, clean(e.CustomerName), clean(e.Description), vector(e.CustomerName), vector(e.Description))}
		}, func(customerID, name string) deed.Statement {
			return deed.SQL(`UPDATE {text} SET customer = $1, name_words = $2 WHERE customer_id = $3`, clean(name), vector(name), customerID)
		}),
	},
	match: `SELECT id, place, customer, description FROM {text} WHERE words @@ $1::tsquery`,
	place: "place",
	best:  "ts_rank(words, $1::tsquery) DESC",
	asked: func(words []string) string {
		var all []string
		for _, word := range words {
			if phrase := folded(word); len(phrase) > 0 {
				all = append(all, "'"+strings.Join(phrase, "' <-> '")+"':*")
			}
		}
		return strings.Join(all, " & ")
	},
}

// writes writes an order, and changes the name of a customer in all orders of that customer.
func writes(placed func(deed.Record, Placed) []deed.Statement, renamed func(customerID, name string) deed.Statement) func(deed.Recorded[deed.Event]) []deed.Statement {
	return func(r deed.Recorded[deed.Event]) []deed.Statement {
		switch e := r.Event.(type) {
		case Placed:
			return placed(r.Record, e)
		case customers.Updated:
			return []deed.Statement{renamed(e.CustomerID, customers.FullName(e.FirstName, e.LastName))}
		case customers.Forgotten:
			return []deed.Statement{renamed(e.CustomerID, "")}
		}
		return nil
	}
}

// vector is the words of a text with their places, as a tsvector is written.
func vector(text string) string {
	var all strings.Builder
	for i, word := range folded(text) {
		if i > 0 {
			all.WriteByte(' ')
		}
		all.WriteString("'" + word + "':" + strconv.Itoa(i+1))
	}
	return all.String()
}

// clean is a text that every database takes.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}
