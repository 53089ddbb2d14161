package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// sample is what one round measures; what it does not is zero.
type sample struct {
	rate     float64 // per second
	group    float64 // events for each flush of the log's WAL
	p50, p99 time.Duration
}

// way is one of several ways to do the same work.
type way struct {
	name    string
	measure func() (sample, error)
}

// series has the samples of each way, round by round.
type series [][]sample

// inTurn measures ways in turn, so that what disturbs the machine for a while disturbs all of them.
func inTurn(rounds int, ways ...way) (series, error) {
	all := make(series, len(ways))
	for range rounds {
		for i, w := range ways {
			s, err := w.measure()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			all[i] = append(all[i], s)
		}
	}
	return all, nil
}

// median returns the medians of a way, each figure's for itself.
func (s series) median(way int) sample {
	return sample{
		rate: medianOf(s[way], func(m sample) float64 { return m.rate }), group: medianOf(s[way], func(m sample) float64 { return m.group }),
		p50: medianOf(s[way], func(m sample) time.Duration { return m.p50 }), p99: medianOf(s[way], func(m sample) time.Duration { return m.p99 }),
	}
}

// ratio returns the median of what a way's rate is to the reference's in the same round.
func (s series) ratio(way, reference int) float64 {
	var ratios []float64
	for round, m := range s[way] {
		ratios = append(ratios, m.rate/s[reference][round].rate)
	}
	return median(ratios)
}

func medianOf[T cmp.Ordered](samples []sample, figure func(sample) T) T {
	var values []T
	for _, m := range samples {
		values = append(values, figure(m))
	}
	return median(values)
}

func median[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

// table prints rows as they come.
type table struct {
	out    io.Writer
	widths []int
}

// newTable begins a table with what it is about, and the heads of its columns. Each is as wide as its head.
func newTable(out io.Writer, title, about string, heads ...string) table {
	fmt.Fprintf(out, "\n%s\n%s\n", strings.ToUpper(title), about)
	t := table{out: out}
	for _, head := range heads {
		t.widths = append(t.widths, max(9, len(head)))
	}
	t.row(heads...)
	return t
}

func (t table) row(cells ...string) {
	for i, cell := range cells {
		fmt.Fprintf(t.out, "  %*s", t.widths[i], cell)
	}
	fmt.Fprintln(t.out)
}

func whole(v float64) string { return fmt.Sprintf("%.0f", v) }

func times(v float64) string { return fmt.Sprintf("%.2f", v) }

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1e3) }

func megabytes(bytes int64) string {
	if bytes == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
}

func group(v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", v)
}
