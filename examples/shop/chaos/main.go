// Command chaos runs the shop in several processes on one PostgreSQL server, has clients order through any of them, and kills,
// stops and restarts processes and server at random moments. In the end it holds the log, the views of each process, and what
// clients were told and have read against each other.
//
//	go run ./examples/shop/chaos -rounds 150
//
// Clients send what was not answered again, under the same Idempotency-Key and through another process, and read what they wrote
// through another one too.
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
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/deed-es/deed/examples/shop/drive"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	rounds  int
	nodes   int
	shared  int
	clients int
	gap     time.Duration
	lease   time.Duration
	order   string
	seed    uint64
	shop    string
	logs    string
}

// The values of -order.
const (
	serial   = "serial"
	parallel = "parallel"
	mixed    = "mixed"
)

func parse(args []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&o.rounds, "rounds", 150, "how often something is killed, stopped or cut off")
	flags.IntVar(&o.nodes, "nodes", 4, "how many processes of the shop there are")
	flags.IntVar(&o.shared, "shared", 2, "how many of them have their views in the database; the others have their own")
	flags.IntVar(&o.clients, "clients", 8, "how many clients work at once")
	flags.DurationVar(&o.gap, "gap", 60*time.Millisecond, "how long a client waits between two requests, on average")
	flags.DurationVar(&o.lease, "lease", 2*time.Second, "after how long others take over what a process ran")
	flags.StringVar(&o.order, "order", mixed, "the log's order: serial, parallel, or mixed, which changes at random moments")
	flags.Uint64Var(&o.seed, "random", 0, "`seed` of the random moments and requests; 0: another each time")
	flags.StringVar(&o.shop, "shop", "", "`program` to run; empty: ./examples/shop is built")
	flags.StringVar(&o.logs, "logs", "", "`directory` for what the processes say; empty: it is kept for errors only")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case o.rounds < 1 || o.nodes < 2 || o.clients < 1 || o.gap < 0 || o.lease <= 0 || flags.NArg() > 0:
		return o, errors.New("-rounds and -clients must be at least 1, -nodes at least 2, -lease positive, and there are no arguments")
	case o.shared < 0 || o.shared > o.nodes:
		return o, errors.New("-shared must be 0 to what -nodes is")
	case o.order != serial && o.order != parallel && o.order != mixed:
		return o, errors.New("-order must be serial, parallel or mixed")
	case !supported:
		return o, errors.New("this system has no signals that stop a process and let it go on")
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
	dir, err := os.MkdirTemp("", "deed-chaos-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.shop == "" {
		if o.shop, err = drive.Build(ctx, dir); err != nil {
			return err
		}
	}
	s, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	h := newHarness(o, s, dir, out)
	defer h.killAll()
	if err := h.start(ctx); err != nil {
		return err
	}
	if err := h.rage(ctx); err != nil {
		return fmt.Errorf("%w\n-random %d gives the same moments and requests again", err, o.seed)
	}
	return h.finish(ctx)
}

// harness is one run: a server, the shop's processes, clients, and the random moments.
type harness struct {
	options
	out      io.Writer
	random   *rand.Rand
	server   *server
	nodes    []*node
	clients  []*client
	answered atomic.Int64   // commands
	counts   map[string]int // of what was done to them
	watch    watch
	began    time.Time
}

func newHarness(o options, s *server, dir string, out io.Writer) *harness {
	h := &harness{options: o, out: out, server: s, random: rand.New(rand.NewPCG(o.seed, 0)), counts: map[string]int{}, began: time.Now()}
	h.watch = watch{server: s, tokens: map[string]string{}, open: true} // a log begins as Serial
	for i := range o.nodes {
		n := &node{name: fmt.Sprint("n", i+1), program: o.shop, store: s.url(), lease: o.lease, logs: o.logs}
		if i >= o.shared {
			n.views = "sqlite:" + filepath.Join(dir, n.name+".db")
		}
		h.nodes = append(h.nodes, n)
	}
	for i := range o.clients {
		h.clients = append(h.clients, newClient(i, o.seed, h.nodes, &h.answered, o.gap))
	}
	return h
}

// start starts all nodes, the first before the others, which find what it has made.
func (h *harness) start(ctx context.Context) error {
	for _, n := range h.nodes {
		if err := n.start(ctx); err != nil {
			return err
		}
	}
	if h.order == parallel {
		return h.watch.change(ctx)
	}
	return nil
}

func (h *harness) killAll() {
	for _, n := range h.nodes {
		n.kill()
	}
}

// rage lets the clients work while it does harm, round after round.
func (h *harness) rage(ctx context.Context) error {
	fmt.Fprintf(h.out, "%d processes of the shop, %d of them with views of their own, %d clients, %d rounds, -order %s, -random %d\n",
		len(h.nodes), len(h.nodes)-h.shared, len(h.clients), h.rounds, h.order, h.seed)
	working, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	for _, c := range h.clients {
		group.Go(func() { c.work(working) })
	}
	group.Go(func() { h.watch.run(working) })
	for round := range h.rounds {
		did, err := h.round(ctx)
		if err != nil {
			return fmt.Errorf("round %d (%s): %w", round+1, did, err)
		}
		fmt.Fprintf(h.out, "%5.0fs  %6d commands answered  round %d: %s\n", time.Since(h.began).Seconds(), h.answered.Load(), round+1, did)
	}
	stop()
	group.Wait()
	return h.faults()
}

const calm = time.Second // at most so long nothing is done between two rounds

// round does one or two kinds of harm at once, and has an end of them.
func (h *harness) round(ctx context.Context) (did string, err error) {
	all := h.pick()
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = f.what
	}
	did = strings.Join(names, ", ")
	longest := time.Duration(0)
	for _, f := range all {
		h.counts[f.kind]++
		if err := f.hit(ctx); err != nil {
			return did, err
		}
		longest = max(longest, f.lasts)
	}
	if err := drive.Pause(ctx, longest); err != nil {
		return did, err
	}
	for i := len(all) - 1; i >= 0; i-- { // the server, which is hit last, is there again when processes start
		if err := all[i].heal(ctx); err != nil {
			return did, err
		}
	}
	if h.order == mixed && h.random.IntN(3) == 0 {
		if err := h.watch.change(ctx); err != nil {
			return did, err
		}
		did += ", another order"
	}
	return did, errors.Join(drive.Pause(ctx, time.Duration(h.random.Int64N(int64(calm)))), h.faults())
}
