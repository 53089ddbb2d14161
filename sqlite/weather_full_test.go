//go:build linux || darwin

package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/sqlite"
)

// Where a test runs itself again in a process of its own, this names the directory to work in.
const childDir = "DEED_TEST_CHILD_DIR"

// inChild runs the test that calls it again in another process, where it finds childDir, and fails unless it passes there.
func inChild(t *testing.T, prepare func(*exec.Cmd)) {
	t.Helper()
	child := exec.CommandContext(within(t), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	child.Env = append(os.Environ(), childDir+"="+t.TempDir())
	prepare(child)
	said, err := child.CombinedOutput()
	for line := range strings.Lines(string(said)) {
		if strings.HasPrefix(line, "    ") {
			t.Log(strings.TrimSpace(line))
		}
	}
	if err != nil || !strings.Contains(string(said), "--- PASS: "+t.Name()) {
		t.Errorf("the process ends with %v and said\n%s", err, said)
	}
}

// A process whose files may not grow beyond a size is one that has no room on its disk, which needs no disk to be filled.
func TestAFileSizeLimitIsGotOver(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Parallel()
		inChild(t, func(*exec.Cmd) {})
		return
	}
	signal.Ignore(syscall.SIGXFSZ) // or it would end the process
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	set := func(bytes uint64) {
		lower := limit
		lower.Cur = min(bytes, limit.Max)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &lower); err != nil {
			t.Fatal(err)
		}
	}
	set(5 << 20)
	outgrow(t, dir, nil, func() { set(8 << 20) }, func() { set(limit.Cur) })
}

// outgrow fills the disk under a log with events, gets more room, fills that with rows of a view, and gets more room again.
// All the while what is acknowledged is there, what is refused is not, and the log is never opened again. Errors and messages
// name the cause, where one is given.
func outgrow(t *testing.T, dir string, cause error, moreRoom, stillMore func()) {
	t.Helper()
	path := filepath.Join(dir, "log.db")
	logged := &said{}
	db := opened(t, path, &sqlite.Options{Logger: logged.logger()})
	full := &fullDisk{T: t, db: db, cause: cause, told: map[string]int{}}
	full.project()
	full.append()
	full.stopProjecting()
	full.check()
	moreRoom()
	full.retry()
	full.check()

	full.putRows()
	full.check()
	stillMore()
	full.commitRow()
	appended(t, db, write("late-1", 0, "late"))
	if err := errors.Join(db.CheckIntegrity(t.Context()), db.Close()); err != nil {
		t.Error(err)
	}
	full.db = opened(t, path, nil)
	full.check()
	if err := full.db.CheckIntegrity(t.Context()); err != nil {
		t.Error(err)
	}
	if all := logged.text(); cause != nil && (!strings.Contains(all, "a commit failed") || !strings.Contains(all, cause.Error())) {
		t.Errorf("of %v the log says\n%s", cause, all)
	}
	for _, text := range slices.Sorted(maps.Keys(full.told)) {
		t.Logf("%4d times: %s", full.told[text], text)
	}
}

// fullDisk is what is done to a log on a disk that becomes full.
type fullDisk struct {
	*testing.T
	db    *sqlite.DB
	cause error // of all errors; nil: not known
	mu    sync.Mutex
	asks  []*asked
	told  map[string]int // what errors said
	rows  int            // committed
	end   func()
}

func (d *fullDisk) tell(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told[err.Error()]++
	if errors.Is(err, deed.ErrConflict) || errors.Is(err, deed.ErrClosed) || errors.Is(err, context.DeadlineExceeded) {
		d.Errorf("a full disk is answered with: %v", err)
	}
	if d.cause != nil && !errors.Is(err, d.cause) {
		d.Errorf("%v does not say %v", err, d.cause)
	}
}

// append appends from four sides until there is no room, and then some more.
func (d *fullDisk) append() {
	const tries, enough = 6, 500
	var sides sync.WaitGroup
	for side := range 4 {
		sides.Go(func() {
			stream := deed.Stream("s", number("", side))
			for i := range enough {
				b := write(stream, deed.Version(2*i), fmt.Sprintf("%s@%d", stream, 2*i+1), fmt.Sprintf("%s@%d", stream, 2*i+2))
				b.Writes[0].Events[0].Data = fmt.Appendf(nil, `{"is":%q}`, filler(60_000))
				if !d.ask(b, tries) {
					return
				}
			}
		})
	}
	sides.Wait()
	d.report("appends")
}

// ask appends until that is acknowledged, or has failed so often.
func (d *fullDisk) ask(b deed.Batch, tries int) bool {
	a := &asked{batch: b, refused: true}
	d.mu.Lock()
	d.asks = append(d.asks, a)
	d.mu.Unlock()
	for range tries {
		r, err := d.db.Append(within(d.T), b)
		if err == nil {
			a.acked, a.refused, a.position = true, false, r.Position
			return true
		}
		a.refused = a.refused && !errors.Is(err, deed.ErrUnknown)
		d.tell(err)
	}
	return false
}

func (d *fullDisk) report(what string) {
	acked, refused, unknown := 0, 0, 0
	for _, a := range d.asks {
		switch {
		case a.acked:
			acked++
		case a.refused:
			refused++
		default:
			unknown++
		}
	}
	d.Logf("%s until nothing fits: %d acknowledged, %d refused, %d unknown", what, acked, refused, unknown)
	if acked < 5 || refused+unknown == 0 {
		d.Error("the disk was not filled")
	}
}

// check finds all that was acknowledged, and nothing that was refused; reading and what needs no room go on.
func (d *fullDisk) check() {
	d.Helper()
	log, err := readDense(d.Context(), d.db)
	if err != nil {
		d.Fatal(err)
	}
	at := positionsOf(log)
	for _, a := range d.asks {
		there, last, err := a.there(at)
		if err != nil || a.acked && (!there || last != a.position) || a.refused && there {
			d.Errorf("%v, acknowledged: %v, at %d, refused: %v, ends at %d, %v", a.ids(), a.acked, a.position, a.refused, last, err)
		}
	}
	if err := checkStreams(d.Context(), d.db, log); err != nil {
		d.Error(err)
	}
	if _, err := d.db.Append(within(d.T), write("s-0", 10_000, "x")); !errors.Is(err, deed.ErrConflict) {
		d.Errorf("an append at the wrong version gets %v", err)
	}
	view := deed.ViewRef{Name: "large"}
	for i := range d.rows {
		if row, _, err := d.db.Row(d.Context(), view, number("k", i)); err != nil || row.Position != deed.Position(i+1) {
			d.Errorf("row %d of %d: at %d, %v", i, d.rows, row.Position, err)
		}
	}
}

// retry appends what was not acknowledged, which finds room now, and takes the view on.
func (d *fullDisk) retry() {
	d.Helper()
	for _, a := range d.asks {
		if a.acked {
			continue
		}
		r, err := d.db.Append(within(d.T), a.batch)
		if err != nil {
			d.Fatalf("with room again: %v", err)
		}
		a.acked, a.refused, a.position = true, false, r.Position
	}
	if err := project(d.Context(), d.db, deed.Query{}); err != nil {
		d.Error(err)
	}
}

// project keeps the view up while the disk fills.
func (d *fullDisk) project() {
	ctx, cancel := context.WithCancel(d.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if err := project(ctx, d.db, deed.Query{Follow: true}); ctx.Err() == nil {
				d.tell(err)
			}
		}
	}()
	d.end = func() {
		cancel()
		<-ended
	}
}

func (d *fullDisk) stopProjecting() { d.end() }

// putRows fills the disk with a view.
func (d *fullDisk) putRows() {
	d.Helper()
	if _, err := d.db.OpenView(d.Context(), deed.ViewSpec{ViewRef: deed.ViewRef{Name: "large"}}); err != nil {
		d.Fatal(err)
	}
	failed := 0
	for failed < 6 && d.rows < 500 {
		if err := d.putRow(); err != nil {
			failed++
			d.tell(err)
		}
	}
	d.Logf("rows until nothing fits: %d acknowledged, %d refused or unknown", d.rows, failed)
	if d.rows < 5 || failed == 0 {
		d.Error("the disk was not filled")
	}
}

func (d *fullDisk) putRow() error {
	position := deed.Position(d.rows + 1)
	err := d.db.CommitView(within(d.T), deed.ViewCommit{
		View: deed.ViewRef{Name: "large"}, From: position - 1, Checkpoint: deed.Checkpoint{Position: position},
		Rows: []deed.RowChange{{Row: deed.Row{
			Key: number("k", d.rows), Data: fmt.Appendf(nil, `{"is":%q}`, filler(100_000)), Position: position,
		}}},
	})
	if err == nil {
		d.rows++
	}
	return err
}

func (d *fullDisk) commitRow() {
	d.Helper()
	if err := d.putRow(); err != nil {
		d.Errorf("with room again: %v", err)
	}
}
