package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// Somebody else keeps the lock for ever: appends are refused after a while, and nothing of them is there.
func TestAnAppendThatDoesNotGetTheLockIsRefused(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	db := opened(t, o)
	appended(t, db, write("order-1", 0, "a"))
	ctx := within(t)
	c, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	key := postgres.LockKey(o.Schema, "main")
	if _, err := c.Exec(ctx, "SELECT pg_advisory_lock($1)", key); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Append(ctx, write("order-1", 1, "b")); !errors.Is(err, deed.ErrBusy) || errors.Is(err, deed.ErrUnknown) {
		t.Errorf("without the lock the append is answered with %v", err)
	}
	if _, err := c.Exec(ctx, "SELECT pg_advisory_unlock($1)", key); err != nil {
		t.Fatal(err)
	}
	appended(t, db, write("order-1", 1, "c"))
	if got := ids(t, db, deed.Query{}); len(got) != 2 || got[1] != "c" {
		t.Errorf("the log has %v", got)
	}
}

// A process that is stopped while it has the lock keeps the others waiting for a second and a half, and no longer; its own group is not
// stored. Here it is a fold that stands still.
func TestAProcessThatStandsStillLosesTheLock(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	stuck, other := opened(t, o), opened(t, o)
	ctx, view := within(t), deed.ViewRef{Name: "notes", Version: 1}
	if _, err := stuck.InlineViews().OpenView(ctx, deed.ViewSpec{ViewRef: view}); err != nil {
		t.Fatal(err)
	}
	holds, release := make(chan struct{}, 1), make(chan struct{})
	commit := func(ctx context.Context, tx deed.ViewTx, from deed.Checkpoint, _ []deed.Record, to deed.Position) (bool, error) {
		return false, tx.CommitView(ctx, deed.ViewCommit{View: view, From: from.Position, Checkpoint: deed.Checkpoint{Position: to}})
	}
	stand := func(ctx context.Context, tx deed.ViewTx, from deed.Checkpoint, records []deed.Record, to deed.Position) (bool, error) {
		select {
		case holds <- struct{}{}:
		default:
		}
		<-release
		return commit(ctx, tx, from, records, to)
	}
	if err := errors.Join(stuck.FoldInline(ctx, view, stand), other.FoldInline(ctx, view, commit)); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := stuck.Append(ctx, write("order-1", 0, "a"))
		answered <- err
	}()
	<-holds
	since := time.Now()
	appended(t, other, write("order-2", 0, "b"))
	if waited := time.Since(since); waited < time.Second || waited > 8*time.Second { // one and a half, on a machine with nothing else to do
		t.Errorf("the other process waited for %v", waited)
	}
	close(release)
	if err := <-answered; err == nil || errors.Is(err, deed.ErrUnknown) {
		t.Errorf("the append of the process that stood still is answered with %v", err)
	}
	if got := ids(t, other, deed.Query{}); len(got) != 1 || got[0] != "b" {
		t.Errorf("the log has %v", got)
	}
	appended(t, stuck, write("order-1", 0, "a"))
}
