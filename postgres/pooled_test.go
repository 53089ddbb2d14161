package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
	"github.com/deed-es/deed/postgres/internal/cluster"
	"github.com/deed-es/deed/storetest"
)

// pooled starts a server and a pooler in transaction mode in front of it, with few connections, so that none stays anybody's for long.
func pooled(t *testing.T) (c *cluster.Cluster, through string) {
	t.Helper()
	c = ownServer(t)
	p, err := c.Pool(within(t), 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c, p.URL()
}

// All that is promised is kept through a pooler too.
func TestThroughAPooler(t *testing.T) {
	t.Parallel()
	_, through := pooled(t)
	open := func(t *testing.T, c storetest.Config) deed.Engine {
		t.Helper()
		name := strings.ReplaceAll(strings.TrimPrefix(c.Dir, "/"), "/", ".")
		return openedAt(t, through, &postgres.Options{Log: name[max(0, len(name)-200):], Clock: c.Clock, MaxEvent: c.MaxEvent})
	}
	t.Run("store", func(t *testing.T) { storetest.Run(t, open, claims) })
	t.Run("parts", func(t *testing.T) { storetest.RunParts(t, open) })
	t.Run("inline", func(t *testing.T) { storetest.RunInline(t, open) })
	t.Run("views", func(t *testing.T) {
		storetest.RunViews(t, func(t *testing.T, dir string) deed.ViewStore {
			t.Helper()
			return open(t, storetest.Config{Dir: dir}).(deed.ViewStore)
		})
	})
}

// Processes that share a pooler's few connections append, follow and wait beside each other, and none leaves anything behind on a connection
// of the server.
func TestNothingIsLeftBehindOnAPoolersConnections(t *testing.T) {
	t.Parallel()
	c, through := pooled(t)
	for _, order := range []postgres.Order{postgres.Serial, postgres.Parallel} {
		t.Run(string(order), func(t *testing.T) {
			togetherThrough(t, through, order)
			leftBehind(within(t), t, c, through)
		})
	}
}

func togetherThrough(t *testing.T, through string, order postgres.Order) {
	ctx := within(t)
	var said lines
	o := &postgres.Options{Log: string(order), Logger: slog.New(slog.NewTextHandler(&said, nil))}
	handles := make([]*postgres.DB, 4)
	for i := range handles {
		handles[i] = openedAt(t, through, o)
	}
	if err := handles[0].SetOrder(ctx, order); err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, db := range handles {
			_ = db.Close()
		}
	}()
	const each = 25
	var wg sync.WaitGroup
	for i, db := range handles {
		for w := range 3 {
			wg.Go(func() {
				for v := range each {
					b := write(deed.Stream("order", fmt.Sprint(i, "-", w)), deed.Version(v), fmt.Sprint(i, "/", w, "/", v))
					if _, err := db.Append(ctx, b); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Go(func() {
			seen := 0
			for _, err := range db.Read(ctx, deed.Query{Follow: true, Limit: len(handles) * 3 * each}) {
				if err != nil {
					t.Error(err)
					return
				}
				seen++
			}
			if seen != len(handles)*3*each {
				t.Errorf("followed %d events", seen)
			}
		})
	}
	wg.Wait()
	if strings.Contains(said.String(), "WARN") {
		t.Errorf("it was said:\n%s", said.String())
	}
}

// leftBehind asks every connection that the pooler has what is left on it.
func leftBehind(ctx context.Context, t *testing.T, c *cluster.Cluster, through string) {
	t.Helper()
	var all []*pgx.Conn
	for range 3 { // in a transaction each, so that each has another
		conn, err := pgx.Connect(ctx, through)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(ctx) }()
		if _, err := conn.Exec(ctx, "BEGIN", pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
		all = append(all, conn)
	}
	for _, conn := range all {
		var left string
		err := conn.QueryRow(ctx, `SELECT concat_ws(', ', (SELECT string_agg(name, ' ') FROM pg_prepared_statements), (SELECT string_agg(pg_listening_channels, ' ') FROM pg_listening_channels()),
			(SELECT string_agg(name || '=' || setting, ' ') FROM pg_settings WHERE source = 'session' AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings')))`,
			pgx.QueryExecModeSimpleProtocol).Scan(&left)
		if err != nil || left != "" {
			t.Errorf("a connection of the server has %q left on it, %v", left, err)
		}
	}
	admin, err := pgx.Connect(ctx, c.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(ctx) }()
	var locks int
	if err := admin.QueryRow(ctx, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").Scan(&locks); err != nil || locks != 0 {
		t.Errorf("%d advisory locks are left, %v", locks, err)
	}
}

// lines is what was logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Each of pgx's modes but its own is taken for a pooler's, also where the URL has no room for descriptions.
func TestEveryModeWithoutNamesIsAPoolers(t *testing.T) {
	t.Parallel()
	c, err := pgx.ParseConfig(server)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"exec", "simple_protocol", "cache_describe", "describe_exec", "exec&description_cache_capacity=0"} {
		db := openedAt(t, urlOf(c, c.User, c.Password)+"&default_query_exec_mode="+mode, &postgres.Options{Schema: fresh(t)})
		fill(t, db)
		isFull(t, db)
		var names int
		if err := postgres.Pool(db).QueryRow(within(t), "SELECT count(*) FROM pg_prepared_statements WHERE name <> ''").Scan(&names); err != nil || names != 0 {
			t.Errorf("%s: %d statements have names, %v", mode, names, err)
		}
	}
}
