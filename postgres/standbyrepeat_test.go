package postgres_test

import (
	"errors"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// What an append was cut off in is on the primary, and not on the standby. To say of it that it is stored would be to acknowledge what a
// failover loses: so a repetition waits for the standby as the first did, at whatever process, and so does who asks for the outcome.
func TestARepetitionIsNotAcknowledgedBeforeTheStandbyHasIt(t *testing.T) {
	t.Parallel()
	f := newFailover(t)
	for order, log := range f.logs {
		n := deed.Version(0)
		for _, ask := range []func(b deed.Batch) (deed.Receipt, error){
			func(b deed.Batch) (deed.Receipt, error) { return log[0].Append(t.Context(), b) },
			func(b deed.Batch) (deed.Receipt, error) { return log[1].Append(t.Context(), b) },
			func(b deed.Batch) (deed.Receipt, error) {
				b.Command = deed.CommandRef{} // known by its events then
				return log[1].Append(t.Context(), b)
			},
			func(b deed.Batch) (deed.Receipt, error) {
				r, _, err := log[1].Outcome(t.Context(), b.Command)
				return r, err
			},
		} {
			b := write("order-1", n, deed.NewID())
			b.Command = deed.CommandRef{ID: deed.NewID(), Hash: "h"}
			f.repeats(log[0], order, b, ask)
			n++
		}
	}
}

// repeats appends, cuts that off, and asks again, while the standby is away and when it is back.
func (f *failover) repeats(db *postgres.DB, order postgres.Order, b deed.Batch, ask func(deed.Batch) (deed.Receipt, error)) {
	f.t.Helper()
	type answer struct {
		deed.Receipt
		err error
	}
	answers := make(chan answer, 1)
	do := func(ask func(deed.Batch) (deed.Receipt, error)) {
		r, err := ask(b)
		answers <- answer{r, err}
	}
	waits := func() bool {
		return f.primary("SELECT count(*)::text FROM pg_stat_activity WHERE wait_event = 'SyncRep'") != "0"
	}
	f.s.Cut()
	go do(func(b deed.Batch) (deed.Receipt, error) { return db.Append(f.t.Context(), b) })
	eventually(f.t, "the append waits", waits)
	f.primary("SELECT count(pg_cancel_backend(pid))::text FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	if a := <-answers; !errors.Is(a.err, deed.ErrUnknown) {
		f.t.Fatalf("%s: the append is answered with %+v", order, a)
	}
	go do(ask)
	var early *answer
	eventually(f.t, "the repetition waits or is answered", func() bool {
		select {
		case a := <-answers:
			early = &a
			return true
		default:
			return waits()
		}
	})
	if err := f.s.Mend(within(f.t)); err != nil {
		f.t.Fatal(err)
	}
	if early != nil && early.Again {
		f.t.Errorf("%s: the repetition is answered %+v while the standby is away", order, *early)
	}
	if early == nil {
		if a := <-answers; a.err != nil || !a.Again {
			f.t.Errorf("%s: the repetition is answered %+v when the standby is back", order, a)
		}
	}
}
