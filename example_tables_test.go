package deed_test

import (
	"context"
	"fmt"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// Bought is who has put what into which cart, with an index over the words of it. Names in braces are tables of this view.
var Bought = deed.Tables[cart.Event]{
	Name:   "bought",
	Events: cart.Events,
	Create: []string{
		`CREATE TABLE {carts} (id TEXT PRIMARY KEY, owner TEXT NOT NULL)`,
		`CREATE VIRTUAL TABLE {items} USING fts5(cart UNINDEXED, sku)`,
	},
	Write: func(r deed.Recorded[cart.Event]) []deed.Statement {
		switch e := r.Event.(type) {
		case cart.Opened:
			return []deed.Statement{deed.SQL(`INSERT INTO {carts} VALUES (?, ?)`, r.Stream.ID(), e.Owner)}
		case cart.ItemAdded:
			return []deed.Statement{deed.SQL(`INSERT INTO {items} VALUES (?, ?)`, r.Stream.ID(), e.SKU)}
		}
		return nil
	},
}

// Tables are for views that want joins or full text: what an event writes is SQL, as data.
func ExampleTables() {
	db, _ := openExample()
	_, stop := runExample(db, cart.Decider, Bought)
	defer stop()
	ctx := context.Background()
	carts := cart.Decider.Handler(db)
	var last deed.Receipt
	for i, owner := range []string{"ann", "bob", "cay"} {
		for _, command := range []cart.Command{cart.Open{Owner: owner}, cart.AddItem{SKU: []string{"green tea", "tea pot", "kettle"}[i]}} {
			var err error
			last, err = carts.Handle(ctx, owner[:1], command)
			check(err)
		}
	}

	rows, err := Bought.View(db).Select(ctx, last.Position,
		`SELECT owner, sku FROM {items} JOIN {carts} ON id = cart WHERE {items} MATCH ? ORDER BY owner`, "tea")
	check(err)
	for _, row := range rows {
		fmt.Println(row[0], "has", row[1])
	}
	// Output:
	// ann has green tea
	// bob has tea pot
}
