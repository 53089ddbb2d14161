package deed_test

import (
	"flag"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/deed-es/deed"
)

var partitionsWanted = partitionsFlag()

func partitionsFlag() *int {
	n := 1
	flag.Func("partitions", "into how many partitions the projections of these tests are cut that say nothing", func(text string) (err error) {
		n, err = strconv.Atoi(text)
		deed.SetPartitions(n)
		return err
	})
	return &n
}

// The tests of projections hold for those that are cut: they are run again, in a process of their own, with all of them cut into three.
func TestPartitionsAreAlike(t *testing.T) {
	if *partitionsWanted != 1 || *standardMode != "async" {
		t.Skip("this is the process of its own")
	}
	const run = "^(TestProjection|TestProjectionStops|TestRoute|TestView(List|Times|Unsigned|Waits|sByName)|TestParkedRows.*|TestCodec|TestPause|TestRebuild|TestCutAsTold)$"
	// Left out is what is about a part that stops: of one that is cut the others go on, and each parks so many keys.
	const skip = "^TestProjectionStops$|^TestParkedRows$/stop_the_part|^TestViewUnsigned$/greater_ones_stop"
	out, err := exec.CommandContext(bounded(t), os.Args[0], "-test.run", run, "-test.skip", skip, "-test.v", "-test.timeout", "2m", "-partitions", "3").CombinedOutput()
	passed := strings.Count(string(out), "--- PASS")
	t.Logf("%d tests passed with all projections cut into three", passed)
	if err != nil || passed < 20 {
		t.Errorf("%v\n%s", err, out)
	}
}

// What runs again is cut indeed.
func TestCutAsTold(t *testing.T) {
	db, _ := memory(t)
	s := start(t, db, accounts, lines)
	n := len(s.part("lines").Partitions)
	if want := *partitionsWanted; n != want && (n != 0 || want != 1) {
		t.Errorf("there are %d partitions, want %d", n, want)
	}
}
