package deed_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// audited is an event for all accounts of an owner.
type audited struct {
	Owner string `json:"owner"`
}

func (audited) EventType() string { return "owner-audited" }

// merged is an event for one account and for all of two owners.
type merged struct {
	Account string `json:"account"`
	A       string `json:"a"`
	B       string `json:"b"`
}

func (merged) EventType() string { return "owners-merged" }

type dossier struct {
	Owner  string `json:"owner"`
	Audits int    `json:"audits"`
}

var dossiers = deed.Projection[dossier, deed.Event]{
	Name:   "dossiers",
	Events: []deed.Event{opened{}, renamed{}, closed{}, audited{}, merged{}},
	Index:  []string{"owner"},
	Route: func(r deed.Recorded[deed.Event]) []deed.Target {
		switch e := r.Event.(type) {
		case audited:
			return []deed.Target{deed.ToWhere("owner", e.Owner)}
		case merged:
			return []deed.Target{deed.ToWhere("owner", e.A), deed.ToKey(e.Account), deed.ToWhere("owner", e.B), deed.ToKey(e.Account)}
		}
		return []deed.Target{deed.ToKey(r.Stream.ID())}
	},
	Evolve: func(d dossier, r deed.Recorded[deed.Event]) dossier {
		switch e := r.Event.(type) {
		case opened:
			d.Owner = e.Owner
		case renamed:
			d.Owner = e.Owner
		case closed:
			return dossier{}
		case audited, merged:
			d.Audits++
		}
		return d
	},
}

// told is an event on its way to a stream.
type told struct {
	stream deed.StreamID
	event  deed.Event
}

func tell(t testing.TB, db *sqlite.DB, events ...told) {
	t.Helper()
	for _, e := range events {
		data, err := json.Marshal(e.event)
		must(t, err)
		write(t, db, e.stream, e.event.EventType(), string(data))
	}
}

func dossiersOf(t testing.TB, db *sqlite.DB) map[string]dossier {
	t.Helper()
	rows, err := dossiers.View(db).List(bounded(t), nil, deed.Page{Limit: 1000}, 0)
	must(t, err)
	found := map[string]dossier{}
	for _, r := range rows.Rows {
		found[r.Key] = r.Row
	}
	return found
}

// eachWay folds events all in one step, each in a step of its own, and with a restart in between.
func eachWay(t *testing.T, events []told, expect map[string]dossier) {
	t.Run("in one step", func(t *testing.T) {
		db, _ := memory(t)
		tell(t, db, events...)
		s := start(t, db, dossiers)
		s.settle()
		want(t, "rows", dossiersOf(t, db), expect)
	})
	t.Run("step by step", func(t *testing.T) {
		db, _ := memory(t)
		s := start(t, db, dossiers)
		for _, e := range events {
			tell(t, db, e)
			s.settle()
		}
		want(t, "rows", dossiersOf(t, db), expect)
	})
	t.Run("with a restart", func(t *testing.T) {
		db, _ := memory(t)
		for _, part := range [][]told{events[:len(events)/2], events[len(events)/2:]} {
			s := start(t, db, dossiers)
			tell(t, db, part...)
			s.settle()
			s.stop()
		}
		want(t, "rows", dossiersOf(t, db), expect)
	})
}

func TestRoute(t *testing.T) {
	t.Run("reaches all rows with the value, as they are at that event", func(t *testing.T) {
		eachWay(t, []told{
			{"account-1", opened{"ann"}},
			{"account-2", opened{"ann"}},
			{"account-3", opened{"bob"}},
			{"owner-x", audited{"ann"}}, // 1 and 2
			{"account-2", renamed{"bob"}},
			{"owner-x", audited{"ann"}}, // 1
			{"owner-x", audited{"bob"}}, // 2 and 3
			{"account-1", closed{}},
			{"owner-x", audited{"ann"}},    // none
			{"account-1", opened{"ann"}},   // anew
			{"owner-x", audited{"ann"}},    // 1
			{"owner-x", audited{"nobody"}}, // none
		}, map[string]dossier{"1": {"ann", 1}, "2": {"bob", 2}, "3": {"bob", 1}})
	})
	t.Run("brings an event to a row once, however many targets name it", func(t *testing.T) {
		eachWay(t, []told{
			{"account-1", opened{"ann"}},
			{"account-2", opened{"ann"}},
			{"account-3", opened{"ann"}},
			{"account-4", opened{"bob"}},
			{"owner-x", merged{Account: "3", A: "ann", B: "ann"}},
			{"owner-x", merged{Account: "4", A: "ann", B: "bob"}},
			{"owner-x", merged{Account: "5", A: "nobody", B: "nobody"}}, // a row of its own
		}, map[string]dossier{"1": {"ann", 2}, "2": {"ann", 2}, "3": {"ann", 2}, "4": {"bob", 1}, "5": {"", 1}})
	})
	t.Run("is right for random events", func(t *testing.T) {
		random := rand.New(rand.NewPCG(3, 4))
		expect := map[string]dossier{}
		var events []told
		for range 300 / min(raceScale, 4) {
			account, owner := id(random.IntN(12)), id(random.IntN(3))
			stream := deed.Stream("account", account)
			d := expect[account]
			switch random.IntN(6) {
			case 0, 1:
				events = append(events, told{stream, opened{owner}})
				expect[account] = dossier{owner, d.Audits}
			case 2:
				events = append(events, told{stream, renamed{owner}})
				expect[account] = dossier{owner, d.Audits}
			case 3:
				events = append(events, told{stream, closed{}})
				delete(expect, account)
			default:
				events = append(events, told{"owner-x", audited{owner}})
				for key, d := range expect {
					if d.Owner == owner {
						expect[key] = dossier{d.Owner, d.Audits + 1}
					}
				}
			}
		}
		eachWay(t, events, expect)
	})
	t.Run("finds more rows than are read at once", func(t *testing.T) {
		db, _ := memory(t)
		s := start(t, db, dossiers)
		const n = 2100
		var b deed.Batch
		for i := range n {
			e := deed.NewEvent{ID: deed.NewID(), Type: "account-opened", Data: []byte(`{"owner":"ann"}`)}
			b.Writes = append(b.Writes, deed.Write{Stream: deed.Stream("account", id(i)), Events: []deed.NewEvent{e}})
			if len(b.Writes) == 700 {
				_, err := db.Append(bounded(t), b)
				must(t, err)
				b = deed.Batch{}
			}
		}
		s.settle()
		s.stop() // so that no row is held in memory
		s = start(t, db, dossiers)
		tell(t, db, told{"owner-x", audited{"ann"}})
		s.settle()
		view, seen := dossiers.View(db), 0
		for page := (deed.Page{Limit: 1000}); ; {
			rows, err := view.List(bounded(t), nil, page, 0)
			must(t, err)
			for _, r := range rows.Rows {
				want(t, r.Key, r.Row, dossier{"ann", 1})
				seen++
			}
			if page.Cursor = rows.Next; page.Cursor == "" {
				break
			}
		}
		want(t, "rows", seen, n)
	})
}
