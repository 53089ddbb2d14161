package deed_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/sqlite"
)

// patience bounds every wait of these tests; what takes longer hangs.
const patience = 2 * time.Minute

func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// memory opens a log in memory with a clock of its own.
func memory(t testing.TB) (*sqlite.DB, *deedtest.Clock) {
	t.Helper()
	clock := deedtest.NewClock(deedtest.Start)
	db, err := sqlite.OpenMemory(&sqlite.Options{Clock: clock})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db, clock
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got the error %v, want %v", err, want)
	}
}

func want[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// hooked is an engine whose steps a test can watch, fail, or hold up. A nil hook does nothing.
type hooked struct {
	*sqlite.DB
	onAppend     func(ctx context.Context, b deed.Batch) (deed.Receipt, error)
	onFinish     func(ids []string) error
	onCommitView func(c deed.ViewCommit) error
	onCommitPart func(c deed.PartCommit) error
	onEffects    func()
}

func (h *hooked) Append(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
	if h.onAppend != nil {
		return h.onAppend(ctx, b)
	}
	return h.DB.Append(ctx, b)
}

func (h *hooked) FinishEffects(ctx context.Context, ids []string) error {
	if h.onFinish != nil {
		if err := h.onFinish(ids); err != nil {
			return err
		}
	}
	return h.DB.FinishEffects(ctx, ids)
}

func (h *hooked) CommitView(ctx context.Context, c deed.ViewCommit) error {
	if h.onCommitView != nil {
		if err := h.onCommitView(c); err != nil {
			return err
		}
	}
	return h.DB.CommitView(ctx, c)
}

func (h *hooked) CommitPart(ctx context.Context, c deed.PartCommit) error {
	if h.onCommitPart != nil {
		if err := h.onCommitPart(c); err != nil {
			return err
		}
	}
	return h.DB.CommitPart(ctx, c)
}

func (h *hooked) Effects(ctx context.Context, q deed.EffectQuery) ([]deed.PendingEffect, error) {
	if h.onEffects != nil {
		h.onEffects()
	}
	return h.DB.Effects(ctx, q)
}

// storage is what a service runs on.
type storage interface {
	deed.Engine
	deed.ViewStore
}

// running is a service that runs until it is stopped, or the test ends.
type running struct {
	*deed.Service
	t       testing.TB
	store   storage
	cancel  context.CancelFunc
	result  chan error
	stopped atomic.Bool
}

func newService(t testing.TB, store storage, parts ...deed.Part) *deed.Service {
	t.Helper()
	s, err := deed.NewService(deed.Config{Store: store, Views: store}, parts...)
	must(t, err)
	return s
}

// start runs a service of parts over a store.
func start(t testing.TB, store storage, parts ...deed.Part) *running {
	t.Helper()
	return startService(t, store, newService(t, store, parts...))
}

// strict is start, where a part stops at the first record that it cannot handle.
func strict(t testing.TB, store storage, parts ...deed.Part) *running {
	t.Helper()
	s, err := deed.NewService(deed.Config{Store: store, Views: store, MaxParked: -1}, parts...)
	must(t, err)
	return startService(t, store, s)
}

func startService(t testing.TB, store storage, s *deed.Service) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Service: s, t: t, store: store, cancel: cancel, result: make(chan error, 1)}
	go func() { r.result <- s.Run(ctx) }()
	t.Cleanup(r.stop)
	return r
}

// stop ends Run and waits for it.
func (r *running) stop() {
	if r.stopped.Swap(true) {
		return
	}
	r.cancel()
	if err := <-r.result; err != nil {
		r.t.Errorf("Run returned %v", err)
	}
}

func (r *running) settle() {
	r.t.Helper()
	must(r.t, r.Settle(bounded(r.t)))
}

// send sends commands, made by Decider.Send, and fails the test if one is not handled.
func (r *running) send(commands ...deed.Effect) deed.Receipt {
	r.t.Helper()
	var receipt deed.Receipt
	for _, c := range commands {
		body, err := json.Marshal(c.Command())
		must(r.t, err)
		receipt, err = r.Dispatch(bounded(r.t), c.Stream(), c.Command().CommandType(), body)
		must(r.t, err)
	}
	return receipt
}

func (r *running) part(name string) deed.PartStatus {
	r.t.Helper()
	status, err := r.Status(bounded(r.t))
	must(r.t, err)
	for _, p := range status.Parts {
		if p.Name == name {
			return p
		}
	}
	r.t.Fatalf("there is no part %s in %+v", name, status.Parts)
	return deed.PartStatus{}
}

func (r *running) effects() deed.EffectStatus {
	r.t.Helper()
	status, err := r.Status(bounded(r.t))
	must(r.t, err)
	return status.Effects
}

// records reads everything that a query selects.
func records(t testing.TB, log deed.Reader, q deed.Query) []deed.Record {
	t.Helper()
	var all []deed.Record
	for r, err := range log.Read(bounded(t), q) {
		must(t, err)
		all = append(all, r)
	}
	return all
}

// types are the types of the records that a query selects.
func types(t testing.TB, log deed.Reader, q deed.Query) []string {
	t.Helper()
	var names []string
	for _, r := range records(t, log, q) {
		names = append(names, r.Type)
	}
	return names
}

// write appends an event as it stands to a stream, whatever is there.
func write(t testing.TB, store deed.Store, stream deed.StreamID, eventType, data string, tags ...string) deed.Position {
	t.Helper()
	e := deed.NewEvent{ID: deed.NewID(), Type: eventType, Data: []byte(data), Tags: tags}
	receipt, err := store.Append(bounded(t), deed.Batch{Writes: []deed.Write{{Stream: stream, Version: deed.Any, Events: []deed.NewEvent{e}}}})
	must(t, err)
	return receipt.Position
}

// reopened is a log in a file that can be closed and opened again.
type reopened struct {
	t     testing.TB
	path  string
	clock *deedtest.Clock
}

func inFile(t testing.TB) *reopened {
	return &reopened{t: t, path: filepath.Join(t.TempDir(), "log.db"), clock: deedtest.NewClock(deedtest.Start)}
}

// during opens the log, does f, and closes it.
func (r *reopened) during(f func(db *sqlite.DB)) {
	r.t.Helper()
	db, err := sqlite.Open(r.path, &sqlite.Options{Clock: r.clock})
	must(r.t, err)
	defer func() { must(r.t, db.Close()) }()
	f(db)
}

// served is during, with a service that is settled and stopped at the end.
func (r *reopened) served(parts []deed.Part, f func(s *running, db *sqlite.DB)) {
	r.t.Helper()
	r.during(func(db *sqlite.DB) {
		s := start(r.t, db, parts...)
		defer s.stop()
		f(s, db)
	})
}

// once is a reader that does not follow.
type once struct{ log deed.Reader }

func (o once) Read(ctx context.Context, q deed.Query) iter.Seq2[deed.Record, error] {
	q.Follow, q.Marks = false, false
	return o.log.Read(ctx, q)
}
