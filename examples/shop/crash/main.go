// Command crash kills the shop under load again and again, and counts what is lost and what is there twice.
//
//	go run ./examples/shop/crash -rounds 100
//
// Each round starts the shop on the same data, lets clients work, and kills the process at a random moment; some rounds
// kill it while it starts. Clients send what was not answered again, under the same Idempotency-Key. In the end the shop is
// started once more, and the log and the views are held against what was acknowledged.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/deed-es/deed/examples/shop/drive"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	rounds  int
	clients int
	seed    uint64
	data    string
	shop    string
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("crash", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&o.rounds, "rounds", 100, "how often the shop is killed")
	flags.IntVar(&o.clients, "clients", 8, "how many clients work at once")
	flags.Uint64Var(&o.seed, "random", 0, "`seed` of the random moments and requests; 0: another each time")
	flags.StringVar(&o.data, "data", "", "`directory` for the data, new or empty; empty: one that is removed if all is well")
	flags.StringVar(&o.shop, "shop", "", "`program` to kill; empty: ./examples/shop is built")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.rounds < 1 || o.clients < 1 || flags.NArg() > 0 {
		return o, errors.New("-rounds and -clients must be at least 1, and there are no arguments")
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "deed-crash-")
	if err != nil {
		return err
	}
	if o.data == "" {
		o.data = filepath.Join(dir, "data")
	}
	defer func() {
		if err == nil {
			err = os.RemoveAll(dir)
		} else if _, gone := os.Stat(o.data); gone == nil {
			err = fmt.Errorf("%w\nthe data are kept in %s", err, o.data)
		}
	}()
	if o.shop == "" {
		if o.shop, err = drive.Build(ctx, dir); err != nil {
			return err
		}
	}
	h := newHarness(o, out)
	if err := h.killAgainAndAgain(ctx); err != nil {
		return err
	}
	return h.finish(ctx)
}

// harness is one run: a shop, its clients, and the random moments.
type harness struct {
	options
	out     io.Writer
	random  *rand.Rand
	clients []*client
	early   int // kills while the shop started
}

func newHarness(o options, out io.Writer) *harness {
	h := &harness{options: o, out: out, random: rand.New(rand.NewPCG(o.seed, 0))}
	for n := range o.clients {
		h.clients = append(h.clients, newClient(n, o.seed))
	}
	return h
}

const (
	shortestRound = 20 * time.Millisecond
	longestRound  = 400 * time.Millisecond
	longestStart  = 100 * time.Millisecond
	earlyKills    = 8 // one round in so many is killed while it starts
)

func (h *harness) killAgainAndAgain(ctx context.Context) error {
	fmt.Fprintf(h.out, "killing the shop %d times under the load of %d clients (-random %d gives the same moments and requests again)\n",
		h.rounds, len(h.clients), h.seed)
	for round := range h.rounds {
		if err := h.round(ctx); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
		if (round+1)%10 == 0 {
			fmt.Fprintf(h.out, "%d rounds, %d requests acknowledged\n", round+1, h.acknowledged())
		}
	}
	return nil
}

func (h *harness) launch() (*drive.Shop, error) {
	return drive.Launch(h.shop, nil, "-addr", "127.0.0.1:0", "-data", h.data)
}

// round starts the shop, lets the clients work, and kills it.
func (h *harness) round(ctx context.Context) error {
	p, err := h.launch()
	if err != nil {
		return err
	}
	defer p.Kill(os.Kill)
	if h.random.IntN(earlyKills) == 0 {
		h.early++
		return drive.Pause(ctx, time.Duration(h.random.Int64N(int64(longestStart))))
	}
	url, err := p.Answers(ctx)
	if err != nil {
		return err
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	for _, c := range h.clients {
		group.Go(func() { c.work(working, url) })
	}
	err = drive.Pause(ctx, shortestRound+time.Duration(h.random.Int64N(int64(longestRound-shortestRound))))
	p.Kill(os.Kill)
	stop()
	group.Wait()
	return errors.Join(err, h.faults())
}

// faults are answers that no client should get.
func (h *harness) faults() error {
	var errs []error
	for _, c := range h.clients {
		errs = append(errs, c.fault)
	}
	return errors.Join(errs...)
}

func (h *harness) acknowledged() int {
	n := 0
	for _, c := range h.clients {
		n += len(c.acknowledged)
	}
	return n
}
