package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

func TestSmoke(t *testing.T) {
	db, err := sqlite.Open(filepath.Join(t.TempDir(), "log.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := db.Append(t.Context(), deed.Batch{Writes: []deed.Write{{Stream: "a-1", Events: []deed.NewEvent{{ID: "1", Type: "x", Data: []byte("{}")}}}}})
	t.Log(r, err)
	for rec, err := range db.Read(t.Context(), deed.Query{Follow: true, Limit: 1}) {
		t.Log(rec, err)
	}
}
