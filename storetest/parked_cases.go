package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/deed-es/deed"
)

// A parkCase is a promise that holds for what is parked of parts and of views.
type parkCase struct {
	sentence string
	run      func(b *parkBed)
}

func parkCases() []parkCase {
	return []parkCase{
		{"a parked record comes back as it was parked", parkedComesBack},
		{"parked records up to Until are taken out before others are put in", takenOutThenPut},
		{"a record that is parked again takes the place of the one before, and stays folded", parkedAgain},
		{"changes of what is parked are applied in their order", parkedInOrder},
		{"the record of a parked key is the first that failed", firstThatFailed},
		{"parked keys come in their order, after a key, at most so many", parkedKeysInPages},
		{"parked records come in the order of positions, after a position, at most so many", parkedRecordsInPages},
		{"a step that conflicts parks nothing and takes nothing out", conflictParksNothing},
		{"what is parked of one is not parked of another", parkedIsItsOwn},
		{"what is parked is there after the opening again", parkedOutlivesReopen},
	}
}

func partParkCases() []storeCase {
	cases := []storeCase{{sentence: "what is parked stays when a version is raised", run: parkedStaysWhenRaised}}
	for _, c := range parkCases() {
		cases = append(cases, storeCase{sentence: c.sentence, run: func(b *bed) { c.run(partParking(b)) }})
	}
	return cases
}

func viewParkCases() []viewCase {
	cases := []viewCase{
		{"Row.Parked is the first position that is parked of a row's key, of missing rows too", rowsAreMarked},
		{"what is parked of a stream is parked of all rows", streamMarksAll},
		{"a view that is dropped or made anew has nothing parked", madeAnewParksNothing},
	}
	for _, c := range parkCases() {
		cases = append(cases, viewCase{c.sentence, func(b *viewBed) { c.run(viewParking(b)) }})
	}
	return cases
}

func parkedComesBack(b *parkBed) {
	want := []deed.ParkedRecord{
		{Position: 3, Time: b.now.Add(123456 * time.Microsecond), Error: "no \"good\"\n é", Folded: true},
		{Position: 1 << 40, Time: b.now.Add(time.Hour)},
	}
	b.park(puts("a é/b", want...), puts("b", b.failed(5)))
	got, err := b.records(parkOwner, "a é/b", 0, 10)
	if err != nil || len(got) != len(want) {
		b.Fatalf("there is parked %+v, %v, want %+v", got, err, want)
	}
	for i := range want {
		if got[i].Time.Location() != time.UTC || !sameParked(got[i], want[i]) {
			b.Errorf("record is %+v, want %+v", got[i], want[i])
		}
	}
	keys, err := b.keys(parkOwner, "", 10)
	if err != nil || len(keys) != 2 || keys[0].Key != "a é/b" || keys[0].Records != 2 || !sameParked(keys[0].ParkedRecord, want[0]) {
		b.Errorf("keys are %+v, %v", keys, err)
	}
	if none, err := b.records(parkOwner, "never", 0, 10); err != nil || len(none) != 0 {
		b.Errorf("of a key that is not parked there is %+v, %v", none, err)
	}
}

func sameParked(a, b deed.ParkedRecord) bool {
	same := a.Time.Equal(b.Time)
	a.Time = b.Time
	return same && a == b
}

func takenOutThenPut(b *parkBed) {
	b.park(puts("a", b.failed(3), b.waits(4), b.waits(7)), puts("b", b.failed(4)))
	b.park(takes("a", 3))
	b.has(parkOwner, "a:", "4", "7", "b:", "4!")
	b.park(deed.ParkChange{Key: "a", Until: 6, Records: []deed.ParkedRecord{b.failed(4), b.waits(9)}})
	b.has(parkOwner, "a:", "4!", "7", "9", "b:", "4!")
	b.park(takes("a", 9), takes("never", 9))
	b.has(parkOwner, "b:", "4!")
	b.park(takes("b", 100))
	b.has(parkOwner)
	b.park(puts("b", b.waits(2)))
	b.has(parkOwner, "b:", "2")
}

func parkedAgain(b *parkBed) {
	first, second := b.failed(3), b.waits(4)
	first.Folded = true
	b.park(puts("a", first, second))
	again := deed.ParkedRecord{Position: 3, Time: b.now.Add(time.Minute), Error: "still no good"}
	b.park(puts("a", again))
	again.Folded = true
	records, err := b.records(parkOwner, "a", 0, 10)
	if err != nil || len(records) != 2 || !sameParked(records[0], again) || !sameParked(records[1], second) {
		b.Errorf("there is parked %+v, %v, want %+v and %+v", records, err, again, second)
	}
}

func parkedInOrder(b *parkBed) {
	b.park(puts("a", b.failed(3)), takes("a", 3), puts("a", b.failed(5)))
	b.has(parkOwner, "a:", "5!")
	b.park(puts("a", b.waits(6)), takes("a", 5))
	b.has(parkOwner, "a:", "6")
	b.park(takes("a", 6), puts("a", b.failed(1)))
	b.has(parkOwner, "a:", "1!")
}

func firstThatFailed(b *parkBed) {
	b.park(puts("a", b.waits(3), b.failed(5), b.failed(7)), puts("b", b.failed(4), b.waits(6)), puts("c", b.waits(8), b.waits(9)))
	keys, err := b.keys(parkOwner, "", 10)
	if err != nil || len(keys) != 3 {
		b.Fatalf("keys are %+v, %v", keys, err)
	}
	for i, want := range []deed.ParkedKey{{Key: "a", ParkedRecord: b.failed(5), Records: 3}, {Key: "b", ParkedRecord: b.failed(4), Records: 2}} {
		if got := keys[i]; got.Key != want.Key || got.Records != want.Records || !sameParked(got.ParkedRecord, want.ParkedRecord) {
			b.Errorf("key is %+v, want %+v", got, want)
		}
	}
	if keys[2].Key != "c" || keys[2].Records != 2 {
		b.Errorf("a key of which nothing failed is %+v", keys[2])
	}
}

func parkedKeysInPages(b *parkBed) {
	var changes []deed.ParkChange
	for i := range 25 {
		changes = append(changes, puts(fmt.Sprintf("k%02d", (i*7)%25), b.failed(deed.Position(i+1)), b.waits(deed.Position(i+2))))
	}
	b.park(append(changes, puts("/order-1", b.failed(9)))...)
	want := []string{"/order-1"}
	for i := range 25 {
		want = append(want, fmt.Sprintf("k%02d", i))
	}
	var got []string
	for after := ""; ; after = got[len(got)-1] {
		page, err := b.keys(parkOwner, after, 4)
		if err != nil || len(page) > 4 {
			b.Fatalf("%d keys after %q, %v", len(page), after, err)
		}
		if len(page) == 0 {
			break
		}
		for _, k := range page {
			got = append(got, k.Key)
		}
		if len(got) > len(want) {
			break
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.Errorf("keys in pages are %v, want %v", got, want)
	}
}

func parkedRecordsInPages(b *parkBed) {
	var records []deed.ParkedRecord
	for i := range 25 {
		records = append(records, b.waits(deed.Position((i*7)%25+1)))
	}
	b.park(puts("a", records...), puts("b", b.failed(3)))
	after, n := deed.Position(0), 0
	for {
		page, err := b.records(parkOwner, "a", after, 4)
		if err != nil || len(page) > 4 || n > 25 {
			b.Fatalf("%d records after %d, %v", len(page), after, err)
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			if n++; r.Position != deed.Position(n) {
				b.Fatalf("record is at %d, want %d", r.Position, n)
			}
		}
		after = page[len(page)-1].Position
	}
	if n != 25 {
		b.Errorf("%d records in pages, want 25", n)
	}
}

func conflictParksNothing(b *parkBed) {
	b.park(puts("a", b.failed(3), b.waits(4)))
	b.refuse(takes("a", 3), puts("a", b.waits(5)), puts("b", b.failed(5)))
	b.has(parkOwner, "a:", "3!", "4")
}

func parkedIsItsOwn(b *parkBed) {
	b.park(puts("a", b.failed(3)))
	b.has(parkOther)
	b.parks(parkOther, puts("a", b.failed(1), b.waits(2)), puts("b", b.failed(2)))
	b.has(parkOwner, "a:", "3!")
	b.park(takes("a", 3), takes("b", 3))
	b.has(parkOther, "a:", "1!", "2", "b:", "2!")
}

func parkedOutlivesReopen(b *parkBed) {
	b.park(puts("a", b.failed(3), b.waits(4)), puts("b", b.failed(5)))
	b.reopen()
	b.has(parkOwner, "a:", "3!", "4", "b:", "5!")
	b.park(takes("a", 3))
	b.reopen()
	b.has(parkOwner, "a:", "4", "b:", "5!")
}

func parkedStaysWhenRaised(b *bed) {
	p := partParking(b)
	p.park(puts("a", p.failed(3), p.waits(4)))
	b.known(parkOwner, 2)
	p.has(parkOwner, "a:", "3!", "4")
	b.commit(deed.PartCommit{Part: parkOwner, Version: 2, Checkpoint: b.checkpoint(3), Parked: []deed.ParkChange{takes("a", 3)}})
	p.has(parkOwner, "a:", "4")
}

// marked checks the marks of these rows, read one by one and, those that exist, in a list.
func (b *viewBed) marked(view deed.ViewRef, want map[string]deed.Position) {
	b.Helper()
	exist := map[string]bool{}
	for key, mark := range want {
		r, _, err := b.views.Row(b.ctx, view, key)
		if err != nil && !errors.Is(err, deed.ErrNotFound) {
			b.Fatalf("row %s: %v", key, err)
		}
		if exist[key] = err == nil; r.Parked != mark {
			b.Fatalf("row %s, which exists: %v, is marked with %d, want %d", key, err == nil, r.Parked, mark)
		}
	}
	rows, _, err := b.views.ListRows(b.ctx, view, deed.RowQuery{Order: "total", Limit: 100})
	if err != nil {
		b.Fatalf("list: %v", err)
	}
	for _, r := range rows {
		if r.Parked != want[r.Key] {
			b.Fatalf("row %s is listed with the mark %d, want %d", r.Key, r.Parked, want[r.Key])
		}
		delete(exist, r.Key)
	}
	for key, there := range exist {
		if there {
			b.Fatalf("row %s is not listed", key)
		}
	}
}

func rowsAreMarked(b *viewBed) {
	view, p := b.cart().ViewRef, &parkBed{now: newHandClock().Now()}
	b.make(b.cart())
	b.commit(view, 0, 2, row("a", 1, "open", int64(1)), row("b", 2, "open", int64(2)), row("c", 2, "open", int64(3)))
	b.commit(view, 2, 3, gone("c", 3))
	b.marked(view, map[string]deed.Position{"a": 0, "b": 0, "c": 0, "never": 0})
	b.parks(view, 3, puts("a", p.failed(3), p.waits(5)), puts("c", p.failed(4)), puts("never", p.waits(6), p.failed(7)))
	b.marked(view, map[string]deed.Position{"a": 3, "b": 0, "c": 4, "never": 6, "neve": 0})
	b.parks(view, 4, takes("a", 3), takes("c", 4))
	b.marked(view, map[string]deed.Position{"a": 5, "b": 0, "c": 0, "never": 6})
	b.commit(view, 5, 6, row("a", 5, "open", int64(7)))
	b.marked(view, map[string]deed.Position{"a": 5, "b": 0})
	b.parks(view, 6, takes("a", 5), takes("never", 7))
	b.marked(view, map[string]deed.Position{"a": 0, "b": 0, "c": 0, "never": 0})
}

func streamMarksAll(b *viewBed) {
	view, p := b.cart().ViewRef, &parkBed{now: newHandClock().Now()}
	b.make(b.cart())
	b.commit(view, 0, 2, row("a", 1, "open", int64(1)), row("b", 2, "open", int64(2)))
	b.parks(view, 2, puts("a", p.failed(3)), puts("b", p.failed(9)), puts("/order-1", p.failed(5), p.waits(6)), puts("/user-1", p.failed(7)))
	b.marked(view, map[string]deed.Position{"a": 3, "b": 5, "never": 5})
	b.parks(view, 3, takes("/order-1", 6))
	b.marked(view, map[string]deed.Position{"a": 3, "b": 7, "never": 7})
	b.parks(view, 4, takes("/user-1", 7))
	b.marked(view, map[string]deed.Position{"a": 3, "b": 9, "never": 0})
}

func madeAnewParksNothing(b *viewBed) {
	spec, p := b.cart(), &parkBed{now: newHandClock().Now()}
	view := spec.ViewRef
	none := func(how string) {
		b.Helper()
		if keys, err := b.views.ViewParked(b.ctx, view, "", 10); err != nil || len(keys) != 0 {
			b.Fatalf("%s, it has parked %+v, %v", how, keys, err)
		}
		b.marked(view, map[string]deed.Position{"a": 0, "b": 0})
	}
	b.make(spec)
	b.parks(view, 0, puts("a", p.failed(1)), puts("/order-1", p.failed(1)))
	if err := b.views.DropView(b.ctx, view); err != nil {
		b.Fatalf("drop: %v", err)
	}
	b.make(spec)
	none("dropped and opened")
	b.parks(view, 0, puts("a", p.failed(1)), puts("/order-1", p.failed(1)))
	spec.Index = []string{"total"}
	b.make(spec)
	none("opened with another index")
	b.commit(view, 0, 1, row("b", 1, int64(1)))
	none("committed to")
}
