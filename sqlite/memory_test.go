package sqlite_test

import (
	"sync"
	"testing"

	"github.com/deed-es/deed"
)

func TestManyWriteReadAndFollowInMemory(t *testing.T) {
	t.Parallel()
	db := inMemory(t, nil)
	const writers, each = 8, 40
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			stream := deed.Stream("a", number("", w))
			for i := range each {
				if _, err := db.Append(t.Context(), write(stream, deed.Version(i), number(number("e", w)+"-", i))); err != nil {
					t.Error(err)
				}
			}
			n := 0
			for r, err := range db.Read(t.Context(), deed.Query{Stream: stream}) {
				if n++; err != nil || r.Version != deed.Version(n) {
					t.Errorf("%+v, %v", r, err)
				}
			}
			if n != each {
				t.Errorf("%s has %d events", stream, n)
			}
		})
	}
	for range 4 {
		wg.Go(func() {
			next := deed.Position(1)
			for r, err := range db.Read(within(t), deed.Query{Follow: true, Limit: writers * each}) {
				if err != nil || r.Position != next {
					t.Errorf("got position %d, %v, want %d", r.Position, err, next)
				}
				next++
			}
		})
	}
	wg.Wait()
}
