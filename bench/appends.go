package main

import (
	"context"
	"fmt"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

func (b *bench) appends(ctx context.Context) error {
	t := newTable(b.out, "appends", `One event of 256 bytes is appended, to a stream of its own, and flushed; each appender waits for one before the next. The
reference is a bare loop that inserts what waits into the same table and checks nothing; the ratio is deed's rate to the
loop's, so 1.00 is as fast. A group is the events stored with one flush.`,
		"added", "appenders", "   deed/s", "bare loop/s", "ratio", "deed's group", "loop's group")
	for i, d := range b.disks {
		for _, appenders := range b.appenders(i == 0) {
			s, err := inTurn(b.rounds,
				way{"deed", func() (sample, error) { return appendDeed(ctx, d, appenders, b.span) }},
				way{"bare loop", func() (sample, error) { return appendBare(d, appenders, b.span) }})
			if err != nil {
				return err
			}
			ours, bare := s.median(0), s.median(1)
			t.row(d.wait.String(), fmt.Sprint(appenders), whole(ours.rate), whole(bare.rate), times(s.ratio(0, 1)), group(ours.group), group(bare.group))
		}
	}
	return nil
}

// appenders is how many append at once, on the machine's own disk and on slower ones.
func (b *bench) appenders(own bool) []int {
	if own {
		return []int{1, 64, 256}
	}
	return []int{1, 64}
}

func appendDeed(ctx context.Context, d *disk, appenders int, span time.Duration) (sample, error) {
	return withLog(d, func(_ string, db *sqlite.DB) (sample, error) {
		return appendTo(ctx, db, d, appenders, span, inOrder)
	})
}

// appendTo appends to streams of these names, which must all be new.
func appendTo(ctx context.Context, db *sqlite.DB, d *disk, appenders int, span time.Duration, name func(worker, n int) string) (sample, error) {
	return load(d, appenders, span, func(worker, n int) error {
		stream := deed.Stream("bench", name(worker, n))
		_, err := db.Append(ctx, deed.Batch{Writes: []deed.Write{{Stream: stream, Events: []deed.NewEvent{newEvent()}}}})
		return err
	})
}

func appendBare(d *disk, appenders int, span time.Duration) (sample, error) {
	return withBare(d, func(l *bareLoop) (sample, error) {
		return load(d, appenders, span, func(worker, n int) error {
			return l.put(deed.Stream("bench", inOrder(worker, n)), payload)
		})
	})
}
