package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
	"github.com/deed-es/deed/examples/shop/drive"
	"github.com/deed-es/deed/postgres"
)

// The tests run themselves again as processes that stop themselves: that is how one stops in the middle of something, and not nearly.
const (
	playing = "DEED_CHAOS_PLAYS"  // what such a process does
	storeAt = "DEED_CHAOS_STORE"  // URL
	schema  = "DEED_CHAOS_SCHEMA" // of the tables
)

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	switch play := os.Getenv(playing); play {
	case "":
		os.Exit(m.Run())
	case "appender":
		err = playAppender()
	case "projection", "process":
		err = playNode(play)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// play starts this test as another process, and returns what it says, line by line.
func play(t *testing.T, what string, s *server, in string) (*drive.Child, <-chan string) {
	t.Helper()
	program, err := os.Executable()
	must(t, err)
	read, write, err := os.Pipe()
	must(t, err)
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), playing+"="+what, storeAt+"="+s.url(), schema+"="+in)
	cmd.Stdout = write
	c, err := drive.Begin(cmd, syscall.SIGKILL)
	must(t, err)
	must(t, write.Close())
	t.Cleanup(func() { c.Kill(os.Kill) })
	lines := make(chan string, 64)
	go func() {
		defer read.Close()
		defer close(lines)
		for s := bufio.NewScanner(read); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return c, lines
}

// hear waits until a process says something that begins with a word, and returns the rest.
func hear(t *testing.T, c *drive.Child, lines <-chan string, word string) string {
	t.Helper()
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				<-c.Ended
				t.Fatalf("the process has ended before it said %q: %v\n%s", word, c.Result, c.Said())
			}
			if rest, found := strings.CutPrefix(line, word); found {
				return strings.TrimSpace(rest)
			}
		case <-timer.C:
			t.Fatalf("the process does not say %q\n%s", word, c.Said())
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openLog(ctx context.Context, clock deed.Clock) (*postgres.DB, error) {
	return postgres.Open(ctx, os.Getenv(storeAt), &postgres.Options{Schema: os.Getenv(schema), Clock: clock})
}

// stops is a clock that stops its process when it is asked for the time, once for each time it is armed. A group asks when it has the
// log's lock.
type stops struct {
	deed.Clock
	armed atomic.Bool
}

func (s *stops) Now() time.Time {
	if s.armed.Swap(false) {
		fmt.Fprintln(os.Stdout, "stops")
		_ = stopMyself()
	}
	return s.Clock.Now()
}

// playAppender appends, and stops in the middle of it; when it goes on it tries the same again until that is stored, and then the next.
func playAppender() error {
	ctx := context.Background()
	clock := &stops{Clock: deed.SystemClock()}
	db, err := openLog(ctx, clock)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		clock.armed.Store(true)
		b := deed.Batch{Writes: []deed.Write{{
			Stream: "stopped-1", Version: deed.Version(i), Events: []deed.NewEvent{{ID: fmt.Sprint("stopped", i), Type: "noted", Data: []byte("{}")}},
		}}}
		for { // the transaction is lost; perhaps it was begun anew already
			if _, err := db.Append(ctx, b); err == nil {
				break
			}
		}
		fmt.Fprintln(os.Stdout, "stored")
	}
}

const stopping = "stop" // who handles this cart in a process of its own is stopped while it does

var once sync.Once

func stopAt(id string) {
	if id == stopping {
		once.Do(func() {
			fmt.Fprintln(os.Stdout, "stops")
			_ = stopMyself()
		})
	}
}

// gift puts one thing into each new cart.
var gift = deed.Process[int, cart.Event]{
	Name: "gift", Events: []cart.Event{cart.Opened{}}, Key: func(r deed.Recorded[cart.Event]) string { return r.Stream.ID() },
	Evolve: func(n int, _ deed.Recorded[cart.Event]) int { return n + 1 },
	React: func(_ int, r deed.Recorded[cart.Event]) []deed.Effect {
		return []deed.Effect{cart.Decider.Send(r.Stream.ID(), cart.AddItem{SKU: "gift"})}
	},
}

// told says when a commit is fenced, and lets none of them be given up, nor fail for a connection that was lost meanwhile: so the store
// alone is between a node that was stopped and its commit.
type told struct{ *postgres.DB }

func (d told) CommitView(ctx context.Context, c deed.ViewCommit) error {
	ctx = context.WithoutCancel(ctx)
	return say(func() error { return d.DB.CommitView(ctx, c) })
}

func (d told) CommitPart(ctx context.Context, c deed.PartCommit) error {
	ctx = context.WithoutCancel(ctx)
	return say(func() error { return d.DB.CommitPart(ctx, c) })
}

func say(commit func() error) error {
	err := commit()
	for try := 0; err != nil && !errors.Is(err, deed.ErrFenced) && !errors.Is(err, deed.ErrConflict) && try < 10; try++ {
		err = commit()
	}
	if errors.Is(err, deed.ErrFenced) {
		fmt.Fprintln(os.Stdout, "fenced", err)
	}
	return err
}

const shortLease = time.Second

// playNode runs a service that is stopped within a step of the projection, or of the process.
func playNode(which string) error {
	ctx := context.Background()
	db, err := openLog(ctx, nil)
	if err != nil {
		return err
	}
	lines, process := cart.Summaries, gift
	if which == "projection" {
		lines.Evolve = func(v cart.Summary, r deed.Recorded[cart.Event]) cart.Summary {
			stopAt(r.Stream.ID())
			return cart.Summaries.Evolve(v, r)
		}
	} else {
		process.Evolve = func(n int, r deed.Recorded[cart.Event]) int {
			stopAt(r.Stream.ID())
			return gift.Evolve(n, r)
		}
	}
	store := told{db}
	config := deed.Config{Store: store, Views: store, Node: "stopped", LeaseTTL: shortLease, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	service, err := deed.NewService(config, cart.Decider, lines, process)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "begins")
	return service.Run(ctx)
}
