package deed_test

import (
	"math"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// A record that cannot be handled stops its part: what came before it is committed, the status says which and why, and the
// other parts go on. Mended, the part goes on where it stopped, and each event counts once.
func TestProjectionStops(t *testing.T) {
	type row struct {
		Sum   float64 `json:"sum"`
		Inner *row    `json:"inner,omitempty"`
	}
	sums := deed.Projection[row, deed.Event]{
		Name:   "sums",
		Events: accountEvents,
		Route: func(r deed.Recorded[deed.Event]) []deed.Target {
			return []deed.Target{deed.ToKey("all"), deed.ToKey(r.Stream.ID())} // two rows, to see that both or none change
		},
		Evolve: func(s row, r deed.Recorded[deed.Event]) row {
			s.Sum += float64(r.Event.(paid).Amount)
			return s
		},
	}
	unlucky := func(r deed.Recorded[deed.Event]) bool { return r.Event.(paid).Amount == 13 }
	for _, c := range []struct {
		name, why string
		faulty    func(p *deed.Projection[row, deed.Event])
	}{
		{"a panic in Evolve", "panic: unlucky", func(p *deed.Projection[row, deed.Event]) {
			evolve := p.Evolve
			calls := 0
			p.Evolve = func(s row, r deed.Recorded[deed.Event]) row {
				if unlucky(r) {
					if calls++; calls%2 == 0 { // at the second row
						panic("unlucky")
					}
				}
				return evolve(s, r)
			}
		}},
		{"a panic in Route", "panic: unlucky", func(p *deed.Projection[row, deed.Event]) {
			route := p.Route
			p.Route = func(r deed.Recorded[deed.Event]) []deed.Target {
				if unlucky(r) {
					panic("unlucky")
				}
				return route(r)
			}
		}},
		{"a key that can be none", "an id is", func(p *deed.Projection[row, deed.Event]) {
			route := p.Route
			p.Route = func(r deed.Recorded[deed.Event]) []deed.Target {
				if unlucky(r) {
					return []deed.Target{deed.ToKey("all"), deed.ToKey("a/b")}
				}
				return route(r)
			}
		}},
		{"a target by a field without an index", "not an index field", func(p *deed.Projection[row, deed.Event]) {
			route := p.Route
			p.Route = func(r deed.Recorded[deed.Event]) []deed.Target {
				if unlucky(r) {
					return []deed.Target{deed.ToKey("all"), deed.ToWhere("sum", 1)}
				}
				return route(r)
			}
		}},
		{"a row that cannot be encoded", "unsupported value: NaN", func(p *deed.Projection[row, deed.Event]) {
			evolve := p.Evolve
			p.Evolve = func(s row, r deed.Recorded[deed.Event]) row {
				s = evolve(s, r)
				if unlucky(r) {
					s.Sum = math.NaN()
				}
				return s
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, before := range map[string]bool{"that are there when it starts": true, "that come one by one": false} {
				t.Run("in events "+name, func(t *testing.T) {
					file := inFile(t)
					faulty := sums
					c.faulty(&faulty)
					amounts := []int{1, 2, 13, 4}
					file.during(func(db *sqlite.DB) {
						pay := func(s *running) {
							for _, amount := range amounts {
								tell(t, db, told{"account-1", paid{amount}})
								if s != nil {
									s.settle()
								}
							}
						}
						if before {
							pay(nil)
						}
						s := strict(t, db, accounts, faulty, lines)
						defer s.stop()
						if !before {
							pay(s)
						}
						s.settle()
						part := s.part("sums")
						want(t, "state", part.State, deed.StateStopped)
						want(t, "ready", part.Ready, false)
						want(t, "position", part.Position, 2)
						want(t, "lag", part.Lag, 2)
						want(t, "record", part.Record, &deed.FailedRecord{Position: 3, Stream: "account-1", Type: "account-paid"})
						if !strings.Contains(part.Error, c.why) || !strings.Contains(part.Error, "account-paid at position 3 (account-1)") {
							t.Errorf("the status says %q, want which record and %q", part.Error, c.why)
						}
						for _, key := range []string{"all", "1"} {
							got, err := faulty.View(db).Get(bounded(t), key, 2)
							must(t, err)
							want(t, key, got, row{Sum: 3})
						}
						want(t, "the other part", s.part("lines").State, deed.StateLive)
					})
					file.served([]deed.Part{accounts, sums, lines}, func(s *running, db *sqlite.DB) {
						s.settle()
						want(t, "state", s.part("sums").State, deed.StateLive)
						for _, key := range []string{"all", "1"} {
							got, err := sums.View(db).Get(bounded(t), key, 4)
							must(t, err)
							want(t, key, got, row{Sum: 20})
						}
					})
				})
			}
		})
	}
	t.Run("data that is not the event's JSON", func(t *testing.T) {
		db, _ := memory(t)
		write(t, db, "account-1", "account-paid", `{"amount":1}`)
		write(t, db, "account-1", "account-paid", `{"amount":"x"}`)
		s := strict(t, db, lines)
		s.settle()
		part := s.part("lines")
		want(t, "state", part.State, deed.StateStopped)
		want(t, "record", part.Record, &deed.FailedRecord{Position: 2, Stream: "account-1", Type: "account-paid"})
		got, err := lines.View(db).Get(bounded(t), "1", 1)
		must(t, err)
		want(t, "row", got, line{Balance: 1, Payments: 1})
	})
	t.Run("a panic while decoding", func(t *testing.T) {
		db, _ := memory(t)
		p := deed.Projection[int, deed.Event]{
			Name: "explosives", Events: []deed.Event{explosive{}}, Key: ownID[deed.Event],
			Evolve: func(n int, _ deed.Recorded[deed.Event]) int { return n + 1 },
		}
		write(t, db, "thing-1", "explosive", `{}`)
		s := strict(t, db, p)
		s.settle()
		want(t, "state", s.part("explosives").State, deed.StateStopped)
	})
}

// explosive cannot be decoded.
type explosive struct{ N int }

func (explosive) EventType() string             { return "explosive" }
func (e *explosive) UnmarshalJSON([]byte) error { panic("bang") }

// A broken reader must not look like one that has nothing more to tell.
func TestFollowingEndsWithAnError(t *testing.T) {
	db, _ := memory(t)
	s, err := deed.NewService(deed.Config{Store: db, Views: db, Log: once{db}}, lines)
	must(t, err)
	write(t, db, "account-1", "account-paid", `{"amount":1}`)
	r := startService(t, db, s)
	r.settle()
	want(t, "state", r.part("lines").State, deed.StateRetrying)
}
