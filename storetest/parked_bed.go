package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/deed-es/deed"
)

// A parkBed is where the cases about parking stand, which parts and views have in common: an owner that is opened already, and
// another.
type parkBed struct {
	tester
	now     time.Time
	park    func(changes ...deed.ParkChange) // in a step of the owner
	parks   func(other string, changes ...deed.ParkChange)
	refuse  func(changes ...deed.ParkChange) // in a step that conflicts
	keys    func(owner, after string, limit int) ([]deed.ParkedKey, error)
	records func(owner, key string, after deed.Position, limit int) ([]deed.ParkedRecord, error)
	reopen  func()
}

// The two owners.
const (
	parkOwner = "mailer"
	parkOther = "biller"
)

// partParking is the parking of parts.
func partParking(b *bed) *parkBed {
	b.Helper()
	b.part(parkOwner, 1)
	b.part(parkOther, 1)
	parks := func(part string, changes ...deed.ParkChange) {
		b.Helper()
		from := b.known(part, 1).Checkpoint.Position
		step := b.stepOf(part, from, from+1)
		step.Parked = changes
		b.commit(step)
	}
	return &parkBed{
		tester: b.tester, now: b.clock.Now(), reopen: b.reopen, parks: parks,
		park: func(changes ...deed.ParkChange) { b.Helper(); parks(parkOwner, changes...) },
		refuse: func(changes ...deed.ParkChange) {
			b.Helper()
			step := b.stepOf(parkOwner, 1<<40, 1<<41)
			step.Parked = changes
			b.conflicts(step)
		},
		keys: func(part, after string, limit int) ([]deed.ParkedKey, error) {
			return b.store.PartParked(b.ctx, part, after, limit)
		},
		records: func(part, key string, after deed.Position, limit int) ([]deed.ParkedRecord, error) {
			return b.store.PartParkedRecords(b.ctx, part, key, after, limit)
		},
	}
}

// viewParking is the parking of views.
func viewParking(b *viewBed) *parkBed {
	b.Helper()
	ref := func(name string) deed.ViewRef { return deed.ViewRef{Name: name, Version: 1} }
	parks := func(view string, changes ...deed.ParkChange) {
		b.Helper()
		from := b.make(deed.ViewSpec{ViewRef: ref(view), Log: b.log}).Position
		b.parks(ref(view), from, changes...)
	}
	parks(parkOwner)
	parks(parkOther)
	return &parkBed{
		tester: b.tester, now: newHandClock().Now(), reopen: b.reopen, parks: parks,
		park: func(changes ...deed.ParkChange) { b.Helper(); parks(parkOwner, changes...) },
		refuse: func(changes ...deed.ParkChange) {
			b.Helper()
			step := b.stepOf(ref(parkOwner), 1<<40, 1<<41)
			step.Parked = changes
			if err := b.views.CommitView(b.ctx, step); !errors.Is(err, deed.ErrConflict) {
				b.Fatalf("a commit from %d: error is %v, want ErrConflict", step.From, err)
			}
		},
		keys: func(view, after string, limit int) ([]deed.ParkedKey, error) {
			return b.views.ViewParked(b.ctx, ref(view), after, limit)
		},
		records: func(view, key string, after deed.Position, limit int) ([]deed.ParkedRecord, error) {
			return b.views.ViewParkedRecords(b.ctx, ref(view), key, after, limit)
		},
	}
}

// parks commits a step that changes nothing but what is parked, from a position to the next.
func (b *viewBed) parks(view deed.ViewRef, from deed.Position, changes ...deed.ParkChange) {
	b.Helper()
	step := b.stepOf(view, from, from+1)
	step.Parked = changes
	if err := b.views.CommitView(b.ctx, step); err != nil {
		b.Fatalf("commit %v from %d: %v", view, from, err)
	}
}

// has checks all that an owner has parked: each key as "key:", then its records as positions, with ! where one failed.
func (b *parkBed) has(owner string, want ...string) {
	b.Helper()
	keys, err := b.keys(owner, "", 0)
	if err != nil {
		b.Fatalf("parked keys of %s: %v", owner, err)
	}
	var got []string
	for _, k := range keys {
		records, err := b.records(owner, k.Key, 0, 0)
		if err != nil || len(records) != k.Records {
			b.Fatalf("key %s of %s has %d records, and there are %d: %v", k.Key, owner, k.Records, len(records), err)
		}
		got = append(got, k.Key+":")
		for _, r := range records {
			got = append(got, briefParked(r))
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		b.Fatalf("of %s there is parked %v, want %v", owner, got, want)
	}
}

func briefParked(r deed.ParkedRecord) string {
	if r.Error != "" {
		return fmt.Sprint(r.Position, "!")
	}
	return fmt.Sprint(r.Position)
}

// failed is a record that could not be handled.
func (b *parkBed) failed(p deed.Position) deed.ParkedRecord {
	return deed.ParkedRecord{Position: p, Time: b.now, Error: fmt.Sprint("no good: ", p)}
}

// waits is a record that waits behind such a one.
func (b *parkBed) waits(p deed.Position) deed.ParkedRecord {
	return deed.ParkedRecord{Position: p, Time: b.now}
}

// puts is a change that parks records.
func puts(key string, records ...deed.ParkedRecord) deed.ParkChange {
	return deed.ParkChange{Key: key, Records: records}
}

// takes is a change that takes records out.
func takes(key string, until deed.Position) deed.ParkChange {
	return deed.ParkChange{Key: key, Until: until}
}
