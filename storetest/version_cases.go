package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/deed-es/deed"
)

// versionCases are about which versions of a view there are, and which of them is read.
func versionCases() []viewCase {
	return []viewCase{
		{"views are listed by name and version, from the opening until they are dropped", viewsAreListed},
		{"nobody has said at first which version of a view is read", nobodySaid},
		{"the version that is read is what was said last, with its partitions, of each view", readAsSaid},
		{"who is wrong about the version that is read gets a conflict and changes nothing", readFromElsewhere},
		{"the same number with other partitions is another version", partitionsCount},
		{"a version is read whether it is there or not, and still when it is dropped", readIsNotThere},
		{"what is read and which views there are outlives the opening again", readOutlivesReopen},
		{"of those who change at once what is read exactly one does", readersContest},
		{"who was told that a version is read is never told of the one before", readNeverGoesBack},
		{"a view without a valid name is not read", readNeedsAName},
	}
}

func version(number, partitions int) deed.ViewVersion {
	return deed.ViewVersion{Version: number, Partitions: partitions}
}

// reads has another version be read.
func (b *viewBed) reads(name string, from, to deed.ViewVersion) {
	b.Helper()
	if err := b.views.ReadView(b.ctx, name, from, to); err != nil {
		b.Fatalf("read %s at %+v in place of %+v: %v", name, to, from, err)
	}
}

// isRead checks which version is read.
func (b *viewBed) isRead(name string, want deed.ViewVersion) {
	b.Helper()
	if got, err := b.views.ViewRead(b.ctx, name); err != nil || got != want {
		b.Fatalf("of %s is read %+v, %v, want %+v", name, got, err, want)
	}
}

// listed checks which views there are.
func (b *viewBed) listed(want ...deed.ViewRef) {
	b.Helper()
	got, err := b.views.ListViews(b.ctx)
	if err != nil || !slices.Equal(got, want) {
		b.Fatalf("the views are %v, %v, want %v", got, err, want)
	}
}

func viewsAreListed(b *viewBed) {
	b.listed()
	names := []string{"B", "a", "a-b", "a.0of2", "a.1of2", "aa", "ab", "b"} // in the order of their bytes, whatever the language
	var all []deed.ViewRef
	for _, name := range names {
		for _, v := range []int{1, 2, 10} {
			all = append(all, deed.ViewRef{Name: name, Version: v})
		}
	}
	for i := range all {
		b.make(deed.ViewSpec{ViewRef: all[len(all)-1-i], Log: b.log})
	}
	b.listed(all...)
	b.make(deed.ViewSpec{ViewRef: all[0], Log: b.log})
	b.commit(all[0], 0, 1, row("k", 1))
	b.listed(all...)
	if err := b.views.DropView(b.ctx, all[1]); err != nil {
		b.Fatalf("drop: %v", err)
	}
	left := slices.Delete(slices.Clone(all), 1, 2)
	b.listed(left...)
	b.reads("never-opened", version(0, 0), version(1, 1))
	b.listed(left...)
	b.make(deed.ViewSpec{ViewRef: all[1], Log: b.log})
	b.listed(all...)
}

func nobodySaid(b *viewBed) {
	b.isRead("carts", version(0, 0))
	b.make(b.cart())
	b.commit(b.cart().ViewRef, 0, 1)
	b.isRead("carts", version(0, 0))
}

func readAsSaid(b *viewBed) {
	b.reads("carts", version(0, 0), version(1, 1))
	b.reads("orders", version(0, 0), version(7, 3))
	b.isRead("carts", version(1, 1))
	b.isRead("orders", version(7, 3))
	b.reads("carts", version(1, 1), version(2, 4))
	b.isRead("carts", version(2, 4))
	b.isRead("orders", version(7, 3))
	b.reads("carts", version(2, 4), version(1, 1)) // taken back
	b.isRead("carts", version(1, 1))
	b.reads("carts", version(1, 1), version(1, 1))
	b.isRead("carts", version(1, 1))
}

// refusedRead checks that a change of what is read is a conflict.
func (b *viewBed) refusedRead(name string, from, to deed.ViewVersion) {
	b.Helper()
	if err := b.views.ReadView(b.ctx, name, from, to); !errors.Is(err, deed.ErrConflict) {
		b.Fatalf("read %s at %+v in place of %+v: %v, want ErrConflict", name, to, from, err)
	}
}

func readFromElsewhere(b *viewBed) {
	b.refusedRead("carts", version(1, 1), version(2, 1))
	b.isRead("carts", version(0, 0))
	b.reads("carts", version(0, 0), version(2, 1))
	for _, wrong := range []deed.ViewVersion{version(0, 0), version(1, 1), version(3, 1)} {
		b.refusedRead("carts", wrong, version(4, 1))
		b.refusedRead("carts", wrong, version(2, 1))
	}
	b.isRead("carts", version(2, 1))
}

func partitionsCount(b *viewBed) {
	b.reads("carts", version(0, 0), version(1, 1))
	b.refusedRead("carts", version(1, 3), version(2, 3))
	b.reads("carts", version(1, 1), version(1, 3))
	b.refusedRead("carts", version(1, 1), version(2, 1))
	b.isRead("carts", version(1, 3))
}

func readIsNotThere(b *viewBed) {
	b.reads("carts", version(0, 0), version(1, 1))
	b.isRead("carts", version(1, 1))
	b.make(b.cart())
	b.isRead("carts", version(1, 1))
	if err := b.views.DropView(b.ctx, b.cart().ViewRef); err != nil {
		b.Fatalf("drop: %v", err)
	}
	b.isRead("carts", version(1, 1))
}

func readOutlivesReopen(b *viewBed) {
	b.make(b.cart())
	b.reads("carts", version(0, 0), version(1, 1))
	b.reads("carts", version(1, 1), version(2, 3))
	b.reopen()
	b.isRead("carts", version(2, 3))
	b.listed(b.cart().ViewRef)
	b.refusedRead("carts", version(1, 1), version(3, 1))
	b.reads("carts", version(2, 3), version(1, 1))
}

func readersContest(b *viewBed) {
	const at, rounds = 8, 10
	from := version(0, 0)
	for round := range rounds {
		var won atomic.Int64
		var running sync.WaitGroup
		for i := range at {
			to := version(1+round*at+i, 1)
			running.Go(func() {
				err := b.views.ReadView(b.ctx, "carts", from, to)
				switch {
				case err == nil && !won.CompareAndSwap(0, int64(to.Version)):
					b.Errorf("both %d and %d took the place of %d", won.Load(), to.Version, from.Version)
				case err != nil && !errors.Is(err, deed.ErrConflict):
					b.Errorf("read version %d: %v", to.Version, err)
				}
			})
		}
		running.Wait()
		from = version(int(won.Load()), 1)
		b.isRead("carts", from)
	}
}

func readNeverGoesBack(b *viewBed) {
	const last = 50
	b.reads("carts", version(0, 0), version(1, 1))
	var running sync.WaitGroup
	defer running.Wait()
	for i := range 4 {
		running.Go(func() {
			for seen := 1; seen < last && b.ctx.Err() == nil; {
				got, err := b.views.ViewRead(b.ctx, "carts")
				if err != nil || got.Version < seen || got.Partitions != got.Version {
					b.Errorf("reader %d was told %+v, %v, after version %d", i, got, err, seen)
					return
				}
				seen = got.Version
			}
		})
	}
	for v := 1; v < last; v++ {
		b.reads("carts", version(v, v), version(v+1, v+1))
		b.isRead("carts", version(v+1, v+1))
	}
}

func readNeedsAName(b *viewBed) {
	for _, name := range []string{"", "a/b", "a\x00", fmt.Sprintf("%0256d", 1)} {
		var invalid *deed.InvalidError
		if err := b.views.ReadView(b.ctx, name, version(0, 0), version(1, 1)); !errors.As(err, &invalid) {
			b.Errorf("the name %.20q: %v, want an InvalidError", name, err)
		}
	}
}
