package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// says checks that an error says what to do, and has the server's code in it.
func says(t *testing.T, err error, code string, words ...string) {
	t.Helper()
	var said *pgconn.PgError
	if code != "" && (!errors.As(err, &said) || said.Code != code) {
		t.Errorf("error is %v, want one with the code %s", err, code)
	}
	for _, word := range words {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error is %v, and does not say %q", err, word)
		}
	}
}

func TestAServerThatLetsNobodyInSaysWhatToDo(t *testing.T) {
	t.Parallel()
	c := ownServer(t)
	ctx := within(t)
	admin, err := pgx.Connect(ctx, c.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(ctx) }()
	var file string
	if err := admin.QueryRow(ctx, "SHOW hba_file").Scan(&file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("local all ann scram-sha-256\nlocal all ben reject\nlocal all all trust\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	execute(t, c.URL(), "SET password_encryption = 'scram-sha-256'; CREATE ROLE ann LOGIN PASSWORD 'right'; GRANT CREATE ON DATABASE postgres TO ann; SELECT pg_reload_conf()")
	as := func(query ...string) string {
		q := url.Values{"host": {admin.Config().Host}, "dbname": {"postgres"}}
		for i := 0; i < len(query); i += 2 {
			q.Set(query[i], query[i+1])
		}
		return "postgres:///?" + q.Encode()
	}
	eventually(t, "the server asks for a password", func() bool {
		_, err = postgres.Open(ctx, as("user", "ann", "password", "wrong-one"), nil)
		return err != nil && strings.Contains(err.Error(), "28P01")
	})
	says(t, err, "28P01", "look at user and password")
	if strings.Contains(err.Error(), "wrong-one") {
		t.Errorf("the error tells the password: %v", err)
	}
	_, err = postgres.Open(ctx, as("user", "ben"), nil)
	says(t, err, "28000", "pg_hba.conf")
	_, err = postgres.Open(ctx, as("user", "deed", "dbname", "nowhere"), nil)
	says(t, err, "3D000", "make the database first")
	appended(t, openedAt(t, as("user", "ann", "password", "right"), nil), write("order-1", 0, "a"))
}

func TestAServerWithoutConnectionsLeftSaysWhatToDo(t *testing.T) {
	t.Parallel()
	c := ownServer(t, "max_connections = 12", "superuser_reserved_connections = 0")
	ctx := within(t)
	db := openedAt(t, c.URL()+"&pool_max_conns=1", nil)
	appended(t, db, write("order-1", 0, "a"))
	var held []*pgx.Conn
	for range 13 {
		if one, err := pgx.Connect(ctx, c.URL()); err == nil {
			held = append(held, one)
		}
	}
	_, err := postgres.Open(ctx, c.URL(), nil)
	says(t, err, "53300", "max_connections", "pool_max_conns")
	appended(t, db, write("order-1", 1, "b")) // who has connections keeps them
	for _, one := range held {
		if err := one.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "the connections are free", func() bool {
		again, err := postgres.Open(ctx, c.URL(), nil)
		return err == nil && again.Close() == nil
	})
}

// smallDisk is a file system of so many bytes that the server may write to, with a file in it that can be removed to make room.
func smallDisk(t *testing.T, owner string, size, room int) (data, ballast string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a small disk")
	}
	dir := t.TempDir()
	ctx := context.WithoutCancel(t.Context())
	if out, err := exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=777", size), "deed", dir).CombinedOutput(); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.CommandContext(ctx, "umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	for up := filepath.Dir(dir); strings.HasPrefix(up, os.TempDir()+"/"); up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	data = filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(ctx, "chown", owner, data).CombinedOutput(); err != nil {
		t.Fatalf("chown: %v: %s", err, out)
	}
	ballast = filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, room), 0o600); err != nil {
		t.Fatal(err)
	}
	return data, ballast
}

// A disk that is full refuses appends and says so. What was acknowledged is there and can be read, and once there is space, appends are stored
// again, by the same handle.
func TestADiskThatIsFull(t *testing.T) {
	t.Parallel()
	c := ownServer(t)
	ctx := within(t)
	dir, ballast := smallDisk(t, c.Account(), 12<<20, 4<<20)
	execute(t, c.URL(), "CREATE TABLESPACE small LOCATION '"+dir+"'")
	execute(t, c.URL(), "ALTER ROLE deed SET default_tablespace = small")
	db := openedAt(t, c.URL(), nil)
	view := deed.ViewRef{Name: "notes", Version: 1}
	if _, err := db.OpenView(ctx, deed.ViewSpec{ViewRef: view}); err != nil {
		t.Fatal(err)
	}
	stored := 0
	large := func() deed.Batch {
		data := make([]byte, 64<<10)
		_, _ = rand.Read(data)
		return deed.Batch{Writes: []deed.Write{{Stream: "order-1", Version: deed.Version(stored), Events: []deed.NewEvent{
			{ID: fmt.Sprint("e", stored), Type: "noted", ContentType: "application/octet-stream", Data: data},
		}}}}
	}
	fillUp := func() error {
		for stored < 10_000 {
			if _, err := db.Append(ctx, large()); err != nil {
				return err
			}
			stored++
		}
		return nil
	}
	err := fillUp()
	says(t, err, "53100", "disk is full", "nothing of this is stored")
	if errors.Is(err, deed.ErrUnknown) || stored < 10 {
		t.Errorf("after %d events the error is %v", stored, err)
	}
	row := make([]byte, 1<<20)
	_, _ = rand.Read(row)
	err = db.CommitView(ctx, deed.ViewCommit{View: view, Checkpoint: deed.Checkpoint{Position: 1}, Rows: []deed.RowChange{{Row: deed.Row{Key: "k", Data: row, Position: 1}}}})
	says(t, err, "53100", "disk is full")
	if got := ids(t, db, deed.Query{}); len(got) != stored {
		t.Errorf("the log has %d events, and %d were acknowledged", len(got), stored)
	}
	before := stored
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	says(t, fillUp(), "53100")
	if stored < before+10 {
		t.Errorf("after there was space again %d more were stored", stored-before)
	}
	for i, id := range ids(t, db, deed.Query{}) {
		if id != fmt.Sprint("e", i) || i >= stored {
			t.Errorf("%s stands at place %d of %d", id, i, stored)
		}
	}
}

func TestATableThatIsGoneSaysWhatToDo(t *testing.T) {
	t.Parallel()
	o := &postgres.Options{Schema: fresh(t)}
	db := opened(t, o)
	appended(t, db, write("order-1", 0, "a"))
	execute(t, server, "DROP SCHEMA "+o.Schema+" CASCADE")
	_, err := db.Append(within(t), write("order-1", 1, "b"))
	says(t, err, "42P01", "dropped or restored")
	_, err = db.Head(within(t))
	says(t, err, "42P01", "dropped or restored")
}

// Where the disk with the server's WAL is full, the server goes down amid a commit, and may stay down until there is space. Nothing that was
// acknowledged is lost, and the same handle appends when the server is back.
func TestADiskWithTheWALThatIsFull(t *testing.T) {
	t.Parallel()
	c := ownServer(t, "wal_recycle = off", "min_wal_size = 32MB", "max_wal_size = 1GB")
	ctx := within(t)
	dir, ballast := smallDisk(t, c.Account(), 96<<20, 48<<20)
	if err := c.MoveWAL(filepath.Join(dir, "wal")); err != nil {
		t.Fatal(err)
	}
	db := openedAt(t, c.URL(), nil)
	var w restartedWriter
	over := make(chan struct{})
	ended := make(chan error, 1)
	go func() { ended <- w.large(ctx, db, over) }()
	eventually(t, "the disk is full", func() bool { return w.failed.Load()+w.unknown.Load() > 0 })
	t.Logf("acknowledged %d, failed %d, unknown %d", w.acknowledged.Load(), w.failed.Load(), w.unknown.Load())
	eventually(t, "the server has gone down", func() bool { return strings.Contains(c.Log(), "No space left on device") })
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := c.Restart("immediate"); err != nil {
		t.Fatal(err)
	}
	goal := w.acknowledged.Load() + 10
	eventually(t, "ten more are acknowledged", func() bool { return w.acknowledged.Load() >= goal })
	close(over)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := ids(t, db, deed.Query{}); int64(len(got)) != w.acknowledged.Load() {
		t.Errorf("the log has %d events, and %d were acknowledged", len(got), w.acknowledged.Load())
	}
}

// large appends large events, and retries what is not acknowledged, until the last one is.
func (w *restartedWriter) large(ctx context.Context, db *postgres.DB, over <-chan struct{}) error {
	for v := deed.Version(0); ; {
		b := write("order-1", v, fmt.Sprint("e", v))
		b.Writes[0].Events[0].Data = make([]byte, 512<<10)
		_, _ = rand.Read(b.Writes[0].Events[0].Data)
		b.Writes[0].Events[0].ContentType = "application/octet-stream"
		_, err := db.Append(ctx, b)
		switch {
		case err == nil:
			v++
			w.acknowledged.Add(1)
			select {
			case <-over:
				return nil
			default:
			}
		case errors.Is(err, deed.ErrConflict) || ctx.Err() != nil:
			return fmt.Errorf("at %d: %w", v, err)
		case errors.Is(err, deed.ErrUnknown):
			w.unknown.Add(1)
		default:
			w.failed.Add(1)
		}
	}
}
