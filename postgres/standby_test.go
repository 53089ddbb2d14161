package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
	"github.com/deed-es/deed/postgres/internal/cluster"
)

// synced starts a primary and a standby that it waits for.
func synced(t *testing.T) *cluster.Synced {
	t.Helper()
	s, err := cluster.StartSynced(within(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// bothOrders opens a log for each order by two processes.
func bothOrders(t *testing.T, url string) map[postgres.Order][]*postgres.DB {
	t.Helper()
	logs := map[postgres.Order][]*postgres.DB{}
	for _, order := range []postgres.Order{postgres.Serial, postgres.Parallel} {
		for range 2 {
			logs[order] = append(logs[order], openedAt(t, url, &postgres.Options{Log: string(order)}))
		}
	}
	return logs
}

// syncedLogs opens a log in each order by two processes, on a server that waits for its standby.
func syncedLogs(t *testing.T) (*cluster.Synced, map[postgres.Order][]*postgres.DB) {
	t.Helper()
	s := synced(t)
	logs := bothOrders(t, s.Primary.URL())
	for order, log := range logs {
		if err := log[0].SetOrder(t.Context(), order); err != nil {
			t.Fatal(err)
		}
	}
	return s, logs
}

// An append waits for the standby, and no longer than one commit does; and another process reads what is acknowledged without waiting.
func TestAnAppendWaitsForTheStandbyOnce(t *testing.T) {
	t.Parallel()
	s, logs := syncedLogs(t)
	const late = 500 * time.Millisecond
	for order, log := range logs {
		s.Delay(0)
		appended(t, log[0], write("order-1", 0, "first")) // what is new to the log costs more
		s.Delay(late)
		var waited, read []time.Duration
		for i := range 3 {
			id := fmt.Sprint("e", i)
			began := time.Now()
			appended(t, log[0], write("order-1", deed.Version(i+1), id))
			waited = append(waited, time.Since(began))
			began = time.Now()
			if got := ids(t, log[1], deed.Query{Stream: "order-1", AfterVersion: deed.Version(i + 1)}); !slices.Equal(got, []string{id}) {
				t.Errorf("%s: another process reads %v", order, got)
			}
			read = append(read, time.Since(began))
		}
		t.Logf("%s: appends took %v, and reads %v", order, waited, read)
		if slices.Min(waited) < late {
			t.Errorf("%s: an append did not wait for the standby", order)
		}
		if slices.Min(waited) >= 2*late {
			t.Errorf("%s: appends wait twice", order)
		}
		if slices.Min(read) >= late {
			t.Errorf("%s: reads wait for the standby", order)
		}
	}
}

// A standbyWriter appends batches to two streams of its own, each after the one before is acknowledged, until one is not.
type standbyWriter struct {
	name         string
	db           *postgres.DB
	acknowledged []deed.Batch
	early        int // of them, begun when the standby was silent
	last         deed.Batch
	err          error
}

func (w *standbyWriter) run(ctx context.Context, f *failover) {
	for w.err == nil && w.early == 0 {
		n := len(w.acknowledged)
		w.last = deed.Batch{}
		for _, side := range []string{"left", "right"} {
			names := []string{fmt.Sprint(side, n, "a-", w.name), fmt.Sprint(side, n, "b-", w.name)}
			w.last.Writes = append(w.last.Writes, write(deed.Stream(side, w.name), deed.Version(2*n), names...).Writes...)
		}
		silent := f.silent.Load()
		if _, w.err = w.db.Append(ctx, w.last); w.err == nil {
			w.acknowledged = append(w.acknowledged, w.last)
			f.count.Add(1)
			if silent {
				w.early++
			}
		}
	}
}

// failover is several processes that append to a log in each order, and a standby that is silent from time to time.
type failover struct {
	t            *testing.T
	s            *cluster.Synced
	logs         map[postgres.Order][]*postgres.DB
	primary      func(sql string, args ...any) (word string)
	silent       atomic.Bool  // what is appended from now on cannot reach the standby, or its answer not the primary
	count        atomic.Int64 // of what is acknowledged
	acknowledged map[postgres.Order][]deed.Batch
}

func newFailover(t *testing.T) *failover {
	t.Helper()
	s, logs := syncedLogs(t)
	return &failover{t: t, s: s, logs: logs, primary: asking(t, s.Primary.URL()), acknowledged: map[postgres.Order][]deed.Batch{}}
}

// asking returns how to ask a server for a word.
func asking(t *testing.T, url string) func(sql string, args ...any) (word string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return func(sql string, args ...any) (word string) {
		t.Helper()
		if err := c.QueryRow(t.Context(), sql, args...).Scan(&word); err != nil {
			t.Fatal(err)
		}
		return word
	}
}

// appendUntil has many append, so many times at least, then has the standby silent, and cuts the waiting off, until each has got an answer.
// It returns what is unknown.
func (f *failover) appendUntil(goal int64, silence func(), cut string) map[postgres.Order][]deed.Batch {
	f.t.Helper()
	ctx := within(f.t)
	writers := map[postgres.Order][]*standbyWriter{}
	var all sync.WaitGroup
	for order, log := range f.logs {
		for i := range 6 {
			w := &standbyWriter{name: deed.NewID(), db: log[i%2]}
			writers[order] = append(writers[order], w)
			all.Go(func() { w.run(ctx, f) })
		}
	}
	ended := make(chan struct{})
	go func() {
		all.Wait()
		close(ended)
	}()
	goal += f.count.Load()
	eventually(f.t, "so many are acknowledged", func() bool { return f.count.Load() >= goal })
	silence()
	f.silent.Store(true)
	eventually(f.t, "each writer has an answer", func() bool {
		f.primary("SELECT count(" + cut + "(pid))::text FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	return f.judge(writers, cut)
}

// judge looks at what writers were answered, and returns what is unknown.
func (f *failover) judge(writers map[postgres.Order][]*standbyWriter, cut string) map[postgres.Order][]deed.Batch {
	f.t.Helper()
	unknown := map[postgres.Order][]deed.Batch{}
	for order, all := range writers {
		for _, w := range all {
			switch {
			case w.early > 0:
				f.t.Errorf("%s: an append is acknowledged that the standby was silent about", order)
			case !errors.Is(w.err, deed.ErrUnknown):
				f.t.Errorf("%s: the append that was cut off by %s is answered with %v", order, cut, w.err)
			}
			f.acknowledged[order] = append(f.acknowledged[order], w.acknowledged...)
			unknown[order] = append(unknown[order], w.last)
		}
	}
	return unknown
}

// retry appends what is unknown once more, and counts what was there.
func (f *failover) retry(log []*postgres.DB, order postgres.Order, unknown []deed.Batch) (again int) {
	f.t.Helper()
	for i, b := range unknown {
		if r := appended(f.t, log[i%2], b); r.Again {
			again++
		}
	}
	f.acknowledged[order] = append(f.acknowledged[order], unknown...)
	return again
}

// found checks that each batch of these is in a log as a whole, or not at all, and counts those that are.
func (f *failover) found(log map[string]bool, batches []deed.Batch) (whole int) {
	f.t.Helper()
	for _, b := range batches {
		there, of := 0, 0
		for _, w := range b.Writes {
			for _, e := range w.Events {
				if of++; log[e.ID] {
					there++
				}
			}
		}
		switch there {
		case of:
			whole++
		case 0:
		default:
			f.t.Errorf("%d of %d events of an append are there", there, of)
		}
	}
	return whole
}

// logged reads a log from end to end, in which positions and versions are to grow.
func logged(t *testing.T, db *postgres.DB) map[string]bool {
	t.Helper()
	log, last, versions := map[string]bool{}, deed.Position(0), map[deed.StreamID]deed.Version{}
	for r, err := range db.Read(within(t), deed.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Position <= last || r.Version != versions[r.Stream]+1 || log[r.ID] {
			t.Errorf("%s, version %d of %s, stands at %d behind %d", r.ID, r.Version, r.Stream, r.Position, last)
		}
		log[r.ID], last, versions[r.Stream] = true, r.Position, r.Version
	}
	return log
}

// The standby is cut off and comes back, and is cut off again; at last the primary is lost and the standby takes its place. All that was
// acknowledged is there. What is unknown is there as a whole or not at all, and a retry tells.
func TestNothingAcknowledgedIsLostWhenTheStandbyIsPromoted(t *testing.T) {
	t.Parallel()
	f := newFailover(t)
	s := f.s
	for _, cut := range []string{"pg_terminate_backend", "pg_cancel_backend"} {
		unknown := f.appendUntil(100, s.Cut, cut)
		f.silent.Store(false)
		if err := s.Mend(within(t)); err != nil {
			t.Fatal(err)
		}
		for order, batches := range unknown {
			if again := f.retry(f.logs[order], order, batches); again == 0 {
				t.Errorf("%s: nothing of what is unknown was there", order)
			}
		}
	}
	kept := f.appendUntil(100, func() { s.Delay(time.Hour) }, "pg_cancel_backend")
	standby, all := asking(t, s.Standby.URL()), f.primary("SELECT pg_current_wal_flush_lsn()::text")
	eventually(t, "the standby has all", func() bool { return standby("SELECT (pg_last_wal_receive_lsn() >= $1::pg_lsn)::text", all) == "true" })
	s.Cut()
	lost := f.appendUntil(0, func() {}, "pg_terminate_backend")
	if err := s.Promote(); err != nil {
		t.Fatal(err)
	}
	for order, log := range bothOrders(t, s.Standby.URL()) {
		before := logged(t, log[0])
		if got, want := f.found(before, f.acknowledged[order]), len(f.acknowledged[order]); got != want {
			t.Errorf("%s: %d appends of %d that were acknowledged are there", order, got, want)
		}
		k, l := f.found(before, kept[order]), f.found(before, lost[order])
		t.Logf("%s: %d acknowledged; of %d and %d unknown %d and %d are there", order, len(f.acknowledged[order]), len(kept[order]), len(lost[order]), k, l)
		if k == 0 || l == len(lost[order]) {
			t.Errorf("%s: what is unknown is there, or is not, in any case", order)
		}
		if again := f.retry(log, order, append(kept[order], lost[order]...)); again != k+l {
			t.Errorf("%s: %d retries found what is there, and %d are there", order, again, k+l)
		}
		after := logged(t, log[1])
		if got, want := f.found(after, f.acknowledged[order]), len(f.acknowledged[order]); got != want {
			t.Errorf("%s: %d appends of %d are there in the end", order, got, want)
		}
	}
}
