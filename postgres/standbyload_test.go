package postgres_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/postgres"
)

var standbyFor = flag.Duration("standby", 3*time.Second, "how long TestStandbyLoad appends in each order")

// The load: so many processes append so often each, and the standby answers so much later. What is appended first is not measured.
const (
	loadProcesses = 20
	loadEvery     = 100 * time.Millisecond
	loadDelay     = 5 * time.Millisecond
	loadWarmUp    = time.Second
)

// loadSpec names the variable that tells a process of TestStandbyLoad what to do.
const loadSpec = "DEED_TEST_STANDBY_LOAD"

// loaded is what a process of the load is to do.
type loaded struct {
	URL, Order string
	Process    int
	For        time.Duration
	Answers    string // the file for what came of it
}

// loadAnswers are how long appends took since they were due, and what went wrong.
type loadAnswers struct {
	Took   []time.Duration // of those that were due while it was measured
	Met    int             // appends that were acknowledged while it was measured
	Stored int             // all that were acknowledged
	Errors []string
}

// TestStandbyLoad has twenty processes append ten times a second each, whatever becomes of the appends before, to a server whose
// standby answers 5 ms late. It prints what that costs in either order, beside what a bare transaction costs there. In a run of ten
// seconds or more, Parallel has to keep up, and half of its appends must take no longer than three bare transactions.
func TestStandbyLoad(t *testing.T) {
	if spec := os.Getenv(loadSpec); spec != "" {
		appendsUnderLoad(t, spec)
		return
	}
	t.Parallel()
	s := synced(t)
	s.Delay(loadDelay)
	ctx, cancel := context.WithTimeout(t.Context(), 2**standbyFor+3*time.Minute)
	defer cancel()
	before := bareCommits(ctx, t, s.Primary.URL())
	answers := map[postgres.Order]loadAnswers{}
	for _, order := range []postgres.Order{postgres.Parallel, postgres.Serial} {
		db := openedAt(t, s.Primary.URL(), &postgres.Options{Log: string(order)})
		if err := db.SetOrder(ctx, order); err != nil {
			t.Fatal(err)
		}
		answers[order] = load(ctx, t, s.Primary.URL(), order)
		if got := len(ids(t, db, deed.Query{})); got != answers[order].Stored {
			t.Errorf("%s: %d events are in the log, and %d were acknowledged", order, got, answers[order].Stored)
		}
	}
	after := bareCommits(ctx, t, s.Primary.URL())
	commit := (before + after) / 2
	t.Logf("a bare commit takes %s (%s before, %s after)", shown(commit), shown(before), shown(after))
	for order, a := range answers {
		slices.Sort(a.Took)
		at := func(share float64) time.Duration { return a.Took[int(share*float64(len(a.Took)-1))] }
		offered, met, commits := loadProcesses/loadEvery.Seconds(), float64(a.Met)/standbyFor.Seconds(), at(0.5).Seconds()/commit.Seconds()
		t.Logf("%-8s offered %.0f/s, met %.0f/s; p50 %s (%.1f commits), p99 %s, most %s",
			order, offered, met, shown(at(0.5)), commits, shown(at(0.99)), shown(at(1)))
		if *standbyFor >= 10*time.Second && order == postgres.Parallel && (met < 0.95*offered || commits > 3) {
			t.Errorf("%s does not keep up", order)
		}
	}
}

func shown(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }

// bareCommits is the median time of transactions that store a row each, one after the other.
func bareCommits(ctx context.Context, t *testing.T, url string) time.Duration {
	t.Helper()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	if _, err := c.Exec(ctx, "CREATE TABLE IF NOT EXISTS bare (n bigint)"); err != nil {
		t.Fatal(err)
	}
	took := make([]time.Duration, 50)
	for i := range took {
		began := time.Now()
		if _, err := c.Exec(ctx, "INSERT INTO bare VALUES ($1)", i); err != nil {
			t.Fatal(err)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// load starts the processes, has them begin together, and returns what came of them all.
func load(ctx context.Context, t *testing.T, url string, order postgres.Order) (all loadAnswers) {
	t.Helper()
	dir := t.TempDir()
	processes := make([]*loadProcess, loadProcesses)
	for i := range processes {
		spec := loaded{URL: url + "&pool_max_conns=2", Order: string(order), Process: i, For: *standbyFor, Answers: filepath.Join(dir, fmt.Sprint(i))}
		processes[i] = startLoad(ctx, t, spec)
	}
	for _, p := range processes {
		p.ready(t)
	}
	begin := time.Now().Add(loadEvery)
	for _, p := range processes {
		if _, err := fmt.Fprintln(p.in, begin.UnixNano()); err != nil {
			t.Error(err)
		}
	}
	for i, p := range processes {
		a := p.end(t)
		for _, failed := range a.Errors {
			t.Errorf("process %d: %s", i, failed)
		}
		all.Took = append(all.Took, a.Took...)
		all.Met += a.Met
		all.Stored += a.Stored
	}
	if due := loadProcesses * int(*standbyFor/loadEvery); len(all.Took) != due {
		t.Fatalf("%s: %d appends were acknowledged of %d", order, len(all.Took), due)
	}
	return all
}

// loadProcess is this test in another process.
type loadProcess struct {
	spec loaded
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	said strings.Builder
}

const loadReady = "ready to append\n"

func startLoad(ctx context.Context, t *testing.T, spec loaded) *loadProcess {
	t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	p := &loadProcess{spec: spec, cmd: exec.CommandContext(ctx, os.Args[0], "-test.run=^TestStandbyLoad$", "-test.count=1", "-test.v")}
	p.cmd.Env = append(os.Environ(), loadSpec+"="+string(text), "DEED_TEST_POSTGRES="+spec.URL)
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out, p.cmd.Stderr = bufio.NewReader(out), p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// ready waits until the process can append.
func (p *loadProcess) ready(t *testing.T) {
	t.Helper()
	for {
		line, err := p.out.ReadString('\n')
		if p.said.WriteString(line); strings.HasSuffix(line, loadReady) {
			return
		}
		if err != nil {
			t.Fatalf("process %d: %v\n%s", p.spec.Process, err, p.said.String())
		}
	}
}

// end waits until the process has ended, and returns what came of it.
func (p *loadProcess) end(t *testing.T) (a loadAnswers) {
	t.Helper()
	_, read := io.Copy(&p.said, p.out)
	if err := p.cmd.Wait(); err != nil || read != nil {
		t.Fatalf("process %d: %v, %v\n%s", p.spec.Process, err, read, p.said.String())
	}
	text, err := os.ReadFile(p.spec.Answers)
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		t.Fatalf("process %d: %v", p.spec.Process, err)
	}
	return a
}

// appendsUnderLoad is what each process of the load does.
func appendsUnderLoad(t *testing.T, text string) {
	var spec loaded
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	db := openedAt(t, spec.URL, &postgres.Options{Log: spec.Order})
	if _, err := fmt.Fprint(os.Stdout, loadReady); err != nil {
		t.Fatal(err)
	}
	var nano int64
	if _, err := fmt.Fscanln(os.Stdin, &nano); err != nil {
		t.Fatal(err)
	}
	phase := time.Duration(spec.Process) * loadEvery / loadProcesses
	a := appendOnTime(t, db, spec, time.Unix(0, nano).Add(phase))
	answers, err := json.Marshal(a)
	if err == nil {
		err = os.WriteFile(spec.Answers, answers, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// appendOnTime appends whenever it is due, whatever has become of what was due before.
func appendOnTime(t *testing.T, db *postgres.DB, spec loaded, begin time.Time) (a loadAnswers) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	measured := begin.Add(loadWarmUp)
	end := measured.Add(spec.For)
	n := 0
	for due := begin; due.Before(end); due = due.Add(loadEvery) {
		<-time.After(time.Until(due))
		id := fmt.Sprintf("%d-%d", spec.Process, n)
		n++
		wg.Go(func() {
			_, err := db.Append(t.Context(), deed.Batch{Writes: []deed.Write{{
				Stream: deed.Stream("order", id), Events: []deed.NewEvent{{ID: id, Type: "order-placed", Data: payload}},
			}}})
			now := time.Now()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				a.Errors = append(a.Errors, err.Error())
				return
			}
			if a.Stored++; !due.Before(measured) {
				a.Took = append(a.Took, now.Sub(due))
			}
			if now.After(measured) && now.Before(end) {
				a.Met++
			}
		})
	}
	wg.Wait()
	return a
}
