package telemetry_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/cart"
)

// lively returns the metrics of a service in which a bit of everything has happened, by their names.
func lively(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	waiting := closing
	waiting.Name = "waiting"
	waiting.React = func(_ bool, r deed.Recorded[cart.Event]) []deed.Effect {
		return []deed.Effect{cart.Decider.Send(r.Stream.ID(), cart.CheckOut{}).In(time.Hour).Named("close")}
	}
	b := newBed(t, cart.Decider, lines, closing, giving, waiting).run()
	b.send("1", "open", `{"owner":"ann"}`)
	b.settle()
	families := map[string]*dto.MetricFamily{}
	for _, f := range must(b.registry.Gather())(t) {
		families[f.GetName()] = f
	}
	return families
}

// familyOf is the metric that a series belongs to: a histogram's has an end to its name.
func familyOf(families map[string]*dto.MetricFamily, series string) *dto.MetricFamily {
	for _, end := range []string{"_bucket", "_sum", "_count"} {
		if name, found := strings.CutSuffix(series, end); found && families[name].GetType() == dto.MetricType_HISTOGRAM {
			return families[name]
		}
	}
	return families[series]
}

func labelsOf(f *dto.MetricFamily) []string {
	var names []string
	for _, l := range f.GetMetric()[0].GetLabel() {
		names = append(names, l.GetName())
	}
	slices.Sort(names)
	return names
}

// dashboard is what the tests need to know of dashboard.json.
type dashboard struct {
	Title, UID string
	Panels     []struct {
		ID          int
		Type, Title string
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct{ RefID, Expr string }
	}
	Templating struct {
		List []struct {
			Name  string
			Query any
		}
	}
}

var (
	seriesName = regexp.MustCompile(`\b(?:deed|go|process)_[a-z_]+`)
	byLabels   = regexp.MustCompile(`by \(([^)]*)\)`)
	selected   = regexp.MustCompile(`\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`(\w+)(?:=~|!~|!=|=)"`)
)

// The dashboard asks for what there is: metrics that exist, by labels that they have.
func TestTheDashboardAsksForWhatThereIs(t *testing.T) {
	var board dashboard
	if err := json.Unmarshal(must(os.ReadFile("dashboard.json"))(t), &board); err != nil {
		t.Fatal(err)
	}
	families := lively(t)
	asked, ids, rows := map[string]bool{}, map[int]bool{}, []string{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d %q: its id is taken, it has no title, or it does not fit", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			rows = append(rows, p.Title)
		} else if len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			names := seriesName.FindAllString(target.Expr, -1)
			if len(names) == 0 || strings.Count(target.Expr, "(") != strings.Count(target.Expr, ")") {
				t.Errorf("%q: %s", p.Title, target.Expr)
			}
			for _, name := range names {
				f := familyOf(families, name)
				if f == nil {
					t.Errorf("%q asks for %s, which there is not", p.Title, name)
					continue
				}
				asked[f.GetName()] = true
				for _, label := range labelsAsked(target.Expr) {
					if !slices.Contains(append(labelsOf(f), "le", "instance"), label) {
						t.Errorf("%q asks for the label %s of %s", p.Title, label, name)
					}
				}
			}
		}
	}
	if want := []string{"Service", "Commands", "Log writer", "Views and other parts", "Processes and reactors", "HTTP"}; !slices.Equal(rows, want) {
		t.Errorf("the rows are %q, want %q", rows, want)
	}
	for _, name := range slices.Sorted(maps.Keys(families)) {
		if strings.HasPrefix(name, "deed_") && !asked[name] {
			t.Errorf("%s is on no panel", name)
		}
	}
}

func labelsAsked(expr string) []string {
	var labels []string
	for _, m := range byLabels.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(m[1], ",") {
			labels = append(labels, strings.TrimSpace(label))
		}
	}
	for _, m := range selected.FindAllStringSubmatch(expr, -1) {
		for _, l := range matcher.FindAllStringSubmatch(m[1], -1) {
			labels = append(labels, l[1])
		}
	}
	return labels
}

// The page lists every metric with its labels, and none that there is not.
func TestThePageListsTheMetrics(t *testing.T) {
	page := string(must(os.ReadFile(filepath.Join("..", "docs", "observability.md")))(t))
	families := lively(t)
	listed := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(deed_\\w+)` \\|([^|]*)\\|").FindAllStringSubmatch(page, -1) {
		if listed[m[1]] = strings.TrimSpace(m[2]); families[m[1]] == nil {
			t.Errorf("the page lists %s, which there is not", m[1])
		}
	}
	for name, f := range families {
		labels, found := listed[name]
		got := strings.Split(strings.ReplaceAll(labels, " ", ""), ",")
		slices.Sort(got)
		want := labelsOf(f)
		switch {
		case !found:
			t.Errorf("%s is not in the page", name)
		case strings.Join(got, ",") != strings.Join(want, ","):
			t.Errorf("the page gives %s the labels %q, it has %q", name, got, want)
		}
	}
	for _, name := range seriesName.FindAllString(page, -1) {
		if familyOf(families, name) == nil && !strings.HasSuffix(name, "_") {
			t.Errorf("the page speaks of %s, which there is not", name)
		}
	}
}

// The code of the page that hooks it in is that of the example, which runs.
func TestThePageShowsTheExample(t *testing.T) {
	page := string(must(os.ReadFile(filepath.Join("..", "docs", "observability.md")))(t))
	example := string(must(os.ReadFile("example_test.go"))(t))
	code := regexp.MustCompile("(?s)```go\n(.*?)```").FindStringSubmatch(page)
	if code == nil {
		t.Fatal("the page shows no code")
	}
	for line := range strings.Lines(code[1]) {
		if !strings.Contains(example, "\n\t"+line) {
			t.Errorf("the example does not have the line %s", line)
		}
	}
}

// The page lists what is logged.
func TestThePageListsTheMessages(t *testing.T) {
	page := string(must(os.ReadFile(filepath.Join("..", "docs", "observability.md")))(t))
	message := regexp.MustCompile(`(?:[lL]ogger|\blog)\.(?:(Debug|Info|Warn|Error)\(|Log\([^"]*)\s*"([^"]+)"`)
	found := 0
	for _, dir := range []string{"..", "../sqlite", "../gateway", "."} {
		for _, name := range must(filepath.Glob(filepath.Join(dir, "*.go")))(t) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, m := range message.FindAllStringSubmatch(string(must(os.ReadFile(name))(t)), -1) {
				row := regexp.MustCompile(`(?m)^\| [^|]*` + strings.ToLower(m[1]) + `[^|]* \| ` + regexp.QuoteMeta(m[2]) + ` \|`)
				if found++; !row.MatchString(page) {
					t.Errorf("%s logs %q as %s, which is not in the page", name, m[2], m[1])
				}
			}
		}
	}
	if found < 15 {
		t.Errorf("%d messages were found, there are at least 15", found)
	}
}
