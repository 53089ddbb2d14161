package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/orders"
)

func TestASecondProcessIsToldAtOnce(t *testing.T) {
	data := t.TempDir()
	startChild(t, "-data", data)
	err := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-data", data}, io.Discard)
	if !errors.Is(err, deed.ErrLocked) {
		t.Fatalf("got %v, want an error that wraps %v", err, deed.ErrLocked)
	}
}

func TestASignalStopsTheShopCleanly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals")
	}
	data := t.TempDir()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		c, cmd := startChild(t, "-data", data, "-seed", "10000")
		c.order(tea)
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v: %v", signal, err)
		}
	}
}

func TestWhatIsStoredIsThereAfterARestart(t *testing.T) {
	data := t.TempDir()
	c, stop := start(t, "-data", data)
	id, _ := c.order(tea)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	c, _ = start(t, "-data", data, "-seed", "5")
	row := decode[orders.Row](t, c.await("/orders/"+id, func(a answer) bool { return a.status == 200 }))
	if row.CustomerName != "Ann Lee" {
		t.Errorf("got %+v", row)
	}
	again, _ := c.order(moreTea)
	c.await("/orders/"+again, func(a answer) bool { return a.status == 200 })
	if n := len(c.log("type=order-placed")); n != 2 {
		t.Errorf("%d orders: sample data were added to a store that was not empty", n)
	}
}

func TestSampleData(t *testing.T) {
	const n = 60
	first, second := sampleOrders(t, n), sampleOrders(t, n)
	if len(first) != n {
		t.Fatalf("%d orders, want %d", len(first), n)
	}
	statuses := map[orders.Status]int{}
	for id, row := range first {
		if second[id] != row {
			t.Errorf("one run made %+v, another %+v", row, second[id])
		}
		statuses[row.Status]++
	}
	for _, status := range []orders.Status{orders.StatusConfirmed, orders.StatusUnconfirmed, orders.StatusCancelled} {
		if statuses[status] == 0 {
			t.Errorf("no order is %s: %v", status, statuses)
		}
	}
}

// sampleOrders returns the orders of a newly filled store, without their times.
func sampleOrders(t *testing.T, n int) map[string]orders.Row {
	t.Helper()
	store, s := sampleShop(t, n)
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.service.Run(ctx) }()
	if err := s.seedEmpty(ctx, &out); err != nil {
		t.Fatal(err)
	}
	if err := s.service.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "60 of 60 orders") {
		t.Errorf("progress: %q", out.String())
	}
	rows := map[string]orders.Row{}
	list, err := s.service.Views().List(ctx, "orders", nil, deed.Page{Limit: 1000}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list.Rows {
		var row orders.Row
		if err := json.Unmarshal(r.Row, &row); err != nil {
			t.Fatal(err)
		}
		row.PlacedAt = ""
		rows[r.Key] = row
	}
	cancel()
	if err := errors.Join(<-ended, store.Close()); err != nil {
		t.Fatal(err)
	}
	return rows
}

func sampleShop(t *testing.T, n int, more ...string) (stores, *shop) {
	t.Helper()
	o, err := parse(append([]string{"-data", t.TempDir(), "-seed", "60", "-welcome-delay", "1h"}, more...), io.Discard)
	if err != nil || o.seed != n {
		t.Fatal(o, err)
	}
	store, err := open(t.Context(), o.store, o.views, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newShop(store, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return store, s
}

func TestTheCommandLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-seed", "-1"}, "-seed"},
		{[]string{"-welcome-delay", "-1s"}, "-welcome-delay"},
		{[]string{"-rates", "bank"}, "-rates"},
		{[]string{"-smtp", "nowhere"}, "-smtp"},
		{[]string{"-mail-from", "shop"}, "-mail-from"},
		{[]string{"more"}, "more"},
		{[]string{"-store", "mysql://localhost/shop"}, "no engine"},
		{[]string{"-views", "views.db"}, "no URL"},
		{[]string{"-data", t.TempDir(), "-roles", "commands,cooking"}, "roles are"},
		{[]string{"-store", "shop.db"}, "no URL"},
		{[]string{"-data", t.TempDir(), "-addr", "nowhere"}, "nowhere"},
		{[]string{"-data", t.TempDir(), "-addr", "0.0.0.0:0"}, "loopback"},
		{[]string{"-data", notADirectory(t)}, "directory"},
	} {
		err := run(t.Context(), c.args, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want an error about %s", c.args, err, c.want)
		}
	}
	if err := run(t.Context(), []string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

func notADirectory(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
