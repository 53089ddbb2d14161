package postgres_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// An order takes what it needs out of a table that another program keeps, and both happen or neither does.
func ExampleDB_InTx() {
	ctx := context.Background()
	db, err := postgres.Open(ctx, server, &postgres.Options{Schema: "example_in_tx"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	defer dropped(ctx, "example_in_tx, example_stock")

	placed := func(order string) deed.Batch {
		e := deed.NewEvent{ID: order, Type: "order-placed", Data: []byte(`{"article":"lamp"}`)}
		return deed.Batch{
			Writes:  []deed.Write{{Stream: deed.Stream("order", order), Events: []deed.NewEvent{e}}},
			Command: deed.CommandRef{ID: "place-" + order, Hash: "lamp"},
		}
	}
	_, err = db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
		_, err := tx.Exec(ctx, `CREATE SCHEMA example_stock; CREATE TABLE example_stock.stock (article text PRIMARY KEY, pieces int);
			INSERT INTO example_stock.stock VALUES ('lamp', 1)`)
		return placed("1"), err
	})
	fmt.Println("1:", err)

	soldOut := errors.New("sold out")
	take := func(order string) error {
		batch := placed(order)
		// It may have been answered before: then what it took is taken, and f would not find it.
		if _, known, err := db.Outcome(ctx, batch.Command); known || err != nil {
			return err
		}
		_, err := db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) {
			tag, err := tx.Exec(ctx, "UPDATE example_stock.stock SET pieces = pieces - 1 WHERE article = 'lamp' AND pieces > 0")
			if err == nil && tag.RowsAffected() == 0 {
				err = soldOut
			}
			return batch, err
		})
		return err
	}
	fmt.Println("2:", take("2"))
	fmt.Println("2 again:", take("2"))
	fmt.Println("3:", take("3"))

	for r, err := range db.Read(ctx, deed.Query{Category: "order"}) {
		fmt.Println(r.Stream, r.Type, err)
	}
	// Output:
	// 1: <nil>
	// 2: <nil>
	// 2 again: <nil>
	// 3: sold out
	// order-1 order-placed <nil>
	// order-2 order-placed <nil>
}

// orderPlaced is an event.
type orderPlaced struct {
	Article string `json:"article"`
}

func (orderPlaced) EventType() string { return "order-placed" }

// A table that other programs read, written with its own SQL in the transaction of each append.
func ExampleDB_KeepInline() {
	ctx := context.Background()
	db, err := postgres.Open(ctx, server, &postgres.Options{Schema: "example_keep_inline"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	defer dropped(ctx, "example_keep_inline, example_sales")

	sales := postgres.InlineTx[orderPlaced]{
		Name: "sales", Version: 1, Events: []orderPlaced{{}},
		Write: func(ctx context.Context, tx pgx.Tx, r deed.Recorded[orderPlaced]) error {
			_, err := tx.Exec(ctx, `INSERT INTO example_sales.sales AS s VALUES ($1, 1)
				ON CONFLICT (article) DO UPDATE SET pieces = s.pieces + 1`, r.Event.Article)
			return err
		},
		Reset: func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "TRUNCATE example_sales.sales")
			return err
		},
	}
	place := func(order string) deed.Batch {
		e := deed.NewEvent{ID: order, Type: "order-placed", Data: []byte(`{"article":"lamp"}`)}
		return deed.Batch{Writes: []deed.Write{{Stream: deed.Stream("order", order), Events: []deed.NewEvent{e}}}}
	}
	_, err = db.InTx(ctx, func(tx pgx.Tx) (deed.Batch, error) { // an order that was there before
		_, err := tx.Exec(ctx, "CREATE SCHEMA example_sales; CREATE TABLE example_sales.sales (article text PRIMARY KEY, pieces int)")
		return place("1"), err
	})
	fmt.Println(err)
	fmt.Println(db.KeepInline(ctx, sales))
	_, err = db.Append(ctx, place("2"))
	fmt.Println(err)

	c, err := pgx.Connect(ctx, server)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = c.Close(ctx) }()
	var pieces int
	fmt.Println(c.QueryRow(ctx, "SELECT pieces FROM example_sales.sales WHERE article = 'lamp'").Scan(&pieces), pieces)
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// <nil> 2
}

// dropped drops an example's schemas.
func dropped(ctx context.Context, schemas string) {
	c, err := pgx.Connect(ctx, server)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = c.Close(ctx) }()
	if _, err := c.Exec(ctx, "DROP SCHEMA IF EXISTS "+schemas+" CASCADE"); err != nil {
		fmt.Println(err)
	}
}
