package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

// patience bounds everything that a case waits for. It is there to end a test that would hang, not to measure.
const patience = 2 * time.Minute

// A tester is what a case needs of *testing.T. The suite's own tests give another, to see a case fail.
type tester interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	TempDir() string
	Cleanup(f func())
	Context() context.Context
}

// A bed is where a case stands: an empty store of its own, and short words to work on it. Its methods fail the case, and
// are for the case's own goroutine unless they return an error.
type bed struct {
	tester
	ctx    context.Context
	clock  *handClock
	store  deed.Engine
	claims Claims
	config Config
	open   func(Config) deed.Engine
}

func newBed(t tester, open func(Config) deed.Engine, claims Claims) *bed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	clock := newHandClock()
	b := &bed{
		tester: t, ctx: ctx, clock: clock, claims: claims, open: open,
		config: Config{Dir: t.TempDir(), Clock: clock},
	}
	b.store = open(b.config)
	t.Cleanup(func() {
		cancel()
		if b.store != nil {
			b.close()
		}
	})
	return b
}

func (b *bed) close() {
	b.Helper()
	store := b.store
	b.store = nil
	if err := closeStore(store); err != nil {
		b.Errorf("close: %v", err)
	}
}

// closeStore closes what an Open has opened.
func closeStore(store any) error {
	closer, ok := store.(interface{ Close() error })
	if !ok {
		return errors.New("what was opened has no Close() error")
	}
	return closer.Close()
}

// reopen closes the store and opens it again, with the configuration as it then is.
func (b *bed) reopen() {
	b.Helper()
	b.close()
	b.store = b.open(b.config)
}

// scaled is how often something is done, of n times in a full run.
func scaled(n int) int {
	n /= raceScale
	if testing.Short() {
		n /= 4
	}
	return max(n, 1)
}

// ok appends, which must succeed as something new.
func (b *bed) ok(batch deed.Batch) deed.Receipt {
	b.Helper()
	receipt, err := b.store.Append(b.ctx, batch)
	if err != nil {
		b.Fatalf("append %s: %v", describe(batch), err)
	}
	if receipt.Again {
		b.Fatalf("append %s: marked Again, and it is new", describe(batch))
	}
	return receipt
}

// again appends what must get the first receipt and store nothing.
func (b *bed) again(batch deed.Batch, first deed.Receipt) {
	b.Helper()
	before := b.log()
	receipt, err := b.store.Append(b.ctx, batch)
	if err != nil {
		b.Fatalf("append %s again: %v", describe(batch), err)
	}
	first.Again = true
	if !sameReceipt(receipt, first) {
		b.Fatalf("append %s again: receipt is %+v, the first was %+v", describe(batch), receipt, first)
	}
	b.unchanged(before)
}

// refused appends what must fail and store nothing, and returns the error.
func (b *bed) refused(batch deed.Batch) error {
	b.Helper()
	before := b.log()
	receipt, err := b.store.Append(b.ctx, batch)
	if err == nil {
		b.Fatalf("append %s: stored at %d, and was to be refused", describe(batch), receipt.Position)
	}
	if errors.Is(err, deed.ErrUnknown) {
		b.Fatalf("append %s: outcome unknown, and was to be refused: %v", describe(batch), err)
	}
	b.unchanged(before)
	return err
}

// conflict appends what must be refused for a stream's version.
func (b *bed) conflict(batch deed.Batch, stream deed.StreamID, want, actual deed.Version) {
	b.Helper()
	err := b.refused(batch)
	var conflict *deed.ConflictError
	if !errors.As(err, &conflict) {
		b.Fatalf("append %s: error is %v, want a *ConflictError", describe(batch), err)
	}
	if expected := (deed.ConflictError{Stream: stream, Want: want, Actual: actual}); *conflict != expected {
		b.Fatalf("append %s: conflict is %+v, want %+v", describe(batch), *conflict, expected)
	}
	if !errors.Is(err, deed.ErrConflict) {
		b.Fatalf("append %s: %v is not ErrConflict", describe(batch), err)
	}
}

// unmet appends what must be refused for a check, and returns what the error says.
func (b *bed) unmet(batch deed.Batch) deed.CheckError {
	b.Helper()
	err := b.refused(batch)
	var unmet *deed.CheckError
	if !errors.As(err, &unmet) {
		b.Fatalf("append %s: error is %v, want a *CheckError", describe(batch), err)
	}
	if !errors.Is(err, deed.ErrConflict) {
		b.Fatalf("append %s: %v is not ErrConflict", describe(batch), err)
	}
	return *unmet
}

// invalid appends what must be refused as invalid.
func (b *bed) invalid(what string, batch deed.Batch) {
	b.Helper()
	err := b.refused(batch)
	if invalid := (*deed.InvalidError)(nil); !errors.As(err, &invalid) {
		b.Fatalf("%s: error is %v, want an *InvalidError", what, err)
	}
}

func (b *bed) unchanged(before []deed.Record) {
	b.Helper()
	if diff := diffRecords(b.log(), before); diff != "" {
		b.Fatalf("the log was not to change: %s", diff)
	}
}

// log reads the whole log.
func (b *bed) log() []deed.Record {
	b.Helper()
	return b.read(deed.Query{})
}

func (b *bed) read(q deed.Query) []deed.Record {
	b.Helper()
	records, err := collect(b.ctx, b.store, q)
	if err != nil {
		b.Fatalf("read %+v: %v", q, err)
	}
	return records
}

// reads checks that q selects exactly the events with these ids, in this order.
func (b *bed) reads(q deed.Query, ids ...string) {
	b.Helper()
	if got := idsOf(b.read(q)); fmt.Sprint(got) != fmt.Sprint(ids) {
		b.Fatalf("read %+v: got %v, want %v", q, got, ids)
	}
}

func (b *bed) head() deed.Position {
	b.Helper()
	head, err := b.store.Head(b.ctx)
	if err != nil {
		b.Fatalf("head: %v", err)
	}
	return head
}

// positions returns where each event of the log is, by its id.
func (b *bed) positions() map[string]deed.Position {
	b.Helper()
	positions := map[string]deed.Position{}
	for _, r := range b.log() {
		positions[r.ID] = r.Position
	}
	return positions
}

// crowd runs work n times at once and waits for all; an error fails the case.
func (b *bed) crowd(n int, work func(i int) error) {
	b.Helper()
	var wg sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = work(i)
		})
	}
	close(start)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		b.Fatalf("%v", err)
	}
}

// collect reads all that q selects, and checks what holds for every sequence: an error comes once, with the zero record.
func collect(ctx context.Context, reader deed.Reader, q deed.Query) ([]deed.Record, error) {
	var records []deed.Record
	var failed error
	for r, err := range reader.Read(ctx, q) {
		switch {
		case failed != nil:
			return records, fmt.Errorf("the sequence goes on after its error %w", failed)
		case err != nil && !isZero(r):
			return records, fmt.Errorf("the record beside the error %w is not zero: %+v", err, r)
		case err != nil:
			failed = err
		default:
			records = append(records, r)
		}
	}
	return records, failed
}
