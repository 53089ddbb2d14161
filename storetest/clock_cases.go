package storetest

import (
	"fmt"
	"time"

	"github.com/deed-es/deed"
)

// clockCases are about recorded time.
func clockCases() []storeCase {
	return []storeCase{
		{sentence: "recorded time is the engine's clock, in UTC to the microsecond", run: recordedTime},
		{sentence: "the events of an append have one recorded time", run: oneTimeAnAppend},
		{sentence: "recorded time is never before that of the record in front of it", run: timeNeverGoesBack, claims: oneClock},
		{sentence: "recorded time does not go back over the opening again", run: timeAfterReopen, claims: oneClock},
	}
}

func recordedTime(b *bed) {
	if now := b.store.Clock().Now(); !now.Equal(b.clock.Now()) {
		b.Errorf("the engine's clock says %v, and it was given one at %v", now, b.clock.Now())
	}
	for i, step := range []time.Duration{0, time.Hour, time.Microsecond, 123456789 * time.Nanosecond, 400 * 24 * time.Hour} {
		b.clock.move(step)
		b.ok(put("order-1", deed.Version(i), fmt.Sprint(i)))
		r := b.read(deed.Query{Stream: "order-1", AfterVersion: deed.Version(i)})[0]
		if off := r.Time.Sub(b.clock.Now()).Abs(); off >= time.Microsecond {
			b.Errorf("recorded at %v, and the clock said %v", r.Time, b.clock.Now())
		}
		if r.Time.Location() != time.UTC || r.Time.Nanosecond()%1000 != 0 {
			b.Errorf("recorded time is %v, want UTC to the microsecond", r.Time)
		}
	}
}

func oneTimeAnAppend(b *bed) {
	b.ok(batch(write("order-1", 0, "a", "b"), write("order-2", 0, "c")))
	for _, r := range b.log() {
		if !r.Time.Equal(b.clock.Now()) {
			b.Errorf("%s is recorded at %v, want %v", r.ID, r.Time, b.clock.Now())
		}
	}
}

func timeNeverGoesBack(b *bed) {
	for i, step := range []time.Duration{0, time.Hour, -2 * time.Hour, time.Minute, -time.Minute, 3 * time.Hour, -100 * time.Hour} {
		b.clock.move(step)
		b.ok(put(deed.StreamID(fmt.Sprint("order-", i%2)), deed.Any, fmt.Sprint(i)))
	}
	b.inOrderOfTime()
}

func timeAfterReopen(b *bed) {
	b.ok(put("order-1", 0, "a"))
	b.clock.move(-24 * time.Hour)
	b.reopen()
	b.ok(put("order-2", 0, "b"))
	b.inOrderOfTime()
}

// inOrderOfTime checks that recorded times do not go back from a record to the next.
func (b *bed) inOrderOfTime() {
	b.Helper()
	log := b.log()
	for i, r := range log {
		if i > 0 && r.Time.Before(log[i-1].Time) {
			b.Errorf("%s is recorded at %v, and the one before at %v", brief(r), r.Time, log[i-1].Time)
		}
	}
}
