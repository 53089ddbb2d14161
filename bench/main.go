// Command bench measures deed's embedded engine, and a service on it, beside bare loops and handlers that do the same work
// with the same driver, tables and settings, in one run. Machines differ and are noisy: the ratios are what counts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if errand, ok := errands[os.Getenv(errandEnv)]; ok {
		err = errand(ctx, os.Stdin, os.Stdout)
	} else {
		err = run(ctx, os.Args[1:], os.Stdout)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is what is measured, and how long.
type bench struct {
	out    io.Writer
	rounds int
	span   time.Duration
	events int     // in the log that is rebuilt and scanned
	sizes  [2]int  // of the small log and the large one, in events
	disks  []*disk // the machine's own first
}

func (b *bench) sections() []section {
	return []section{
		{"flush", b.flushes}, {"appends", b.appends}, {"rows", b.rows}, {"http", b.http}, {"size", b.size}, {"rebuild", b.rebuild},
	}
}

type section struct {
	name string
	run  func(context.Context) error
}

func run(ctx context.Context, args []string, out io.Writer) error {
	b := &bench{out: out}
	only, err := b.parse(args)
	if err != nil {
		return err
	}
	for _, wait := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond} {
		d, err := newDisk(wait)
		if err != nil {
			return err
		}
		b.disks = append(b.disks, d)
	}
	begin := time.Now()
	b.introduce()
	for _, s := range b.sections() {
		if len(only) > 0 && !slices.Contains(only, s.name) {
			continue
		}
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	fmt.Fprintf(out, "\nmeasured in %v\n", time.Since(begin).Round(time.Second))
	return nil
}

func (b *bench) introduce() {
	fmt.Fprintf(b.out, "%s, %s/%s, %d cores\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
	fmt.Fprintf(b.out, `Rates are medians of %d rounds, of %v where a round has a length. In each round all that is compared is measured one after
the other, and a ratio is the median of the rounds' ratios. Logs run with synchronous=FULL. What is called "added" is how
long each flush waits before it is made, on both sides.
`, b.rounds, b.span)
}

// parse sets b up, and returns the names of the sections that are asked for: none are all.
func (b *bench) parse(args []string) (only []string, err error) {
	var names []string
	for _, s := range b.sections() {
		names = append(names, s.name)
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&b.rounds, "rounds", 5, "rounds of each measurement; the median is printed")
	flags.DurationVar(&b.span, "time", time.Second, "length of a round")
	flags.IntVar(&b.events, "events", 300_000, "events in the log that is rebuilt and scanned")
	short := flags.Bool("short", false, "one short round on small logs, to see that all of it runs; its figures say little")
	chosen := flags.String("only", "", "sections to measure, separated by commas; of "+strings.Join(names, ", "))
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	b.sizes = [2]int{10_000, 1_000_000}
	if *short {
		b.rounds, b.span, b.events, b.sizes = 1, 200*time.Millisecond, 20_000, [2]int{2_000, 20_000}
	}
	if *chosen != "" {
		only = strings.Split(*chosen, ",")
	}
	for _, name := range only {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("-only: there is no section %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	if b.rounds < 1 || b.span <= 0 || b.events < 1 || flags.NArg() > 0 {
		return nil, errors.New("-rounds, -time and -events must be above 0, and there are flags only")
	}
	return only, nil
}

// flushes prints how long this disk takes: what every append waits for.
func (b *bench) flushes(context.Context) error {
	t := newTable(b.out, "flushes", `A page of 4 KiB is written and flushed, as SQLite flushes its WAL: fdatasync, where the system has it. This is what the
other tables rest on; a disk that answers sooner than a disk can keeps nothing over a power cut.`,
		"added", "    p50", "    p99")
	for _, d := range b.disks {
		s, err := d.flush(max(20, min(1000, int(b.span/max(d.wait, time.Millisecond)))))
		if err != nil {
			return err
		}
		t.row(d.wait.String(), ms(s.p50), ms(s.p99))
	}
	return nil
}
