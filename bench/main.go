// Command bench measures deed's embedded engine beside bare loops that do the same work with the same driver, tables and
// settings, in one run. Machines differ and are noisy: the ratios are what counts.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	rounds := flags.Int("rounds", 5, "rounds of each measurement; the median is printed")
	span := flags.Duration("time", 2*time.Second, "length of a round")
	events := flags.Int("events", 300_000, "events in the log that is rebuilt and scanned")
	if err := flags.Parse(args); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s, %d cores; median of %d rounds of %v; log with synchronous=FULL\n\n", runtime.Version(), runtime.GOMAXPROCS(0), *rounds, *span)

	fmt.Fprintf(out, "appends of one event of 256 bytes to streams of their own\n%10s %14s %14s %8s\n", "appenders", "deed/s", "bare loop/s", "ratio")
	for _, appenders := range []int{1, 64, 256} {
		ours, bare, ratio, err := paired(*rounds,
			func() (float64, error) { return appendDeed(ctx, appenders, *span) },
			func() (float64, error) { return appendBare(appenders, *span) })
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%10d %14.0f %14.0f %8.2f\n", appenders, ours, bare, ratio)
	}

	fmt.Fprintf(out, "\ncommands handled and their own row read from the view\n%10s %14s\n", "clients", "deed/s")
	for _, clients := range []int{1, 64} {
		var rates []float64
		for range *rounds {
			rate, err := ownRow(ctx, clients, *span)
			if err != nil {
				return err
			}
			rates = append(rates, rate)
		}
		fmt.Fprintf(out, "%10d %14.0f\n", clients, median(rates))
	}

	log, err := newFullLog(ctx, *events)
	if err != nil {
		return err
	}
	defer log.remove()
	rebuilt, scanned, ratio, err := paired(*rounds, func() (float64, error) { return log.rebuild(ctx) }, log.scan)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\na view of %d events rebuilt, beside a bare scan of the table\n%14s %14s %8s\n%14.0f %14.0f %8.2f\n",
		*events, "deed/s", "bare scan/s", "ratio", rebuilt, scanned, ratio)
	return nil
}

// paired measures two things in turn and returns the medians, and the median of the ratios of each pair.
func paired(rounds int, a, b func() (float64, error)) (medianA, medianB, ratio float64, err error) {
	var as, bs, ratios []float64
	for range rounds {
		x, err := a()
		if err != nil {
			return 0, 0, 0, err
		}
		y, err := b()
		if err != nil {
			return 0, 0, 0, err
		}
		as, bs, ratios = append(as, x), append(bs, y), append(ratios, x/y)
	}
	return median(as), median(bs), median(ratios), nil
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
