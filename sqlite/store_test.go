package sqlite_test

import (
	"io"
	"path/filepath"
	"sync"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
	"github.com/deed-es/deed/storetest"
)

var claims = storetest.Claims{Dense: true, OneClock: true, LargeEvents: true}

func TestStore(t *testing.T)  { storetest.Run(t, inFile, claims) }
func TestParts(t *testing.T)  { storetest.RunParts(t, inFile) }
func TestInline(t *testing.T) { storetest.RunInline(t, inFile) }
func FuzzStore(f *testing.F)  { storetest.Fuzz(f, inFile) }

func TestPartsInMemory(t *testing.T) { storetest.RunParts(t, keptInMemory(t)) }

func inFile(t *testing.T, c storetest.Config) deed.Engine {
	t.Helper()
	db, err := sqlite.Open(filepath.Join(c.Dir, "log.db"), &sqlite.Options{Clock: c.Clock, MaxEvent: c.MaxEvent})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// keptInMemory opens logs in memory. One that is closed is kept until the end of the test, for who opens it again.
func keptInMemory(t *testing.T) storetest.Open {
	var logs sync.Map
	t.Cleanup(func() {
		logs.Range(func(_, db any) bool { return db.(*sqlite.DB).Close() == nil })
	})
	return func(t *testing.T, c storetest.Config) deed.Engine {
		t.Helper()
		if db, ok := logs.Load(c.Dir); ok {
			return keptOpen{db.(*sqlite.DB)}
		}
		db, err := sqlite.OpenMemory(&sqlite.Options{Clock: c.Clock, MaxEvent: c.MaxEvent})
		if err != nil {
			t.Fatal(err)
		}
		logs.Store(c.Dir, db)
		return keptOpen{db}
	}
}

type keptOpen struct{ *sqlite.DB }

func (keptOpen) Close() error { return nil }

func TestViews(t *testing.T) {
	storetest.RunViews(t, func(t *testing.T, dir string) deed.ViewStore {
		t.Helper()
		return inFile(t, storetest.Config{Dir: dir}).(deed.ViewStore)
	})
}

func TestTables(t *testing.T) {
	storetest.RunTables(t, func(t *testing.T, dir string) deed.TableStore {
		t.Helper()
		return inFile(t, storetest.Config{Dir: dir}).(deed.TableStore)
	})
}

func TestInlineViews(t *testing.T) {
	storetest.RunViews(t, func(t *testing.T, dir string) deed.ViewStore {
		t.Helper()
		db := inFile(t, storetest.Config{Dir: dir}).(*sqlite.DB)
		return inlineViews{db.InlineViews(), db}
	})
}

// inlineViews are the views in a log's own file, and its Close.
type inlineViews struct {
	deed.ViewStore
	io.Closer
}
