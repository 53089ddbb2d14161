// Drivers compares two SQLite drivers for Go that need no C compiler, both used directly, without database/sql, on the
// work that an event store does: groups of inserts into an events table with a unique index, each group a transaction
// with one flush, and a scan of the whole table. Figures move from run to run; the ratio of one run is what counts.
//
//	go run . [-for 2s] [-rounds 3] [-dir DIR]
package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// conn is what the comparison needs of a driver.
type conn interface {
	exec(sql string) error
	insert(stream string, version int64, data, meta []byte) error
	begin() error
	commit() error
	// scan reads every event and returns how many there are.
	scan() (int, error)
	Close() error
}

type driver struct {
	name string
	open func(path string) (conn, error)
}

var drivers = []driver{{"ncruces", openNcruces}, {"zombiezen", openZombiezen}}

const (
	insertEvent = "insert into event (stream, version, time, data, meta) values (?, ?, ?, ?, ?)"
	scanEvents  = "select position, stream, version, time, data, meta from event order by position"
)

var schema = []string{
	"pragma journal_mode = wal",
	"pragma synchronous = full",
	`create table event (
		position integer primary key,
		stream   text    not null,
		version  integer not null,
		time     integer not null,
		data     blob    not null,
		meta     blob    not null)`,
	"create unique index event_stream on event (stream, version)",
}

// groups are the sizes of a transaction. A writer that takes all that waits makes groups of about as many as there are
// appenders.
var groups = []int{1, 16, 64, 256}

func main() {
	log.SetFlags(0)
	length := flag.Duration("for", 2*time.Second, "length of one measurement")
	rounds := flag.Int("rounds", 3, "measurements of each; the median is printed")
	dir := flag.String("dir", os.TempDir(), "where the databases are put")
	flag.Parse()
	if err := run(os.Stdout, *dir, *length, *rounds); err != nil {
		log.Fatal(err)
	}
}

// run lets the drivers take turns, so that a machine that slows down slows down both.
func run(out io.Writer, dir string, length time.Duration, rounds int) error {
	rates := map[string][]float64{}
	for range rounds {
		for _, d := range drivers {
			if err := measure(dir, d, length, rates); err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
		}
	}
	table := &strings.Builder{}
	fmt.Fprintf(table, "%-10s", "events/s")
	for _, g := range groups {
		fmt.Fprintf(table, "%12s", fmt.Sprintf("group %d", g))
	}
	fmt.Fprintf(table, "%12s\n", "scan")
	for _, d := range drivers {
		fmt.Fprintf(table, "%-10s", d.name)
		for _, g := range groups {
			fmt.Fprintf(table, "%12.0f", median(rates[key(d, g)]))
		}
		fmt.Fprintf(table, "%12.0f\n", median(rates[key(d, 0)]))
	}
	_, err := io.WriteString(out, table.String())
	return err
}

// key names a measurement: a driver and a group, or 0 for the scan.
func key(d driver, group int) string { return fmt.Sprint(d.name, " ", group) }

func measure(dir string, d driver, length time.Duration, rates map[string][]float64) error {
	tmp, err := os.MkdirTemp(dir, "drivers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	c, err := d.open(filepath.Join(tmp, "log.db"))
	if err != nil {
		return err
	}
	defer c.Close()
	for _, sql := range schema {
		if err := c.exec(sql); err != nil {
			return err
		}
	}
	for _, g := range groups {
		rate, err := appends(c, g, length)
		if err != nil {
			return err
		}
		rates[key(d, g)] = append(rates[key(d, g)], rate)
	}
	start := time.Now()
	n, err := c.scan()
	if err != nil {
		return err
	}
	rates[key(d, 0)] = append(rates[key(d, 0)], float64(n)/time.Since(start).Seconds())
	return nil
}

// appends stores groups of events for a while and returns events per second.
func appends(c conn, group int, length time.Duration) (float64, error) {
	data, meta := make([]byte, 256), make([]byte, 40)
	n, start := 0, time.Now()
	for time.Since(start) < length {
		if err := c.begin(); err != nil {
			return 0, err
		}
		for range group {
			n++
			if err := c.insert(fmt.Sprintf("cart-%d-%d", group, n), 1, data, meta); err != nil {
				return 0, err
			}
		}
		if err := c.commit(); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

func median[T cmp.Ordered](s []T) T {
	slices.Sort(s)
	return s[len(s)/2]
}
