package postgres_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// What others query by keeps its columns. Who changes a line here breaks their reports: what is new is a view with another number.
func TestTheSQLViewsKeepTheirColumns(t *testing.T) {
	t.Parallel()
	o := postgres.Options{Schema: fresh(t)}
	opened(t, &o)
	for view, want := range map[string]string{
		"events_v1": "log text, position bigint, stream text, category text, version bigint, type text, schema integer, content_type text, id text, " +
			"recorded timestamp with time zone, tags text[], data bytea, json text, metadata text, correlation text, causation text, actor text",
		"checkpoints_v1": "log text, kind text, name text, version integer, position bigint, lag bigint, parked bigint",
	} {
		var got string
		queryRow(t, `SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute
			WHERE attrelid = $1::text::regclass AND attnum > 0`, []any{o.Schema + "." + view}, &got)
		if got != want {
			t.Errorf("%s has the columns\n%s\nand is to have\n%s", view, got, want)
		}
	}
}

// queryRow reads one row on a connection of its own.
func queryRow(t *testing.T, sql string, args []any, to ...any) {
	t.Helper()
	ctx := t.Context()
	c, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	if err := c.QueryRow(ctx, sql, args...).Scan(to...); err != nil {
		t.Fatal(err)
	}
}

// viewedEvent is a row of events_v1.
type viewedEvent struct {
	Log, Stream, Category, Type, ContentType, ID  string
	Position                                      deed.Position
	Version                                       deed.Version
	Schema                                        int
	Recorded                                      time.Time
	Tags                                          []string
	Data                                          []byte
	JSON, Metadata, Correlation, Causation, Actor *string
}

func viewedEvents(t *testing.T, schema, where string) []viewedEvent {
	t.Helper()
	ctx := t.Context()
	c, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	rows, err := c.Query(ctx, "SELECT log, stream, category, type, content_type, id, position, version, schema, recorded, tags, data, json, metadata, correlation, causation, actor FROM "+
		schema+".events_v1 "+where+" ORDER BY log, position")
	if err != nil {
		t.Fatal(err)
	}
	events, err := pgx.CollectRows(rows, pgx.RowToStructByPos[viewedEvent])
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// ofRecord is what events_v1 is to show of a record.
func ofRecord(log string, r deed.Record) viewedEvent {
	e := viewedEvent{
		Log: log, Stream: string(r.Stream), Category: r.Stream.Category(), Type: r.Type, ContentType: r.ContentType, ID: r.ID, Position: r.Position,
		Version: r.Version, Schema: r.Schema, Recorded: r.Time, Tags: r.Tags, Data: r.Data,
	}
	text := func(s string) *string {
		if s == "" || strings.ContainsRune(s, 0) {
			return nil
		}
		return &s
	}
	if r.ContentType == "application/json" && !slices.Contains(r.Data, 0) {
		all := string(r.Data)
		e.JSON = &all
	}
	e.Metadata = text(string(r.Metadata))
	m := r.Meta()
	e.Correlation, e.Causation, e.Actor = text(m.Correlation), text(m.Causation), text(m.Actor)
	return e
}

// What events_v1 shows is what Read gives, of events of every kind; nothing that can be stored makes a query fail.
func TestEventsV1IsWhatReadGives(t *testing.T) {
	t.Parallel()
	o := postgres.Options{Schema: fresh(t)}
	clock := newHandClock()
	clock.move(123457 * time.Microsecond)
	one, other := opened(t, &postgres.Options{Schema: o.Schema, Log: "one", Clock: clock}), opened(t, &postgres.Options{Schema: o.Schema, Log: "other"})
	for i, e := range strangeEvents(t) {
		for _, db := range []*postgres.DB{one, other} {
			clock.move(time.Hour + time.Microsecond)
			e.ID = fmt.Sprint("e", i)
			appended(t, db, deed.Batch{Writes: []deed.Write{{Stream: deed.Stream("order", fmt.Sprint(i%3)), Version: deed.Any, Events: []deed.NewEvent{e}}}})
		}
	}
	var want []viewedEvent
	for log, db := range map[string]*postgres.DB{"one": one, "other": other} {
		for r, err := range db.Read(t.Context(), deed.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, ofRecord(log, r))
		}
	}
	slices.SortStableFunc(want, func(a, b viewedEvent) int { return strings.Compare(a.Log, b.Log) })
	got := viewedEvents(t, o.Schema, "")
	if len(got) != len(want) {
		t.Fatalf("the view has %d events, and Read gives %d", len(got), len(want))
	}
	for i := range got {
		if len(got[i].Data) == 0 {
			got[i].Data = nil
		}
		if len(got[i].Tags) == 0 {
			got[i].Tags = nil
		}
		got[i].Recorded = got[i].Recorded.UTC()
		if !reflect.DeepEqual(got[i], want[i]) {
			a, _ := json.Marshal(got[i])
			b, _ := json.Marshal(want[i])
			t.Errorf("the view has\n%s\nand Read gives\n%s", a, b)
		}
	}
	if some := viewedEvents(t, o.Schema, "WHERE log = 'one' AND actor = 'ann' AND 'email:a' = ANY (tags) AND json::jsonb ->> 'n' = '1'"); len(some) != 1 {
		t.Errorf("a query finds %v", some)
	}
}

// strangeEvents are some events of all sorts.
func strangeEvents(t *testing.T) []deed.NewEvent {
	meta := func(m deed.Meta) []byte {
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	events := []deed.NewEvent{
		{Data: []byte(`{"n":1}`), Tags: []string{"email:a", "b"}, Metadata: meta(deed.Meta{Actor: "ann", Correlation: "c", Causation: "x", CommandID: "1", Trace: "t", Effective: time.Now()})},
		{Data: []byte(`{"n":"ü\u0000"}`), Schema: 3},
		{Data: []byte("\x00")}, // no JSON, and it was not asked for
		{},
		{Data: []byte("\xff\x00\xfe"), ContentType: "application/octet-stream"},
		{Data: []byte("text"), ContentType: "text/plain"},
		{Metadata: []byte("{}")},
		{Metadata: []byte("not JSON")},
		{Metadata: []byte("with\x00a NUL")},
		{Metadata: []byte(`{"actor":"cut off`)},
		{Metadata: []byte(`{"actor":"a",}`)},
		{Metadata: []byte(`["actor"]`)},
		{Metadata: meta(deed.Meta{Actor: "<b>&\"\\/\b\f\n\r\t\x01\x1f\x7f\u2028\u2029ü\U0001F600\xff'%"})},
		{Metadata: meta(deed.Meta{Causation: strings.Repeat("long", 10000)})},
	}
	for i := range events {
		events[i].Type = "noted"
	}
	return events
}

// In the order Parallel too events_v1 shows what Read gives: who has seen a position never later sees a new event before it.
func TestEventsV1ShowsNothingInBetweenLater(t *testing.T) {
	t.Parallel()
	o := postgres.Options{Schema: fresh(t)}
	handles := []*postgres.DB{opened(t, &o), opened(t, &o), opened(t, &o)}
	if err := handles[0].SetOrder(t.Context(), postgres.Parallel); err != nil {
		t.Fatal(err)
	}
	const writers, each = 12, 40
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for v := range each {
				if _, err := handles[w%3].Append(t.Context(), write(deed.Stream("order", fmt.Sprint(w)), deed.Version(v), fmt.Sprint(w, "/", v))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	defer wg.Wait()
	looks := 0
	var seen []int64
	eventually(t, "all events are seen", func() bool {
		var now []int64
		queryRow(t, "SELECT coalesce(array_agg(position ORDER BY position), '{}') FROM "+o.Schema+".events_v1", nil, &now)
		if len(now) < len(seen) || !slices.Equal(now[:len(seen)], seen) {
			t.Fatalf("positions were\n%v\nand then\n%v", seen, now)
		}
		if len(now) > len(seen) {
			looks++
		}
		seen = now
		return len(seen) == writers*each || t.Failed()
	})
	t.Logf("%d looks saw something new", looks)
	if looks < 2 {
		t.Errorf("only %d looks saw something new", looks)
	}
}

func TestCheckpointsV1(t *testing.T) {
	t.Parallel()
	o := postgres.Options{Schema: fresh(t)}
	db := opened(t, &o)
	fill(t, db)
	opened(t, &postgres.Options{Schema: o.Schema, Log: "empty"})
	if err := db.InlineViews().DropView(t.Context(), deed.ViewRef{Name: "notes", Version: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.InlineViews().OpenView(t.Context(), deed.ViewSpec{ViewRef: deed.ViewRef{Name: "late", Version: 3}}); err != nil {
		t.Fatal(err)
	}
	var got string
	queryRow(t, "SELECT string_agg(concat_ws(' ', log, kind, name, version, position, lag, parked), ', ' ORDER BY kind) FROM "+o.Schema+".checkpoints_v1", nil, &got)
	if want := "main inline view late 3 0 2 0, main process mailer 1 2 0 1, main view notes 1 2 0 1"; got != want {
		t.Errorf("the view has\n%s\nand is to have\n%s", got, want)
	}
}
