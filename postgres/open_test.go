package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, o := range []postgres.Options{
		{Schema: "Upper"}, {Schema: "pg_deed"}, {Schema: "a b"}, {Schema: "1a"}, {Schema: strings.Repeat("a", 64)}, {Log: "a/b"}, {Log: ".."}, {MaxEvent: -1}, {MaxEvent: 17 << 20},
	} {
		var invalid *deed.InvalidError
		if _, err := postgres.Open(t.Context(), server, &o); !errors.As(err, &invalid) {
			t.Errorf("%+v: error is %v, want an *InvalidError", o, err)
		}
	}
}

func TestAServerThatIsNotThereIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(within(t), "postgres:///?host="+url.QueryEscape(t.TempDir()), nil)
	says(t, err, "", "cannot be reached", "host and port")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := postgres.Open(ctx, server, &postgres.Options{Schema: fresh(t)}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func TestASchemaIsMadeOnceByAllWhoOpenIt(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	var wg sync.WaitGroup
	logs := make([]string, 6)
	for i := range logs {
		wg.Go(func() {
			db, err := postgres.Open(t.Context(), server, o)
			if err != nil {
				t.Error(err)
				return
			}
			logs[i] = db.Info().ID
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, id := range logs {
		if id == "" || id != logs[0] {
			t.Errorf("the log is known as %v", logs)
			break
		}
	}
}

func TestASchemaOfANewerProgramIsRefused(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	if err := opened(t, o).Close(); err != nil {
		t.Fatal(err)
	}
	before := catalog(t, o.Schema)
	execute(t, server, "UPDATE "+o.Schema+".meta SET version = 99")
	if _, err := postgres.Open(t.Context(), server, o); err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("error is %v", err)
	}
	if after := catalog(t, o.Schema); !slices.Equal(before, after) {
		t.Errorf("the schema was\n%v\nand is\n%v", before, after)
	}
	execute(t, server, fmt.Sprintf("UPDATE %s.meta SET version = %d; ALTER TABLE %[1]s.logs DROP CONSTRAINT IF EXISTS logs_appending; UPDATE %[1]s.logs SET appending = 'upside-down'", o.Schema, postgres.SchemaVersion))
	if _, err := postgres.Open(t.Context(), server, o); err == nil || !strings.Contains(err.Error(), "upside-down") {
		t.Errorf("with an order that nobody knows: %v", err)
	}
}

// What makes an append durable and keeps the lock from being held is set by the engine, whatever the server says.
func TestEveryTransactionSetsWhatItNeeds(t *testing.T) {
	t.Parallel()
	schema := fresh(t)
	db := opened(t, &postgres.Options{Schema: schema})
	execute(t, server, `CREATE TABLE `+schema+`.seen (name text PRIMARY KEY, value text);
		CREATE FUNCTION `+schema+`.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO `+schema+`.seen SELECT n, current_setting(n) FROM unnest(ARRAY['synchronous_commit', 'lock_timeout',
				'idle_in_transaction_session_timeout', 'transaction_isolation']) n ON CONFLICT (name) DO UPDATE SET value = excluded.value;
			RETURN NEW; END $$;
		CREATE TRIGGER see AFTER INSERT ON `+schema+`.events EXECUTE FUNCTION `+schema+`.see()`)
	ctx := t.Context()
	c, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	for i := range 3 { // the first looks at the log, the others suppose
		appended(t, db, write("order-1", deed.Version(i), string(rune('a'+i))))
		for name, want := range map[string]string{
			"synchronous_commit": "on", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "1500ms", "transaction_isolation": "read committed",
		} {
			var got string
			if err := c.QueryRow(ctx, "DELETE FROM "+schema+".seen WHERE name = $1 RETURNING value", name).Scan(&got); err != nil || got != want {
				t.Errorf("append %d: %s is %q (%v), want %q", i, name, got, err, want)
			}
		}
	}
}

// One batch that the database refuses does not take the others of its group with it.
func TestOnlyTheOffenderOfAGroupFails(t *testing.T) {
	t.Parallel()
	schema := fresh(t)
	db := opened(t, &postgres.Options{Schema: schema})
	execute(t, server, `CREATE FUNCTION `+schema+`.bad() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.id LIKE 'bad%' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$;
		CREATE TRIGGER bad BEFORE INSERT ON `+schema+`.events FOR EACH ROW EXECUTE FUNCTION `+schema+`.bad()`)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			id := "good"
			if i%16 == 3 {
				id = "bad"
			}
			for v := range 4 {
				name := id + string(rune('0'+v))
				stream := deed.Stream("order", name+time.Duration(i).String())
				_, err := db.Append(t.Context(), write(stream, 0, name+stream.ID()))
				if (err != nil) != (id == "bad") || errors.Is(err, deed.ErrUnknown) {
					t.Errorf("%s is answered with %v", name, err)
				}
			}
		})
	}
	wg.Wait()
	if got := ids(t, db, deed.Query{}); len(got) != 60*4 {
		t.Errorf("the log has %d events, want %d", len(got), 60*4)
	}
}

func TestTheClockIsTheOptions(t *testing.T) {
	t.Parallel()
	schema := fresh(t)
	slow, fast := newHandClock(), newHandClock()
	fast.move(time.Hour)
	one, other := opened(t, &postgres.Options{Schema: schema, Clock: fast}), opened(t, &postgres.Options{Schema: schema, Clock: slow})
	appended(t, one, write("order-1", 0, "a"))
	appended(t, other, write("order-1", 1, "b"))
	appended(t, other, write("order-1", 2, "c"))
	for r, err := range one.Read(t.Context(), deed.Query{}) {
		if err != nil || !r.Time.Equal(fast.Now()) {
			t.Errorf("%s is recorded at %v, %v: a slower clock takes no record back in time", r.ID, r.Time, err)
		}
	}
}
