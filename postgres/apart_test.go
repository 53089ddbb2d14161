package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/postgres"
)

// What fleets, versions of views, tables, orders and the user's own transactions do to a log is not to be seen in another of the schema.
func TestLogsOfASchemaAreApartInTheRestToo(t *testing.T) {
	t.Parallel()
	schema := fresh(t)
	one, other := opened(t, &postgres.Options{Schema: schema, Log: "one"}), opened(t, &postgres.Options{Schema: schema, Log: "other"})
	ctx, version, view := within(t), deed.ViewVersion{Version: 1, Partitions: 1}, deed.ViewRef{Name: "lines", Version: 1}
	if err := one.SetOrder(ctx, postgres.Parallel); err != nil {
		t.Fatal(err)
	}
	if _, err := one.InTx(ctx, func(pgx.Tx) (deed.Batch, error) { return write("order-1", 0, "a"), nil }); err != nil {
		t.Fatal(err)
	}
	tables := deed.ViewSpec{ViewRef: view, Tables: []string{"CREATE TABLE {lines} (n int)"}}
	for _, db := range []*postgres.DB{one, other} {
		if _, err := db.OpenView(ctx, tables); err != nil {
			t.Fatal(err)
		}
	}
	fill := deed.ViewCommit{View: view, Checkpoint: deed.Checkpoint{Position: 1}, Statements: []deed.Statement{deed.SQL("INSERT INTO {lines} VALUES (1)")}}
	if err := errors.Join(one.CommitView(ctx, fill), one.ReadView(ctx, "lines", deed.ViewVersion{}, version)); err != nil {
		t.Fatal(err)
	}
	beat := deed.Beat{Node: "n", Name: "node", For: time.Minute, Wants: []string{"lines@1"}, Take: []string{"lines@1"}}
	if fleet, err := one.Beat(ctx, beat); err != nil || len(fleet.Leases) != 1 {
		t.Fatal(fleet, err)
	}

	if head, err := other.Head(ctx); head != 0 || err != nil {
		t.Errorf("the other log ends at %d, %v", head, err)
	}
	if read, err := other.ViewRead(ctx, "lines"); read != (deed.ViewVersion{}) || err != nil {
		t.Errorf("the other log reads %+v, %v", read, err)
	}
	if rows, at, err := other.QueryTables(ctx, view, deed.SQL("SELECT n FROM {lines}"), 10); len(rows) != 0 || at != 0 || err != nil {
		t.Errorf("the other log's table has %v at %d, %v", rows, at, err)
	}
	beat.Node = "m"
	if fleet, err := other.Beat(ctx, beat); err != nil || len(fleet.Nodes) != 1 || len(fleet.Leases) != 1 || fleet.Leases[0].Node != "m" {
		t.Errorf("the other log's fleet is %+v, %v", fleet, err)
	}
	if err := one.DropView(ctx, view); err != nil {
		t.Fatal(err)
	}
	if refs, err := other.ListViews(ctx); !slices.Equal(refs, []deed.ViewRef{view}) || err != nil {
		t.Errorf("the other log has the views %v, %v", refs, err)
	}
	if refs, err := one.ListViews(ctx); len(refs) != 0 || err != nil {
		t.Errorf("the log has the views %v, %v", refs, err)
	}
	for i, id := range []string{"b", "c"} {
		if r := appended(t, other, write("order-1", deed.Version(i), id)); r.Position != deed.Position(i+1) {
			t.Errorf("the other log stores at %d, want %d: it is in the order Serial", r.Position, i+1)
		}
	}
}

// Two processes with caches take turns at the same carts, in both orders; each answer is that of one who decides alone, refusals and what
// changes nothing included.
func TestProcessesWithCachesAnswerAsOne(t *testing.T) {
	t.Parallel()
	for _, order := range []postgres.Order{postgres.Serial, postgres.Parallel} {
		t.Run(string(order), func(t *testing.T) {
			t.Parallel()
			o := &postgres.Options{Schema: fresh(t)}
			first, second := opened(t, o), opened(t, o)
			if err := first.SetOrder(t.Context(), order); err != nil {
				t.Fatal(err)
			}
			handlers := []*deed.Handler[cart.Cart, cart.Command, cart.Event]{
				cart.Decider.Handler(first), cart.Decider.HandlerWith(second, &deed.HandlerOptions{Cache: 2}),
			}
			ctx, random := within(t), rand.New(rand.NewPCG(7, 7))
			carts, versions := map[string]cart.Cart{}, map[string]deed.Version{}
			for i := range 1000 {
				id := fmt.Sprint(random.IntN(4), "-", i/100)
				cmd := []cart.Command{cart.Open{Owner: "ann"}, cart.AddItem{SKU: "x"}, cart.AddItem{SKU: "y"}, cart.CheckOut{}}[random.IntN(4)]
				events, refusal := carts[id].Decide(cmd)
				receipt, err := handlers[i%2].Handle(ctx, id, cmd)
				if (err == nil) != (refusal == nil) || err != nil && !errors.Is(err, refusal) {
					t.Fatalf("command %d, %#v to %s: %v, want %v", i, cmd, id, err, refusal)
				}
				for _, e := range events {
					carts[id] = carts[id].Evolve(e)
					versions[id]++
				}
				if err == nil && receipt.Version() != versions[id] {
					t.Fatalf("command %d, %#v to %s: version %d, want %d", i, cmd, id, receipt.Version(), versions[id])
				}
				if state, version, err := handlers[random.IntN(2)].Load(ctx, id); err != nil || state != carts[id] || version != versions[id] {
					t.Fatalf("%s is %+v at %d, %v, want %+v at %d", id, state, version, err, carts[id], versions[id])
				}
			}
		})
	}
}
