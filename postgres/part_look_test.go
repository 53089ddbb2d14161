package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// A look at a part waits for no step that is under way, and locks nothing.
func TestALookAtAPartWaitsForNobody(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	db := opened(t, o)
	if err := step(t, db, 0, 0); err != nil {
		t.Fatal(err)
	}
	busy := stander(t, o.Schema)
	busy.do("BEGIN")
	busy.do("SELECT FROM @parts FOR UPDATE")
	ctx, cancel := context.WithTimeout(within(t), 30*time.Second)
	defer cancel()
	for version, want := range map[int]deed.Position{1: 1, 2: 0} {
		state, err := db.OpenPart(ctx, deed.PartSpec{Name: "mailer", Kind: "process", Version: version, Log: db.Info(), Look: true})
		if err != nil || state.Checkpoint.Position != want {
			t.Errorf("version %d is found at %+v, %v, want %d", version, state, err, want)
		}
	}
	busy.do("UPDATE @parts SET position = 5")
	busy.do("COMMIT")
	state, err := db.OpenPart(ctx, deed.PartSpec{Name: "mailer", Kind: "process", Version: 1, Log: db.Info(), Look: true})
	if err != nil || state.Checkpoint.Position != 5 {
		t.Errorf("afterwards it is found at %+v, %v, want 5", state, err)
	}
}
