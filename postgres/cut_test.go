package postgres_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

// cutter stands between the engine and the server, and cuts a connection off amid a COMMIT when it is told to.
type cutter struct {
	t      *testing.T
	dir    string
	server *pgx.ConnConfig
	cut    atomic.Int32 // at the next COMMIT
}

const (
	cutBefore int32 = 1 + iota // the server never hears of it
	cutAfter                   // the server has done it, and its answer does not come back
)

func newCutter(t *testing.T) *cutter {
	t.Helper()
	c, err := pgx.ParseConfig(server)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "deed-cut") // short: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = l.Close()
		_ = os.RemoveAll(dir)
	})
	p := &cutter{t: t, dir: dir, server: c}
	go p.accept(l)
	return p
}

func (p *cutter) url() string {
	q := url.Values{"host": {p.dir}, "user": {p.server.User}, "password": {p.server.Password}, "dbname": {p.server.Database}}
	return "postgres:///?" + q.Encode()
}

func (p *cutter) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		network, address := pgconn.NetworkAddress(p.server.Host, p.server.Port)
		server, err := (&net.Dialer{}).DialContext(p.t.Context(), network, address)
		if err != nil {
			_ = client.Close()
			return
		}
		line := &cutLine{cutter: p, client: client, server: server, statements: map[string]string{}}
		go line.forth()
		go line.back()
	}
}

// cutLine is one connection through the cutter.
type cutLine struct {
	*cutter
	client, server net.Conn
	statements     map[string]string // by name
	deaf           atomic.Bool       // answers are kept back, up to the one to a COMMIT
}

func (l *cutLine) close() {
	_ = l.client.Close()
	_ = l.server.Close()
}

// forth carries what the engine says, message by message.
func (l *cutLine) forth() {
	defer l.close()
	in := bufio.NewReader(l.client)
	start, err := message(in, 0)
	for err == nil {
		if _, err = l.server.Write(start); err != nil {
			return
		}
		if start, err = message(in, 1); err == nil && l.commits(start) {
			switch cut := l.cut.Swap(0); cut {
			case cutBefore:
				return
			case cutAfter:
				l.deaf.Store(true)
			}
		}
	}
}

// commits takes in which statement has which name, and tells whether a message has a COMMIT done.
func (l *cutLine) commits(m []byte) bool {
	words := bytes.SplitN(m[5:], []byte{0}, 3)
	switch {
	case m[0] == 'P' && len(words) == 3:
		l.statements[string(words[0])] = string(words[1])
	case m[0] == 'B' && len(words) == 3:
		return l.statements[string(words[1])] == "COMMIT"
	}
	return false
}

// back carries what the server answers.
func (l *cutLine) back() {
	defer l.close()
	in := bufio.NewReader(l.server)
	for {
		m, err := message(in, 1)
		if err != nil {
			return
		}
		if !l.deaf.Load() {
			if _, err := l.client.Write(m); err != nil {
				return
			}
		} else if m[0] == 'Z' { // all is done
			return
		}
	}
}

// message reads a message of the protocol, with so many bytes in front of its length.
func message(in *bufio.Reader, kind int) ([]byte, error) {
	head := make([]byte, kind+4)
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, err
	}
	m := append(head, make([]byte, binary.BigEndian.Uint32(head[kind:])-4)...)
	_, err := io.ReadFull(in, m[len(head):])
	return m, err
}

// A connection that is lost amid a COMMIT leaves the outcome unknown, whether the server has done it or not. A retry tells, and nothing
// has to be started anew.
func TestAConnectionLostAmidACommit(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"", "&default_query_exec_mode=exec"} {
		p := newCutter(t)
		o := &postgres.Options{Schema: fresh(t)}
		db, direct := openedAt(t, p.url()+mode, o), opened(t, o)
		version := deed.Version(0)
		for _, look := range []bool{true, false} {
			for cut, stored := range map[int32]bool{cutBefore: false, cutAfter: true} {
				if !look { // the second of two groups in a row is stored on a guess
					appended(t, db, write("order-1", version, deed.NewID()))
					version++
				}
				b := write("order-1", version, deed.NewID())
				p.cut.Store(cut)
				if _, err := db.Append(within(t), b); !errors.Is(err, deed.ErrUnknown) {
					t.Fatalf("cut %d: the append is answered with %v", cut, err)
				}
				if got := ids(t, direct, deed.Query{AfterVersion: version, Stream: "order-1"}); (len(got) == 1) != stored {
					t.Errorf("cut %d: the stream has %v", cut, got)
				}
				r := appended(t, db, b)
				if version++; r.Again != stored || r.Version() != version {
					t.Errorf("cut %d: the retry got %+v", cut, r)
				}
			}
		}
		lostViewCommit(t, p, db)
	}
}

// A step of a view is unknown too, and who made it finds out by where the view is.
func lostViewCommit(t *testing.T, p *cutter, db *postgres.DB) {
	t.Helper()
	ctx, view := within(t), deed.ViewRef{Name: "notes", Version: 1}
	if _, err := db.OpenView(ctx, deed.ViewSpec{ViewRef: view}); err != nil {
		t.Fatal(err)
	}
	for i, cut := range []int32{cutBefore, cutAfter} {
		p.cut.Store(cut)
		step := deed.ViewCommit{View: view, Checkpoint: deed.Checkpoint{Position: 1}}
		if err := db.CommitView(ctx, step); !errors.Is(err, deed.ErrUnknown) {
			t.Errorf("cut %d: the step is answered with %v", cut, err)
		}
		at, err := db.OpenView(ctx, deed.ViewSpec{ViewRef: view})
		if err != nil || at.Position != deed.Position(i) {
			t.Errorf("cut %d: the view is at %+v, %v", cut, at, err)
		}
	}
}
