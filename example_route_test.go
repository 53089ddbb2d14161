package deed_test

import (
	"context"
	"fmt"

	"github.com/deed-es/deed"
)

type (
	Published     struct{ Author, Title string }
	AuthorRenamed struct{ Author, Name string }
	BookRow       struct{ Author, Name, Title string }
)

func (Published) EventType() string     { return "published" }
func (AuthorRenamed) EventType() string { return "author-renamed" }

// Books shows with each book how its author is called now.
var Books = deed.Projection[BookRow, deed.Event]{
	Name:   "books",
	Events: []deed.Event{Published{}, AuthorRenamed{}},
	Index:  []string{"Author"},
	Route: func(r deed.Recorded[deed.Event]) []deed.Target {
		if e, ok := r.Event.(AuthorRenamed); ok {
			return []deed.Target{deed.ToWhere("Author", e.Author)}
		}
		return []deed.Target{deed.ToKey(r.Stream.ID())}
	},
	Evolve: func(b BookRow, r deed.Recorded[deed.Event]) BookRow {
		switch e := r.Event.(type) {
		case Published:
			b = BookRow{Author: e.Author, Name: e.Author, Title: e.Title}
		case AuthorRenamed:
			b.Name = e.Name
		}
		return b
	},
}

// Route can send an event to all rows whose indexed field has a value.
func ExampleToWhere() {
	db, _ := openExample()
	service, stop := runExample(db, Books)
	defer stop()
	ctx := context.Background()
	for i, e := range []deed.Event{
		Published{"clemens", "Roughing It"},
		Published{"clemens", "The Gilded Age"},
		Published{"melville", "Typee"},
		AuthorRenamed{"clemens", "Mark Twain"},
	} {
		data, err := deed.EncodeJSON(e)
		check(err)
		event := deed.NewEvent{ID: deed.NewID(), Type: e.EventType(), Data: data}
		_, err = db.Append(ctx, deed.Batch{Writes: []deed.Write{{Stream: deed.Stream("book", fmt.Sprint(i)), Events: []deed.NewEvent{event}}}})
		check(err)
	}
	check(service.Settle(ctx))
	rows, err := Books.View(db).List(ctx, nil, deed.Page{}, 0)
	check(err)
	for _, r := range rows.Rows {
		fmt.Printf("%s, by %s\n", r.Row.Title, r.Row.Name)
	}
	// Output:
	// Roughing It, by Mark Twain
	// The Gilded Age, by Mark Twain
	// Typee, by melville
}
