package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// Two handles stand for two processes: they have nothing in common but the database.

// racers is how many goroutines append at each handle, and races how often each.
const (
	racers = 8
	races  = 30
)

func TestTwoProcessesRaceAndNeitherLosesOrBreaksAnything(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	handles := []*postgres.DB{opened(t, o), opened(t, o)}
	ctx := within(t)
	var stored, refused atomic.Int64
	var wg sync.WaitGroup
	for w := range 2 * racers {
		wg.Go(func() {
			db := handles[w%2]
			for i := range races {
				b := raceBatch(w, i)
				_, err := db.Append(ctx, b)
				switch {
				case err == nil:
					stored.Add(int64(len(b.Writes)))
				case errors.Is(err, deed.ErrConflict):
					refused.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	followed := make(chan []deed.Record, 2)
	for _, db := range handles {
		go func() { followed <- follow(t, db) }()
	}
	wg.Wait()
	appended(t, handles[0], write("end-1", 0, "end"))
	first, second := <-followed, <-followed
	if got := int64(len(first)) - 1; got != stored.Load() {
		t.Errorf("%d events are in the log, and %d were acknowledged", got, stored.Load())
	}
	if len(second) != len(first) {
		t.Errorf("one follower saw %d events, the other %d", len(first), len(second))
	}
	if refused.Load() == 0 {
		t.Error("nothing was refused, so nothing raced")
	}
	holdsRules(t, first)
}

// raceBatch is an append by one of the ways to compete: for a tag, for the next version of a shared stream, or not at all.
func raceBatch(w, i int) deed.Batch {
	id := fmt.Sprintf("e-%d-%d", w, i)
	switch i % 3 {
	case 0: // of all who want the tag one may have it
		tag := fmt.Sprintf("email:%d", i)
		return deed.Batch{
			Writes: []deed.Write{{Stream: deed.Stream("user", id), Events: []deed.NewEvent{event(id, tag)}}},
			Checks: []deed.Check{{Match: []deed.Match{{Types: []string{"noted"}, Tags: []string{tag}}}}},
		}
	case 1: // and of all who want the version
		return write("shared-1", deed.Version(i/3), id)
	}
	return write(deed.Stream("own", fmt.Sprint(w)), deed.Any, id)
}

// follow takes records until the end of the race, and checks what holds for every sequence.
func follow(t *testing.T, db *postgres.DB) (seen []deed.Record) {
	for r, err := range db.Read(within(t), deed.Query{Follow: true}) {
		if err != nil {
			t.Errorf("after %d: %v", len(seen), err)
			return seen
		}
		if want := deed.Position(len(seen) + 1); r.Position != want {
			t.Errorf("followed to position %d, want %d", r.Position, want)
			return seen
		}
		if seen = append(seen, r); r.ID == "end" {
			return seen
		}
	}
	return seen
}

// holdsRules checks that no condition was granted twice, that versions have no gaps, and that time does not go back.
func holdsRules(t *testing.T, log []deed.Record) {
	t.Helper()
	versions, tags := map[deed.StreamID]deed.Version{}, map[string]string{}
	for i, r := range log {
		versions[r.Stream]++
		if r.Version != versions[r.Stream] {
			t.Errorf("%s has version %d at place %d", r.Stream, r.Version, versions[r.Stream])
		}
		if i > 0 && r.Time.Before(log[i-1].Time) {
			t.Errorf("%s is recorded before the one in front of it", r.ID)
		}
		for _, tag := range r.Tags {
			if tags[tag] != "" {
				t.Errorf("%s and %s both have %s", tags[tag], r.ID, tag)
			}
			tags[tag] = r.ID
		}
	}
}

func TestWhatOneProcessDoesTheOtherSeesAtOnce(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	seesAtOnce(t, opened(t, o), opened(t, o))
}

func TestWhatOneProcessDoesTheOtherSeesAtOnceInParallel(t *testing.T) {
	t.Parallel()
	_, handles := parallel(t, 2)
	seesAtOnce(t, handles[0], handles[1])
}

func seesAtOnce(t *testing.T, one, other *postgres.DB) {
	t.Helper()
	var last deed.Receipt
	for i := range 20 {
		b := write("order-1", deed.Version(2*i), fmt.Sprint("a", i))
		b.Command = deed.CommandRef{ID: fmt.Sprint("c", i), Hash: "h"}
		b.Writes[0].Events[0].Type = fmt.Sprintf("kind-%d", i)
		appended(t, one, b)
		if got := ids(t, other, deed.Query{Match: []deed.Match{{Types: []string{fmt.Sprintf("kind-%d", i)}}}}); len(got) != 1 {
			t.Fatalf("the other process sees %v of the kind", got)
		}
		if _, known, err := other.Outcome(t.Context(), b.Command); err != nil || !known {
			t.Fatalf("the command is known: %v, %v", known, err)
		}
		r, err := other.Append(t.Context(), b)
		if err != nil || !r.Again {
			t.Fatalf("the same command at the other process: %+v, %v", r, err)
		}
		var conflict *deed.ConflictError
		if _, err := other.Append(t.Context(), write("order-1", deed.Version(2*i), "x")); !errors.As(err, &conflict) || conflict.Actual != deed.Version(2*i+1) {
			t.Fatalf("a stale version at the other process: %v", err)
		}
		last = appended(t, other, write("order-1", deed.Version(2*i+1), fmt.Sprint("b", i)))
	}
	if head, err := one.Head(t.Context()); err != nil || head != last.Position || last.Version() != 40 {
		t.Errorf("the log ends at %d, %v", head, err)
	}
}

func TestAViewIsWaitedForInAnotherProcess(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	one, other := opened(t, o), opened(t, o)
	view := deed.ViewRef{Name: "notes", Version: 1}
	if _, err := one.OpenView(t.Context(), deed.ViewSpec{ViewRef: view}); err != nil {
		t.Fatal(err)
	}
	reached := make(chan error, 1)
	go func() {
		_, err := other.WaitView(within(t), view, 7)
		reached <- err
	}()
	err := one.CommitView(t.Context(), deed.ViewCommit{View: view, Checkpoint: deed.Checkpoint{Log: "l", Incarnation: 1, Position: 7}})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-reached; err != nil {
		t.Error(err)
	}
}
