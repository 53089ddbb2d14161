// The tests in this package are people who use the shop: Chromium opens the pages that a shop of its own serves, and clicks
// and types. Nothing but tests is here. They wait for what is to be seen, never for a while.
package browser_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

var (
	pictures = flag.String("screenshots", "", "`folder` that pictures of all pages are written to; empty: none are taken")
	axeFile  = flag.String("axe", "", "`file` that axe-core is in; empty: nobody asks it about the pages")
	long     = flag.Bool("long", false, "walk through more, for longer")
)

// patience bounds every wait; what takes longer hangs, on a busy machine too.
const patience = 2 * time.Minute

// What all tests of a run share: the shop as it was built, and the browser, in which everybody has a profile of their own.
var (
	program  string
	chromium context.Context
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func runAll(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "deed-browser")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path, err := findChromium()
	if err != nil {
		return 0, err
	}
	if program, err = buildShop(dir); err != nil {
		return 0, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], // as root without a sandbox, and with little in /dev/shm
		chromedp.ExecPath(path), chromedp.WindowSize(wide.width, wide.height), chromedp.Flag("lang", "en"),
		chromedp.Flag("host-resolver-rules", "MAP "+remote+" 127.0.0.1"))
	all, end := chromedp.NewExecAllocator(context.Background(), options...)
	defer end() // it waits until the browser's processes, and its folder, are gone
	chromium, _ = chromedp.NewContext(all)
	if err := chromedp.Do(chromium); err != nil {
		return 0, fmt.Errorf("start %s: %w", path, err)
	}
	return m.Run(), nil
}

// errNoChromium says what to do where there is none: these tests fail then, since a test that is passed over tells nothing.
var errNoChromium = errors.New("these tests need Chromium, or Chrome, and find neither; on Debian or Ubuntu run " +
	"sudo apt-get install -y chromium fonts-dejavu-core fonts-noto-color-emoji, elsewhere install either, " +
	"and say in the environment variable CHROMIUM where it is if it is not found")

// findChromium returns what the environment variable CHROMIUM says, or what is installed.
func findChromium() (string, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("CHROMIUM: %w", err)
		}
		return found, nil
	}
	for _, name := range []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium",
		`C:\Program Files\Google\Chrome\Application\chrome.exe`,
	} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoChromium
}

// buildShop builds the shop into dir, with the race detector if it looks at this test too.
func buildShop(dir string) (string, error) {
	path := filepath.Join(dir, "shop")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	args := []string{"build", "-o", path}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "github.com/deed-es/deed/examples/shop")...)
	cmd.SysProcAttr = bound()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the shop: %w\n%s", err, out)
	}
	return path, nil
}
