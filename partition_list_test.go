package deed_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// twins are a view and the same one cut into partitions, over one log.
func twins(of int) (whole, cut deed.Projection[person, written]) {
	whole, cut = people, people
	cut.Name, cut.Partitions = "cut", of
	return whole, cut
}

// somebody is a row at random; many are alike in some of it.
func somebody(rng *rand.Rand) person {
	p := person{
		Name: string(rune('a' + rng.IntN(5))), Age: rng.IntN(7) - 3, Size: float64(rng.IntN(9)) / 4, Member: rng.IntN(2) == 0,
		Level: level(rng.IntN(12)), Points: uint8(rng.IntN(4)), Plain: []string{"", "ä", "z", "Z"}[rng.IntN(4)],
	}
	if rng.IntN(3) > 0 {
		p.Nick = ptr([]string{"", "x", "X", "é"}[rng.IntN(4)])
	}
	if rng.IntN(3) > 0 {
		p.Born = ancient.Add(time.Duration(rng.IntN(5)) * time.Millisecond)
	}
	if rng.IntN(3) > 0 {
		p.Age += 1 << 60
	}
	return p
}

// A view that is cut lists what one that is not does, in every order, page by page.
func TestPartitionsList(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	db, _ := memory(t)
	whole, cut := twins(4)
	s := start(t, db, whole, cut)
	for range 12 {
		var events []told
		for range 1 + rng.IntN(12) {
			key := fmt.Sprintf("p%02d", rng.IntN(60))
			w := written{key, somebody(rng)}
			if rng.IntN(5) == 0 {
				w.Row = person{}
			}
			events = append(events, told{deed.Stream("person", key), w})
		}
		tell(t, db, events...)
	}
	s.settle()
	a, b := whole.View(db), cut.View(db)
	orders := []string{"", "-"}
	for _, field := range people.Index {
		orders = append(orders, field, "-"+field)
	}
	wheres := [][]deed.Where{nil, {{Field: "age", Value: 1 << 60}}, {{Field: "member", Value: true}, {Field: "nick", Value: nil}}, {{Field: "name", Value: "none"}}}
	limits := []int{1, 2, 3, 7, 1000}
	if raceScale > 1 {
		wheres, limits = wheres[:2], []int{3, 1000}
	}
	pages := 0
	for _, order := range orders {
		for _, where := range wheres {
			for _, limit := range limits {
				page, other := deed.Page{Order: order, Limit: limit}, deed.Page{Order: order, Limit: limit}
				for {
					rows, err := a.List(bounded(t), where, page, 0)
					must(t, err)
					same, err := b.List(bounded(t), where, other, 0)
					must(t, err)
					want(t, fmt.Sprintf("by %q, %d a page, where %v", order, limit, where), same.Rows, rows.Rows)
					want(t, "whether there is more", same.Next == "", rows.Next == "")
					want(t, "position", same.Position, rows.Position)
					pages++
					if page.Cursor, other.Cursor = rows.Next, same.Next; rows.Next == "" {
						break
					}
				}
			}
		}
	}
	t.Logf("%d pages are alike", pages)
	for i := range 60 {
		key := fmt.Sprintf("p%02d", i)
		row, err := a.Get(bounded(t), key, 1)
		same, other := b.Get(bounded(t), key, 1)
		want(t, "row", same, row)
		want(t, "error", other == nil, err == nil)
	}
	_, err := b.List(bounded(t), nil, deed.Page{Order: "size", Cursor: cursorOf(t, a)}, 0)
	wantErr(t, err, deed.ErrCursor)
}

func cursorOf(t *testing.T, v *deed.View[person]) string {
	rows, err := v.List(bounded(t), nil, deed.Page{Order: "size", Limit: 1}, 0)
	must(t, err)
	return rows.Next
}
