package postgres_test

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
	"github.com/deed-es/deed/storetest"
)

var claims = storetest.Claims{Dense: true, OneClock: true, LargeEvents: true}

func TestStore(t *testing.T)  { storetest.Run(t, inSchema(t), claims) }
func TestParts(t *testing.T)  { storetest.RunParts(t, inSchema(t)) }
func TestInline(t *testing.T) { storetest.RunInline(t, inSchema(t)) }
func TestLeases(t *testing.T) { storetest.RunLeases(t, inSchema(t)) }
func FuzzStore(f *testing.F)  { storetest.Fuzz(f, inSchema(f)) }

func TestParallelStore(t *testing.T) {
	storetest.Run(t, inParallel(t), storetest.Claims{LargeEvents: true})
}
func TestParallelParts(t *testing.T)  { storetest.RunParts(t, inParallel(t)) }
func TestParallelInline(t *testing.T) { storetest.RunInline(t, inParallel(t)) }
func FuzzParallelStore(f *testing.F)  { storetest.Fuzz(f, inParallel(f)) }

// inParallel opens logs that are appended to in the order Parallel.
func inParallel(t testing.TB) storetest.Open {
	open := inSchema(t)
	return func(t *testing.T, c storetest.Config) deed.Engine {
		t.Helper()
		db := open(t, c).(*postgres.DB)
		if err := db.SetOrder(t.Context(), postgres.Parallel); err != nil {
			t.Fatal(err)
		}
		return db
	}
}

func TestViews(t *testing.T) {
	open := inSchema(t)
	storetest.RunViews(t, func(t *testing.T, dir string) deed.ViewStore {
		t.Helper()
		return open(t, storetest.Config{Dir: dir}).(deed.ViewStore)
	})
}

func TestTables(t *testing.T) {
	open := inSchema(t)
	storetest.RunTables(t, func(t *testing.T, dir string) deed.TableStore {
		t.Helper()
		return open(t, storetest.Config{Dir: dir}).(deed.TableStore)
	})
}

func TestInlineViews(t *testing.T) {
	open := inSchema(t)
	storetest.RunViews(t, func(t *testing.T, dir string) deed.ViewStore {
		t.Helper()
		db := open(t, storetest.Config{Dir: dir}).(*postgres.DB)
		return inlineViews{db.InlineViews(), db}
	})
}

// inlineViews are the views that are folded with a log, and its Close.
type inlineViews struct {
	deed.ViewStore
	io.Closer
}

// inSchema opens logs in one schema, each case's its own: what one case does, all others see if logs are not kept apart.
func inSchema(t testing.TB) storetest.Open {
	schema := fresh(t)
	return func(t *testing.T, c storetest.Config) deed.Engine {
		t.Helper()
		name := strings.ReplaceAll(strings.TrimPrefix(c.Dir, "/"), string(filepath.Separator), ".")
		db, err := postgres.Open(t.Context(), server, &postgres.Options{
			Schema: schema, Log: name[max(0, len(name)-200):], Clock: c.Clock, MaxEvent: c.MaxEvent,
		})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
}
