package deed_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// breaking is a store of views of which some calls fail.
type breaking struct {
	*sqlite.DB
	read, drop atomic.Bool // as long as it is so
}

var errLost = errors.New("the connection is lost")

func (s *breaking) ReadView(ctx context.Context, name string, from, to deed.ViewVersion) error {
	if s.read.Load() {
		return errLost
	}
	return s.DB.ReadView(ctx, name, from, to)
}

func (s *breaking) DropView(ctx context.Context, v deed.ViewRef) error {
	if s.drop.Load() {
		return errLost
	}
	return s.DB.DropView(ctx, v)
}

// What was said about a part and could not be done is done when the command is repeated.

func TestASwitchThatFailedIsDoneWhenItIsRepeated(t *testing.T) {
	db, _ := memory(t)
	store := &breaking{DB: db}
	s := start(t, store, accounts, tallies(1), tallies(2))
	s.send(accounts.Send("1", open{"ann"}))
	s.settle()
	store.read.Store(true)
	if _, err := s.Control().Switch(commanded(t, "switch-1"), "tallies", 2); !errors.Is(err, errLost) {
		t.Fatalf("the switch that fails: %v", err)
	}
	store.read.Store(false)
	_, err := s.Control().Switch(commanded(t, "switch-1"), "tallies", 2)
	must(t, err)
	s.isRead(2, false)

	// But what was said since counts, and not the repetition.
	s.switchTo(1)
	_, err = s.Control().Switch(commanded(t, "switch-1"), "tallies", 2)
	must(t, err)
	s.isRead(1, false)
}

func TestAPauseWithAnUnknownOutcomeIsInForceWhenItIsRepeated(t *testing.T) {
	db, _ := memory(t)
	store := &hooked{DB: db}
	s := start(t, store, accounts, tallies(1))
	s.settle()
	store.onAppend = func(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
		store.onAppend = nil
		if _, err := db.Append(ctx, b); err != nil {
			return deed.Receipt{}, err
		}
		return deed.Receipt{}, fmt.Errorf("the caller went away: %w", deed.ErrUnknown)
	}
	if _, err := s.Control().Pause(commanded(t, "pause-1"), "tallies"); !errors.Is(err, deed.ErrUnknown) {
		t.Fatalf("the first: %v", err)
	}
	_, err := s.Control().Pause(commanded(t, "pause-1"), "tallies")
	must(t, err)
	want(t, "state", s.part("tallies").State, deed.StatePaused)

	// But what was said since counts, and not the repetition.
	_, err = s.Control().Resume(bounded(t), "tallies")
	must(t, err)
	_, err = s.Control().Pause(commanded(t, "pause-1"), "tallies")
	must(t, err)
	s.settle()
	want(t, "state", s.part("tallies").State, deed.StateLive)
}

func TestARebuildThatFailedIsDoneWhenItIsRepeated(t *testing.T) {
	db, _ := memory(t)
	store := &breaking{DB: db}
	n := 0
	tables := deed.Tables[deed.Event]{
		Name: "ledger", Events: accountEvents, Create: []string{"CREATE TABLE {entries} (id TEXT PRIMARY KEY)"},
		Write: func(r deed.Recorded[deed.Event]) []deed.Statement {
			n++
			return []deed.Statement{{SQL: "INSERT INTO {entries} (id) VALUES (?)", Args: []any{r.ID}}}
		},
	}
	s := start(t, store, accounts, tables)
	s.send(accounts.Send("1", open{"ann"}))
	s.settle()
	before := n
	store.drop.Store(true)
	if _, err := s.Control().Rebuild(commanded(t, "rebuild-1"), "ledger"); !errors.Is(err, errLost) {
		t.Fatalf("the rebuild that fails: %v", err)
	}
	store.drop.Store(false)
	for range 2 { // once more makes no difference
		_, err := s.Control().Rebuild(commanded(t, "rebuild-1"), "ledger")
		must(t, err)
		s.settle()
		want(t, "events written anew", n-before, 1)
	}
}
