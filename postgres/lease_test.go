package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// heard beats, and returns the lease mailer's token if the node then has it, or 0.
func heard(t *testing.T, db *postgres.DB, b deed.Beat) int64 {
	t.Helper()
	b.Name = b.Node
	f, err := db.Beat(within(t), b)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range f.Leases {
		if l.Part == "mailer" && l.Node == b.Node {
			return l.Token
		}
	}
	return 0
}

var mailer = []string{"mailer"}

// a bystander is a connection of the test's own.
type bystander struct {
	*pgx.Conn
	t      *testing.T
	schema string
}

func stander(t *testing.T, schema string) *bystander {
	t.Helper()
	c, err := pgx.Connect(within(t), server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	return &bystander{c, t, schema}
}

// do runs SQL in which an @ stands for the schema.
func (b *bystander) do(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.Exec(within(b.t), strings.ReplaceAll(sql, "@", b.schema+"."), args...); err != nil {
		b.t.Fatal(err)
	}
}

// blocks returns when somebody waits for what the bystander has locked.
func (b *bystander) blocks() {
	b.t.Helper()
	ctx, watching := within(b.t), stander(b.t, b.schema)
	for there := false; !there; {
		err := watching.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1::int = ANY (pg_blocking_pids(pid)))", int32(b.PgConn().PID())).Scan(&there)
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

// step opens the part mailer where it is missing, and commits a step of it.
func step(t *testing.T, db *postgres.DB, token int64, from deed.Position) error {
	t.Helper()
	zero := deed.Position(0)
	if _, err := db.OpenPart(within(t), deed.PartSpec{Name: "mailer", Kind: "process", Version: 1, From: &zero, Log: db.Info()}); err != nil {
		t.Fatal(err)
	}
	at := deed.Checkpoint{Log: db.Info().ID, Incarnation: 1, Position: from + 1}
	return db.CommitPart(within(t), deed.PartCommit{
		Part: "mailer", Version: 1, Lease: deed.Lease{Part: "mailer", Token: token}, From: from, Checkpoint: at,
	})
}

// underWay is the lock that a commit under a lease has until it is done.
const underWay = "SELECT FROM @leases WHERE part = 'mailer' FOR SHARE"

// A process was stopped amid a commit. The others do not wait for it, and do not get its lease before the commit has ended.
func TestALeaseWithACommitUnderWayIsNotTakenAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	db := opened(t, o)
	first := heard(t, db, deed.Beat{Node: "n-1", For: time.Millisecond, Take: mailer})
	stopped := stander(t, o.Schema)
	stopped.do("BEGIN")
	stopped.do(underWay)
	since := time.Now()
	for range 20 {
		if token := heard(t, db, deed.Beat{Node: "n-2", For: time.Hour, Take: mailer}); token != 0 {
			t.Fatalf("the lease was taken with token %d while a commit was under way", token)
		}
	}
	if waited := time.Since(since); waited > 15*time.Second { // one second for each beat that waits
		t.Errorf("twenty beats took %v", waited)
	}
	stopped.do("COMMIT")
	if token := heard(t, db, deed.Beat{Node: "n-2", For: time.Hour, Take: mailer}); token <= first {
		t.Errorf("when the commit has ended the lease has token %d, after %d", token, first)
	}
}

// Who gives a lease back, or leaves, while a commit of its own is under way has not done so until that has ended.
func TestALeaseWithACommitUnderWayIsNotGivenBack(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	db := opened(t, o)
	first := heard(t, db, deed.Beat{Node: "n-1", For: time.Hour, Take: mailer})
	own := stander(t, o.Schema)
	own.do("BEGIN")
	own.do(underWay)
	for _, b := range []deed.Beat{{Node: "n-1", Name: "n-1", For: time.Hour, Give: mailer}, {Node: "n-1", Name: "n-1"}} {
		if _, err := db.Beat(within(t), b); !errors.Is(err, deed.ErrBusy) || errors.Is(err, deed.ErrUnknown) {
			t.Errorf("a beat that gives the lease back is answered with %v", err)
		}
	}
	if err := step(t, db, first, 0); err != nil {
		t.Errorf("a step under the lease that was not given back: %v", err)
	}
	own.do("COMMIT")
	if token := heard(t, db, deed.Beat{Node: "n-1", For: time.Hour, Give: mailer}); token != 0 {
		t.Errorf("the lease that was given back has token %d", token)
	}
}

// A commit that comes while its lease is being taken waits, and then sees that it was.
func TestACommitWhoseLeaseIsBeingTakenIsFenced(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	db := opened(t, o)
	token := heard(t, db, deed.Beat{Node: "n-1", For: time.Hour, Take: mailer})
	if err := step(t, db, token, 0); err != nil {
		t.Fatal(err)
	}
	for what, sql := range map[string]string{
		"taken": "UPDATE @leases SET token = token + 1, node = 'n-2' WHERE part = 'mailer'",
		"given": "UPDATE @leases SET node = NULL WHERE part = 'mailer'",
	} {
		taking := stander(t, o.Schema)
		taking.do("BEGIN")
		taking.do(sql)
		answered := make(chan error, 1)
		go func() { answered <- step(t, db, token, 1) }()
		taking.blocks()
		taking.do("COMMIT")
		if err := <-answered; !errors.Is(err, deed.ErrFenced) {
			t.Errorf("a step under a lease that was %s meanwhile: %v", what, err)
		}
		taking.do("UPDATE @leases SET token = $1, node = 'n-1' WHERE part = 'mailer'", token)
	}
	if err := step(t, db, token, 1); err != nil {
		t.Errorf("nothing of that was to be stored: %v", err)
	}
}

// A beat that had to wait for others is judged by when it is heard, and not by when it was sent.
func TestABeatThatWaitedTooLongHasLostItsLeases(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t), Log: "waiting"}
	db := opened(t, o)
	const span = time.Second
	for {
		sent := time.Now()
		first := heard(t, db, deed.Beat{Node: "n-1", For: span, Take: mailer})
		others := stander(t, o.Schema)
		others.do("SELECT 1, pg_advisory_lock($1)", postgres.FleetKey(o.Schema, o.Log))
		answered := make(chan int64, 1)
		go func() { answered <- heard(t, db, deed.Beat{Node: "n-1", For: span}) }()
		others.blocks()
		early := time.Since(sent) < span // it began to wait in time
		for heardOf := time.Now(); time.Since(heardOf) < span; {
			others.do("SELECT 1")
		}
		others.do("SELECT 1, pg_advisory_unlock($1)", postgres.FleetKey(o.Schema, o.Log))
		if token := <-answered; token != 0 {
			t.Fatalf("after its time the node has the lease with token %d, as before with %d", token, first)
		}
		if early {
			return
		}
	}
}

// What was not flushed may be gone after a crash, and what was restored is old. A token that somebody may have seen does not come again.
func TestTokensGrowThoughTheirRowsAreGoneOrOld(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	db := opened(t, o)
	var last int64
	for i := range 7 {
		token := heard(t, db, deed.Beat{Node: "n-1", For: time.Hour, Take: mailer})
		if token <= last {
			t.Fatalf("the token is %d after %d", token, last)
		}
		last = token
		lose := []string{"DELETE FROM @leases; DELETE FROM @nodes", "UPDATE @leases SET token = token - 1000000, node = NULL"}[i%2]
		execute(t, server, strings.ReplaceAll(lose, "@", o.Schema+"."))
	}
	// A token of a clock that was ahead is not passed under either.
	ahead := time.Now().Add(time.Hour).UnixMicro()
	execute(t, server, fmt.Sprintf("INSERT INTO %s.leases (log, part, token) SELECT log, 'mailer', %d FROM %[1]s.logs", o.Schema, ahead))
	if token := heard(t, db, deed.Beat{Node: "n-1", For: time.Hour, Take: mailer}); token != ahead+1 {
		t.Errorf("the token is %d after %d", token, ahead)
	}
}

func TestBeatsWhereNothingIsWritten(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	db := opened(t, o)
	heard(t, db, deed.Beat{Node: "n-1", For: time.Hour, Take: mailer})
	read := opened(t, &postgres.Options{Schema: o.Schema, ReadOnly: true})
	beat := deed.Beat{Node: "n-2", Name: "n-2", For: time.Hour}
	if _, err := read.Beat(within(t), beat); !errors.Is(err, deed.ErrReadOnly) {
		t.Errorf("a log that is open for reading: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Beat(ended, beat); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	other := opened(t, o)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Beat(within(t), beat); !errors.Is(err, deed.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	f, err := db.Beat(within(t), deed.Beat{Node: "n-1", Name: "n-1", For: time.Hour})
	if err != nil || len(f.Nodes) != 1 || len(f.Leases) != 1 {
		t.Errorf("the fleet is %+v, %v", f, err)
	}
}
