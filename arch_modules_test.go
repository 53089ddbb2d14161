package deed_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// modules are the directories of the modules that the rules are for. What else has a go.mod is for who works on deed itself.
var modules = []string{".", "telemetry", "postgres", "cmd/deed", "examples/shop"}

// requirement is a module that a go.mod requires directly.
var requirement = regexp.MustCompile(`(?m)^(?:require)?\s+(\S+\.\S+/\S+) v\S+$`)

// Every module that a go.mod requires directly has its line in dependencies.md, below the heading of that go.mod: what for,
// why this one, what it costs.
func TestArchDependenciesAreExplained(t *testing.T) {
	explained := read(t, filepath.Join("docs", "adr", "dependencies.md"))
	for _, m := range modules {
		file, heading := filepath.ToSlash(filepath.Join(m, "go.mod")), "## In deed's go.mod\n"
		if m != "." {
			heading = "## In " + file + "\n"
		}
		_, section, found := strings.Cut(explained, heading)
		if !found {
			t.Errorf("docs/adr/dependencies.md has no %q", strings.TrimSpace(heading))
		}
		section, _, _ = strings.Cut(section, "\n## ")
		for _, r := range requirement.FindAllStringSubmatch(read(t, file), -1) {
			if !within(r[1], module) && !strings.Contains(section, "`"+r[1]+"`") {
				t.Errorf("%s requires %s, and docs/adr/dependencies.md does not say why", file, r[1])
			}
		}
	}
}

// Each go.mod is what "go mod tidy" makes of it, without the others' help, and go.work joins them.
func TestArchModulesAreTidy(t *testing.T) {
	work := read(t, "go.work")
	for _, m := range modules {
		if use := "\t./" + strings.TrimPrefix(m, ".") + "\n"; m != "." && !strings.Contains(work, use) {
			t.Errorf("go.work does not use %s", m)
		}
		if out, err := alone(t, m, "mod", "tidy", "-diff"); err != nil {
			t.Errorf("go mod tidy in %s: %v\n%s", m, err, out)
		}
	}
}

// Who uses deed has nothing of Prometheus, OpenTelemetry or the shop in the module graph.
func TestArchDeedHangsOnNoTelemetry(t *testing.T) {
	out, err := alone(t, ".", "mod", "graph")
	if err != nil {
		t.Fatalf("go mod graph: %v\n%s", err, out)
	}
	for _, other := range []string{"github.com/prometheus/", "go.opentelemetry.io/", module + "/"} {
		for line := range strings.Lines(out) {
			if strings.Contains(line, other) {
				t.Errorf("deed's module graph has %s", line)
			}
		}
	}
	if !strings.Contains(out, "github.com/ncruces/go-sqlite3@") {
		t.Errorf("the graph does not even have SQLite:\n%s", out)
	}
}

// alone runs go in a module as if there were no go.work.
func alone(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GOWORK=off")
	out, err := cmd.CombinedOutput()
	return string(out), err
}
