package sqlite_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deed-es/deed"
)

// TestEveryWayToReadGivesWhatAPlainFilterGives walks over queries on a log in which some tags, types and categories are
// rare and some are everywhere, so that all plans are taken, in both directions and across pages.
func TestEveryWayToReadGivesWhatAPlainFilterGives(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	size, rounds := 4000, 120
	if testing.Short() {
		size, rounds = 2500, 40
	}
	for name, db := range map[string]deed.Engine{"file": fresh(t), "memory": inMemory(t, nil)} {
		t.Run(name, func(t *testing.T) {
			for n := 0; n < size; {
				var b deed.Batch
				for range 1 + random.IntN(3) {
					w := deed.Write{Stream: deed.Stream(pick(random, "order", "user", "rare"), number("", random.IntN(40))), Version: deed.Any}
					if slices.ContainsFunc(b.Writes, func(other deed.Write) bool { return other.Stream == w.Stream }) {
						continue
					}
					for range 1 + random.IntN(80) {
						n++
						e := event(number("e", n), "all")
						e.Type = pick(random, "often", "sometimes", "seldom")
						e.Tags = append(e.Tags, "ten:"+number("", n%10), "hundred:"+number("", random.IntN(100)), pick(random, "a", "b", "c"))
						w.Events = append(w.Events, e)
					}
					b.Writes = append(b.Writes, w)
				}
				appended(t, db, b)
			}
			var all []deed.Record
			for r, err := range db.Read(t.Context(), deed.Query{}) {
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, r)
			}
			for range rounds {
				q := randomQuery(random, len(all))
				want := filter(q, all)
				var got []string
				for r, err := range db.Read(t.Context(), q) {
					if err != nil {
						t.Fatal(err)
					}
					if record := all[r.Position-1]; len(got)%50 == 0 && fmt.Sprintf("%+v", record) != fmt.Sprintf("%+v", r) {
						t.Fatalf("got %+v, and in the whole log %+v", r, record)
					}
					got = append(got, r.ID)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%+v gave %d events, want %d", q, len(got), len(want))
				}
				checkAgrees(t, db, q, all)
			}
		})
	}
}

// checkAgrees asks the same of a check, which reads through the writer.
func checkAgrees(t *testing.T, db deed.Engine, q deed.Query, all []deed.Record) {
	t.Helper()
	if len(q.Match) == 0 {
		return
	}
	first := filter(deed.Query{Match: q.Match, After: q.After, Limit: 1}, all)
	_, err := db.Append(t.Context(), deed.Batch{Checks: []deed.Check{{Match: q.Match, After: q.After}}})
	var broken *deed.CheckError
	if ok := errors.As(err, &broken); ok != (len(first) == 1) || ok && all[broken.Position-1].ID != first[0] {
		t.Fatalf("a check of %+v got %v, and %v is the first that matches", q, err, first)
	}
}

func filter(q deed.Query, all []deed.Record) []string {
	var ids []string
	for _, r := range all {
		if q.Selects(r) {
			ids = append(ids, r.ID)
		}
	}
	if q.Backward {
		slices.Reverse(ids)
	}
	if q.Limit > 0 && len(ids) > q.Limit {
		ids = ids[:q.Limit]
	}
	return ids
}

func randomQuery(random *rand.Rand, head int) deed.Query {
	q := deed.Query{Backward: random.IntN(2) == 0}
	switch random.IntN(4) {
	case 0:
		q.Stream = deed.Stream(pick(random, "order", "user", "rare"), number("", random.IntN(40)))
		if random.IntN(2) == 0 {
			q.AfterVersion = deed.Version(random.IntN(100))
		}
	case 1:
		q.Category = pick(random, "order", "user", "rare", "nobody")
	}
	for range random.IntN(3) {
		var m deed.Match
		for range random.IntN(3) {
			m.Types = append(m.Types, pick(random, "often", "sometimes", "seldom", "never"))
		}
		for range random.IntN(3) {
			m.Tags = append(m.Tags, pick(random, "all", "ten:3", "ten:4", "hundred:17", "hundred:18", "a", "none"))
		}
		q.Match = append(q.Match, m)
	}
	if random.IntN(3) == 0 {
		q.After = deed.Position(random.IntN(head + 10))
	}
	if random.IntN(3) == 0 {
		q.Before = deed.Position(random.IntN(head + 10))
	}
	if random.IntN(4) == 0 {
		q.Limit = 1 + random.IntN(300)
	}
	return q
}

// pick returns one of the words, earlier ones more often.
func pick(random *rand.Rand, words ...string) string {
	for _, w := range words {
		if random.IntN(3) > 0 {
			return w
		}
	}
	return words[len(words)-1]
}
