package deed_test

import (
	"context"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The files of the tutorial, as they stand in it, are a module that compiles and whose tests pass.
func TestTutorial(t *testing.T) {
	files := map[string]string{}
	fenced := regexp.MustCompile("(?ms)^```go ([a-z_/]+\\.go)\n(.*?)^```$")
	for _, m := range fenced.FindAllStringSubmatch(readDoc(t, filepath.Join("docs", "tutorial.md")), -1) {
		if files[m[1]] != "" {
			t.Fatalf("%s stands in the tutorial twice", m[1])
		}
		files[m[1]] = m[2]
	}
	if len(files) < 7 {
		t.Fatalf("%d files are in the tutorial, want 7 at least", len(files))
	}
	dir := t.TempDir()
	for name, text := range files {
		if formatted, err := format.Source([]byte(text)); err != nil || string(formatted) != text {
			t.Errorf("%s is not formatted as gofmt does (%v)", name, err)
		}
		put(t, filepath.Join(dir, filepath.FromSlash(name)), text)
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go \S+$`).FindString(readDoc(t, "go.mod"))
	put(t, filepath.Join(dir, "go.mod"), fmt.Sprintf(
		"module example.org/library\n\n%s\n\nrequire github.com/deed-es/deed v0.0.0\n\nreplace github.com/deed-es/deed => %q\n", version, root))
	put(t, filepath.Join(dir, "go.sum"), readDoc(t, "go.sum"))
	for _, args := range [][]string{{"vet", "./..."}, {"test", "-count=1", "./..."}} {
		if out, err := offline(t.Context(), dir, args...); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	// They are tests of something: without a rule that the tutorial makes they fail.
	without := strings.Replace(files["book/lending.go"], "has >= MaxBooks", "false", 1)
	put(t, filepath.Join(dir, "book", "lending.go"), without)
	if out, err := offline(t.Context(), dir, "test", "-count=1", "./book"); err == nil || !strings.Contains(string(out), "FAIL") {
		t.Errorf("without the limit of books the tutorial's tests pass (%v)\n%s", err, out)
	}
}

// offline runs the go command in a module beside this one, with the modules that this one has.
func offline(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	return cmd.CombinedOutput()
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
