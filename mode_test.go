package deed_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

var standardMode = flag.String("mode", "async", "what the projections of these tests are that say nothing: async, inline or live")

func TestMain(m *testing.M) {
	flag.Parse()
	mode, known := map[string]deed.Mode{"async": deed.Async, "inline": deed.Inline, "live": deed.Live}[*standardMode]
	if !known {
		fmt.Fprintf(os.Stderr, "there is no mode %q\n", *standardMode)
		os.Exit(2)
	}
	deed.SetStandard(mode)
	os.Exit(m.Run())
}

// The tests of Async projections hold for Inline and Live ones: they are run again, in a process of their own, with all
// projections in that mode.
func TestModesAreAlike(t *testing.T) {
	if *standardMode != "async" {
		t.Skip("this is the process of its own")
	}
	// Left out for Live is what is about rows that are stored, or about a View that knows the service's codec or limits.
	for mode, skip := range map[string]string{
		"inline": "^$",
		"live":   "TestCodec|TestProjectionStops|^TestProjection$/is_made_anew|^TestParkedRows$/are_folded_on_retry|^TestViewWaits$/until_the_caller|^TestViewUnsigned$/greater_ones_stop",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			run := "^(TestProjection|TestProjectionStops|TestRoute|TestView(List|Times|Unsigned|Waits|sByName)|TestParkedRows.*|TestCodec)$"
			out, err := exec.CommandContext(bounded(t), os.Args[0],
				"-test.run", run, "-test.skip", skip, "-test.v", "-test.timeout", "2m", "-mode", mode).CombinedOutput()
			passed := strings.Count(string(out), "--- PASS")
			t.Logf("%d tests passed with all projections %s", passed, mode)
			if err != nil || passed < 20 {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// An Inline row is there when the append is acknowledged, whether the service runs or not.
func TestInlineNeedsNoLoop(t *testing.T) {
	db, _ := memory(t)
	p := lines
	p.Mode = deed.Inline
	s := newService(t, db, accounts, p)
	view := p.View(db)
	for i := range 10 {
		_, err := s.Dispatch(bounded(t), "account-1", "open", []byte(`{"owner":"ann"}`))
		must(t, err)
		_, err = s.Dispatch(bounded(t), "account-1", "pay", []byte(`{"amount":5}`))
		must(t, err)
		ctx, cancel := context.WithCancel(bounded(t))
		cancel()
		rows, err := view.List(bounded(t), nil, deed.Page{}, 0)
		must(t, err)
		want(t, "rows", rows.Rows, []deed.KeyedRow[line]{{Key: "1", Position: deed.Position(i + 2), Row: line{"ann", 5 * (i + 1), i + 1}}})
		if _, err := s.Views().Position(ctx, "lines", deed.Position(i+2)); err != nil {
			t.Fatalf("the view has to be waited for: %v", err)
		}
	}
}

// A view that becomes Inline over a log that has events already is brought up first, while others append.
func TestBecomingInline(t *testing.T) {
	file := inFile(t)
	file.served([]deed.Part{accounts, lines}, func(s *running, _ *sqlite.DB) {
		for i := range 50 {
			s.send(accounts.Send(id(i), open{"ann"}), accounts.Send(id(i), pay{i}))
		}
		s.settle()
	})
	p := lines
	p.Mode = deed.Inline
	file.served([]deed.Part{accounts, p}, func(s *running, db *sqlite.DB) {
		for i := range 50 {
			s.send(accounts.Send(id(i), pay{1}))
		}
		s.settle()
		want(t, "state", s.part("lines").State, deed.StateLive)
		for i := range 50 {
			got, err := p.View(db).Get(bounded(t), id(i), 0)
			must(t, err)
			n := 2
			if i == 0 {
				n = 1
			}
			want(t, "row", got, line{"ann", i + 1, n})
		}
	})
	t.Run("a program without it cannot append", func(t *testing.T) {
		file.during(func(db *sqlite.DB) {
			_, err := db.Append(bounded(t), deed.Batch{Writes: []deed.Write{{Stream: "account-1", Version: deed.Any, Events: []deed.NewEvent{{ID: deed.NewID(), Type: "account-paid", Data: []byte(`{}`)}}}}})
			if err == nil || !strings.Contains(err.Error(), "inline projection lines") {
				t.Errorf("append: %v, want an error that names the projection", err)
			}
			_, err = deed.NewService(deed.Config{Store: db, Views: db}, accounts)
			if err == nil || !strings.Contains(err.Error(), "inline projection lines") {
				t.Errorf("new service: %v, want an error that names the projection", err)
			}
		})
	})
	t.Run("made Async again it is what it was", func(t *testing.T) {
		file.served([]deed.Part{accounts, lines}, func(s *running, db *sqlite.DB) {
			s.send(accounts.Send("1", pay{1}))
			s.settle()
			got, err := lines.View(db).Get(bounded(t), "1", 0)
			must(t, err)
			want(t, "row", got, line{"ann", 3, 3})
			refs, err := db.ListInline(bounded(t))
			must(t, err)
			want(t, "inline views", len(refs), 0)
		})
	})
}

// A raised version of an Inline projection takes the place of the old one.
func TestInlineVersionRaised(t *testing.T) {
	file := inFile(t)
	p := lines
	p.Mode = deed.Inline
	file.served([]deed.Part{accounts, p}, func(s *running, _ *sqlite.DB) {
		s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{5}))
	})
	p.Version = 2
	p.Evolve = func(l line, r deed.Recorded[deed.Event]) line {
		l = l.evolve(r)
		l.Owner = strings.ToUpper(l.Owner)
		return l
	}
	file.served([]deed.Part{accounts, p}, func(s *running, db *sqlite.DB) {
		s.settle()
		s.send(accounts.Send("1", pay{1}))
		got, err := p.View(db).Get(bounded(t), "1", 3)
		must(t, err)
		want(t, "row", got, line{"ANN", 6, 2})
		refs, err := db.ListInline(bounded(t))
		must(t, err)
		want(t, "inline views", refs, []deed.ViewRef{{Name: "lines", Version: 2}})
	})
}
